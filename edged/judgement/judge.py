"""The door of judgement: one observation in, a new state and what happened out. A recording replays the same, always."""

from __future__ import annotations

from typing import NamedTuple, Union

import msgspec

from edged.events import (
    Blink,
    EventBody,
    EyesState,
    GazeState,
    Happening,
    PresenceState,
    Summary,
    iso_utc,
)
from edged.judgement import blink, drowsiness, gaze, presence, summary
from edged.judgement.primary import primary
from edged.observations import Face, Observation
from edged.settings import JudgementSettings

_BLINKS_OF = {"single": 1, "double": 2, "triple": 3, "long": 1}
State = Union[PresenceState, GazeState, EyesState]


class JudgementState(msgspec.Struct, frozen=True):
    """All that judgement remembers. shown_*: the primary face's smoothed gaze, for the state topic."""

    presence: presence.PresenceMemory = presence.PresenceMemory()
    blink: blink.BlinkMemory = blink.BlinkMemory()
    gaze: gaze.GazeMemory = gaze.GazeMemory()
    drowsiness: drowsiness.DrowsinessMemory = drowsiness.DrowsinessMemory()
    summary: summary.SummaryMemory = summary.SummaryMemory()
    shown_yaw_degrees: float | None = None
    shown_pitch_degrees: float | None = None


class Outcome(NamedTuple):
    """state: for the next call. faces: the observation's, with their zones filled in."""

    state: JudgementState
    happenings: tuple[Happening, ...]
    summary: Summary | None
    faces: tuple[Face, ...]


def begin() -> JudgementState:
    """Nothing is known yet."""
    return JudgementState()


def observe(settings: JudgementSettings, state: JudgementState, observation: Observation) -> Outcome:
    """Take in one analysed frame; time is the observation's own."""
    at_ms, frame, wall_ns = observation.at_ms, observation.frame, observation.wall_ns
    bodies: list[EventBody] = []
    there, change = presence.step(
        settings.presence, state.presence, len(observation.faces), at_ms=at_ms, frame=frame, wall_ns=wall_ns
    )
    if change is not None:
        bodies.append(change)
    lids, look = state.blink, state.gaze
    face = primary(observation.faces, lids.track)
    opened: float | None = None
    shown = (state.shown_yaw_degrees, state.shown_pitch_degrees)
    blinks: list[Blink] = []
    if face is None:
        lids, blinks = blink.elapse(settings.blink, lids, at_ms=at_ms)
    else:
        opened = blink.openness(face)
        lids, blinks = blink.step(settings.blink, lids, face, at_ms=at_ms, frame=frame)
    if there.people == 0:
        # Nothing is told of somebody who has not arrived: a face for a moment may be none.
        blinks = []
    if face is not None:
        look, looks = gaze.step(
            settings.gaze,
            look,
            face,
            openness=opened,
            closed_since=_closed_since(lids),
            tell=there.people > 0,
            at_ms=at_ms,
            frame=frame,
            wall_ns=wall_ns,
        )
        bodies += looks
        shown = (face.shown_gaze_yaw_degrees, face.shown_gaze_pitch_degrees)
    elif there.people == 0 and look.zone is not None:
        look, shown = gaze.leave(look), (None, None)
    bodies += blinks
    count = sum(_BLINKS_OF.get(one.gesture, 0) for one in blinks)
    awake, drowsy = drowsiness.step(
        settings.drowsiness, state.drowsiness, openness=opened, blinks=count, at_ms=at_ms, wall_ns=wall_ns
    )
    if drowsy is not None:
        bodies.append(drowsy)
    window, figures = summary.step(
        settings.summary,
        state.summary,
        people=there.people,
        face=face,
        zone=look.zone,
        blinks=count,
        analysed=True,
        figures=drowsiness.figures(settings.drowsiness, awake),
        at_ms=at_ms,
        wall_ns=wall_ns,
    )
    faces = tuple(
        msgspec.structs.replace(one, zone=gaze.zone_of(settings.gaze, look, one, blink.openness(one)))
        for one in observation.faces
    )
    return Outcome(
        JudgementState(there, lids, look, awake, window, *shown),
        tuple(Happening(body, frame, at_ms, observation.captured_ns, wall_ns) for body in bodies),
        figures,
        faces,
    )


def elapse(
    settings: JudgementSettings, state: JudgementState, *, at_ms: float, captured_ns: int, wall_ns: int
) -> Outcome:
    """Time passed without an observation: the camera is gone, or nothing has been analysed for a while."""
    bodies: list[EventBody] = []
    there, change = presence.step(settings.presence, state.presence, 0, at_ms=at_ms, frame=-1, wall_ns=wall_ns)
    if change is not None:
        bodies.append(change)
    lids, blinks = blink.elapse(settings.blink, state.blink, at_ms=at_ms)
    bodies += blinks
    look = state.gaze
    shown = (state.shown_yaw_degrees, state.shown_pitch_degrees)
    if there.people == 0 and look.zone is not None:
        look, shown = gaze.leave(look), (None, None)
    window, figures = summary.step(
        settings.summary,
        state.summary,
        people=there.people,
        face=None,
        zone=look.zone,
        blinks=sum(_BLINKS_OF.get(one.gesture, 0) for one in blinks),
        analysed=False,
        figures=drowsiness.figures(settings.drowsiness, state.drowsiness),
        at_ms=at_ms,
        wall_ns=wall_ns,
    )
    return Outcome(
        JudgementState(there, lids, look, state.drowsiness, window, *shown),
        tuple(Happening(body, -1, at_ms, captured_ns, wall_ns) for body in bodies),
        figures,
        (),
    )


def finish(settings: JudgementSettings, state: JudgementState, last: Observation) -> Outcome:
    """The recording ends with this observation: tell the blinks that were still waiting for company."""
    waited_ms = last.at_ms + settings.blink.group_seconds * 1000 + 1000
    lids, blinks = blink.elapse(settings.blink, state.blink, at_ms=waited_ms)
    return Outcome(
        msgspec.structs.replace(state, blink=lids),
        tuple(Happening(body, last.frame, last.at_ms, last.captured_ns, last.wall_ns) for body in blinks),
        None,
        (),
    )


def states(state: JudgementState) -> dict[str, State]:
    """How things are now, by aspect, as the state topics carry it."""
    someone = state.presence.people > 0
    closed = state.gaze.zone == "eyes_closed"
    return {
        "presence": PresenceState(someone, state.presence.people, iso_utc(state.presence.since_wall_ns)),
        "gaze": GazeState(
            state.gaze.zone,
            gaze.image_side(state.gaze.zone),
            iso_utc(state.gaze.since_wall_ns),
            state.shown_yaw_degrees,
            state.shown_pitch_degrees,
        ),
        "eyes": EyesState(
            closed if someone else None, state.drowsiness.drowsy, iso_utc(state.drowsiness.since_wall_ns)
        ),
    }


def _closed_since(lids: blink.BlinkMemory) -> tuple[float, int] | None:
    closure = lids.closure
    if closure is None or closure.deep_since_ms is None:
        return None
    return closure.start_ms, closure.first_frame
