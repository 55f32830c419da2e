"""The whole path in one process: source → pipeline → judgement. For `edged watch`, benchmarks and accuracy tables.

The daemon takes the same path through three processes; what is judged and how is the same code.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edged.capture.opening import open_source
from edged.capture.source import Captured
from edged.errors import RecordingError
from edged.events import Happening, envelope
from edged.frames import FrameStamp
from edged.inference.models import ModelStore, default_directory
from edged.inference.pipeline import Pipeline
from edged.judgement import judge
from edged.judgement.security import Surroundings
from edged.observations import Observation, from_json
from edged.settings import JudgementSettings, Settings
from edged.states import Summary
from edged.store.directory import chosen_directory

# Ids of replayed events come from the recording alone, so that a replay gives the same ones.
REPLAY_SESSION = b""


class Step(NamedTuple):
    """One analysed frame. observation: with zones filled in. captured: None in replays."""

    observation: Observation
    happenings: tuple[Happening, ...]
    summary: Summary | None
    captured: Captured | None


def fast(settings: Settings) -> Settings:
    """Settings for analysing a recording: once, every frame, without waiting."""
    capture = settings.capture.model_copy(update={"pace": "fast", "loop": False})
    return settings.model_copy(update={"capture": capture})


class Analysis:
    """Opens the source and the models of these settings; iterate `steps`, then `close`.

    Raises SourceError, ModelError or RuntimeMissing at construction; SourceUnavailable while iterating.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        store = ModelStore(default_directory(settings.models))
        # Whoever looks at a clip meets the people the daemon knows, and leaves no strangers with it.
        self.pipeline = Pipeline(settings.inference, store, state_directory=chosen_directory(settings.store))
        report = self.pipeline.report()
        if not set(report.stages) - {"lens"}:
            # The daemon tells its health of this and waits; here nothing could ever come out: the lens needs no model.
            for name in report.missing_models:
                store.path(name)
        self.source = open_source(settings.capture)
        self.source.open()

    def steps(self, seconds: float | None = None) -> Iterator[Step]:
        """Every frame until the source ends, or has shown so much of itself.

        Pending blinks come with a last step that repeats the last frame.
        """
        begin_ms: float | None = None
        state = judge.begin()
        last: Observation | None = None
        sequence = 0
        while (captured := self.source.read()) is not None:
            begin_ms = captured.at_ms if begin_ms is None else begin_ms
            if seconds is not None and captured.at_ms - begin_ms > seconds * 1000:
                break
            sequence += 1
            height, width = captured.image.shape[:2]
            stamp = FrameStamp(
                sequence, captured.frame, captured.captured_ns, captured.wall_ns, captured.at_ms, width, height
            )
            last = self.pipeline.analyse(captured.image, stamp)
            outcome = judge.observe(self._settings.judgement, state, last, _around(self._settings.judgement, last))
            state = outcome.state
            seen = msgspec.structs.replace(last, faces=outcome.faces)
            yield Step(seen, outcome.happenings, outcome.summary, captured)
        if last is not None:
            yield _last_step(state, last)

    def close(self) -> None:
        """Give camera and networks back."""
        self.source.close()
        self.pipeline.close()


def replay(settings: JudgementSettings, observations: Iterable[Observation]) -> Iterator[Step]:
    """Judge recorded observations again."""
    state = judge.begin()
    last: Observation | None = None
    for last in observations:
        outcome = judge.observe(settings, state, last, _around(settings, last))
        state = outcome.state
        seen = msgspec.structs.replace(last, faces=outcome.faces)
        yield Step(seen, outcome.happenings, outcome.summary, None)
    if last is not None:
        yield _last_step(state, last)


def _around(settings: JudgementSettings, observation: Observation) -> Surroundings:
    """The hour on the wall when it was recorded, where the seat's policy goes by it."""
    if not settings.security.schedules:
        return Surroundings()
    local = time.localtime(observation.wall_ns / 1e9)
    return Surroundings(local.tm_wday, local.tm_hour * 60 + local.tm_min)


def _last_step(state: judge.JudgementState, last: Observation) -> Step:
    return Step(last, judge.finish(state, last).happenings, None, None)


def recorded(path: Path) -> Iterator[Observation]:
    """Read an observation file. Raises RecordingError, naming the line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield from_json(line)
                except msgspec.MsgspecError as error:
                    raise RecordingError(
                        f"{path}: line {number} is not an observation: {error} "
                        "(cure: record it again with edged watch SOURCE --observations FILE)"
                    ) from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None


class EventLines:
    """Numbers happenings and gives their payloads, as `edged watch` and `edged judge` print them."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._sequence = 0

    def payload(self, happening: Happening) -> dict[str, Any]:
        """The event as on its topic."""
        self._sequence += 1
        return envelope(happening, self._camera, self._sequence, REPLAY_SESSION)
