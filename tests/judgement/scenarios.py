"""Observation streams written as scripts, in simulated time: what one or several faces show, at any frame rate.

    scene = Scene(fps=30)
    scene.show(1.0)                                       # one second with a face that looks at the screen
    scene.show(0.2, openness=blink_curve(0.2))            # the lids go down and up
    scene.empty(2.0)
    told = judge(scene)

Every value may be a number or a function of the time within the act, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, Union

import msgspec

from edged.events import Blink, Dwell, EventBody, Gaze, Happening, Presence
from edged.judgement import judge as judging
from edged.observations import Box, Face, Observation, Pair
from edged.settings import JudgementSettings
from edged.states import Summary

Value = Union[float, Callable[[float], float]]
WALL_NS = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z
SCREEN_PITCH = -5.0
BOTH_SEEN = Pair(1.0, 1.0)
Body = TypeVar("Body", bound=EventBody)


def at(value: Value, seconds: float) -> float:
    return value(seconds) if callable(value) else value


def blink_curve(seconds: float, lowest: float = 0.05, opened: float = 1.0) -> Callable[[float], float]:
    """Lids that sink to `lowest` half way through and are open again at the end."""
    return lambda now: opened - (opened - lowest) * max(0.0, 1 - abs(2 * now / seconds - 1))


def face(
    *,
    track: int = 1,
    left: float | None = 1.0,
    right: float | None = 1.0,
    seen: Pair | None = BOTH_SEEN,
    yaw: float | None = 0.0,
    pitch: float | None = SCREEN_PITCH,
    head_yaw: float | None = 0.0,
    head_pitch: float | None = 0.0,
    size: float = 100.0,
    box: Box | None = None,
) -> Face:
    """A face; yaw and pitch are those of the gaze."""
    return Face(
        track=track,
        box=box or Box(10.0, 10.0, size, size),
        score=0.9,
        yaw_degrees=head_yaw,
        pitch_degrees=head_pitch,
        roll_degrees=None if head_yaw is None else 0.0,
        eye_openness=None if left is None or right is None else Pair(left, right),
        eyes_seen=seen,
        gaze_yaw_degrees=yaw,
        gaze_pitch_degrees=pitch,
        shown_gaze_yaw_degrees=yaw,
        shown_gaze_pitch_degrees=pitch,
    )


class Scene:
    """Collects observations, one per frame; `seconds` is where the script stands."""

    def __init__(self, fps: float = 30.0) -> None:
        self.fps = fps
        self.frame = 0
        self.skipped_ms = 0.0
        self.observations: list[Observation] = []

    @property
    def seconds(self) -> float:
        return self.frame / self.fps + self.skipped_ms / 1000

    def add(self, *faces: Face) -> Scene:
        """One frame with these faces."""
        at_ms = self.frame * 1000 / self.fps + self.skipped_ms
        at_ns = round(at_ms * 1e6)
        self.observations.append(
            Observation(self.frame, self.frame + 1, at_ms, at_ns, WALL_NS + at_ns, 640, 480, tuple(faces))
        )
        self.frame += 1
        return self

    def frames(self, seconds: float) -> Iterable[float]:
        """The times within an act of this length, frame by frame."""
        end = self.seconds + seconds
        begin = self.seconds
        while self.seconds < end - 1e-6:
            yield self.seconds - begin

    def empty(self, seconds: float) -> Scene:
        """Nobody in view."""
        for _ in self.frames(seconds):
            self.add()
        return self

    def show(
        self,
        seconds: float,
        *,
        openness: Value = 1.0,
        left: Value | None = None,
        right: Value | None = None,
        yaw: Value = 0.0,
        pitch: Value = SCREEN_PITCH,
        **fixed: Any,
    ) -> Scene:
        """One face; left and right are the sitter's own eyes, `openness` both."""
        for now in self.frames(seconds):
            both = at(openness, now)
            self.add(
                face(
                    left=both if left is None else at(left, now),
                    right=both if right is None else at(right, now),
                    yaw=at(yaw, now),
                    pitch=at(pitch, now),
                    **fixed,
                )
            )
        return self

    def blink(self, seconds: float = 0.2, lowest: float = 0.05, **more: Any) -> Scene:
        """Both lids down and up."""
        return self.show(seconds, openness=blink_curve(seconds, lowest), **more)

    def pause(self, seconds: float) -> Scene:
        """No frames at all for so long."""
        self.skipped_ms += seconds * 1000
        return self


class Told(NamedTuple):
    """All that judgement said of a scene. states: after every observation."""

    happenings: list[Happening]
    summaries: list[Summary]
    states: list[judging.JudgementState]

    def of(self, kind: type[Body]) -> list[Body]:
        return [one.body for one in self.happenings if isinstance(one.body, kind)]

    def at(self, kind: type[EventBody]) -> list[float]:
        """When these were told, in seconds of the stream."""
        return [round(one.at_ms / 1000, 3) for one in self.happenings if isinstance(one.body, kind)]

    @property
    def gestures(self) -> list[str]:
        return [one.gesture for one in self.of(Blink)]

    @property
    def zones(self) -> list[str]:
        return [one.zone for one in self.of(Gaze)]

    @property
    def dwells(self) -> list[str]:
        return [one.zone for one in self.of(Dwell)]

    @property
    def changes(self) -> list[tuple[str, int]]:
        return [(one.change, one.people) for one in self.of(Presence)]

    @property
    def last(self) -> dict[str, Any]:
        """The states at the end."""
        return msgspec.to_builtins(judging.states(self.states[-1]))  # type: ignore[no-any-return]


def settings(section: str = "", **changed: Any) -> JudgementSettings:
    """The defaults, with some of one section changed."""
    if not section:
        return JudgementSettings()
    return JudgementSettings.model_validate({section: changed})


def judge(scene: Scene | Sequence[Observation], used: JudgementSettings | None = None, *, finish: bool = True) -> Told:
    """Judge a scene from the beginning; finish: the recording ends there."""
    used = used or JudgementSettings()
    observations = scene.observations if isinstance(scene, Scene) else scene
    told = Told([], [], [judging.begin()])
    for observation in observations:
        outcome = judging.observe(used, told.states[-1], observation)
        told.states.append(outcome.state)
        told.happenings.extend(outcome.happenings)
        if outcome.summary is not None:
            told.summaries.append(outcome.summary)
    if finish and observations:
        told.happenings.extend(judging.finish(told.states[-1], observations[-1]).happenings)
    return told
