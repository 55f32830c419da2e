"""What a back end makes of a clip or of the sitter, frame by frame, beside the sitter's truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edged.capture.opening import open_source
from edged.capture.sitter import load_script
from edged.capture.sitter_timeline import Truth
from edged.capture.source import Captured
from edged.frames import FrameStamp
from edged.inference.models import ModelStore
from edged.inference.pipeline import Pipeline
from edged.observations import Face, Observation
from edged.settings import CaptureSettings, InferenceSettings

FRAMES_PER_SECOND = 30.0


@dataclass
class Seen:
    """observations: of every frame. truths: of every frame of the sitter, empty for clips."""

    observations: list[Observation]
    truths: list[Truth]

    def faces(self) -> list[Face]:
        """The first face of each frame that has one."""
        return [one.faces[0] for one in self.observations if one.faces]

    def tracks(self) -> set[int]:
        return {face.track for one in self.observations for face in one.faces}

    def typical(self, value: Callable[[Face], float | None], when: Callable[[Truth], bool]) -> float:
        """Median of a figure of the face over the frames in which the sitter is like that."""
        found = [
            value(one.faces[0])
            for one, truth in zip(self.observations, self.truths, strict=True)
            if one.faces and when(truth)
        ]
        return median(one for one in found if one is not None)


def pictures(source: str) -> Iterator[Captured]:
    """Every frame of a source, as fast as it comes."""
    settings = CaptureSettings.model_validate(
        {"source": source, "pace": "fast", "loop": False, "frames_per_second": FRAMES_PER_SECOND}
    )
    opened = open_source(settings)
    opened.open()
    try:
        while (captured := opened.read()) is not None:
            yield captured
    finally:
        opened.close()


def stamp_of(captured: Captured) -> FrameStamp:
    height, width = captured.image.shape[:2]
    return FrameStamp(captured.frame + 1, captured.frame, 0, 0, captured.at_ms, width, height)


def analyse(source: str, settings: InferenceSettings, models: Path) -> Seen:
    """Run the whole pipeline with a back end over a source."""
    script = load_script(source) if source.startswith("sitter:") else None
    seen = Seen([], [])
    pipeline = Pipeline(settings, ModelStore(models))
    try:
        for captured in pictures(source):
            seen.observations.append(pipeline.analyse(captured.image, stamp_of(captured)))
            if script is not None:
                seen.truths.append(script.truth_at(captured.at_ms / 1000))
    finally:
        pipeline.close()
    return seen
