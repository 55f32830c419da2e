"""Stages beyond finding faces: who it is, whether it is of flesh, what else is in the picture.

A stage keeps its own cadence: it is shown every frame and answers only when it really asked a network. One that is
switched off has loaded nothing; `adopt` loads what a changed setting asks for. the two tables name all of them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Union, runtime_checkable

import msgspec

from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.models import ModelStore
from edged.messages import Enrol, Enrolled
from edged.observations import Face, Identity, Liveness, Thing
from edged.settings import InferenceSettings

# What is said of a face: a dict is its `attributes`.
Finding = Union[Identity, Liveness, dict[str, float]]

# "module:class"; each is made with (InferenceSettings, Surroundings). In the order in which they look.
FACE_STAGES: tuple[str, ...] = (
    "edged.inference.recognition.stage:RecognitionStage",
    "edged.inference.liveness.stage:LivenessStage",
    "edged.inference.attributes:AttributeStage",
)
SCENE_STAGES: tuple[str, ...] = ("edged.inference.objects.stage:ObjectStage", "edged.inference.lens:LensStage")


class Surroundings(NamedTuple):
    """What a stage may reach for.

    state_directory: where the gallery lies; None: nothing is kept or known. remembers: what is seen now may be kept for
    later, as strangers are; not so when somebody only looks at a clip.
    """

    store: ModelStore
    state_directory: Path | None = None
    remembers: bool = False


class Stage(Protocol):
    """What all stages have.

    name: for stage_ms and reports. running: switched on, with its models. missing_models: names of files that would
    switch it on, or more of it. warnings: plain sentences with their cures.
    """

    name: str
    missing_models: list[str]
    warnings: list[str]

    @property
    def running(self) -> bool: ...

    def adopt(self, settings: InferenceSettings) -> None:
        """Take over changed live settings between two frames; load or let go of models."""

    def invocations(self) -> dict[str, int]:
        """How often each network has been asked, by model name."""

    def close(self) -> None:
        """Release what it holds."""


@runtime_checkable
class Enrolling(Protocol):
    """A stage that people can be enrolled with."""

    def enrol(self, wish: Enrol) -> None:
        """Begin; `outcomes` tells how it ended."""

    def outcomes(self) -> list[Enrolled]:
        """Enrolments that ended since the last call."""


class FaceStage(Stage, Protocol):
    """Looks at faces: recognition, liveness, attributes."""

    def look(
        self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], at_seconds: float
    ) -> Mapping[int, Finding]:
        """Findings by track, only for faces that were really asked about. image: the BGR frame; measured: by track.

        Frames without faces are shown as well.
        """


class SceneStage(Stage, Protocol):
    """Looks at the whole picture: objects, a blocked lens."""

    def look(
        self, image: Image, faces: Sequence[FoundFace], at_seconds: float, moves: bool
    ) -> tuple[Thing, ...] | bool | None:
        """Things, or whether the lens is blocked; None: it was not asked on this frame. moves: the motion gate's word."""


class Seen(NamedTuple):
    """What the stages made of a frame: faces with their findings, and the scene's."""

    faces: tuple[Face, ...]
    things: tuple[Thing, ...] | None
    blocked: bool | None


class Stages:
    """All of them, in the order of the table."""

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self.of_faces: list[FaceStage] = [_load(row)(settings, surroundings) for row in FACE_STAGES]
        self.of_scene: list[SceneStage] = [_load(row)(settings, surroundings) for row in SCENE_STAGES]
        self.stage_ms: dict[str, float] = {}

    @property
    def all(self) -> list[Stage]:
        """Face stages first."""
        return [*self.of_faces, *self.of_scene]

    @property
    def warnings(self) -> list[str]:
        """What all of them have to say."""
        return [warning for stage in self.all for warning in stage.warnings]

    @property
    def enrolling(self) -> Enrolling:
        """The stage that enrols people."""
        return next(stage for stage in self.of_faces if isinstance(stage, Enrolling))

    def look(
        self, image: Image, found: Sequence[FoundFace], faces: tuple[Face, ...], at_seconds: float, moves: bool
    ) -> Seen:
        """Show a frame to every stage that runs. faces: as measured, in the order of `found`."""
        self.stage_ms = {}
        findings: dict[int, dict[str, Any]] = {}
        measured = {face.track: face for face in faces}
        for face_stage in self.of_faces:
            if face_stage.running:
                started = time.perf_counter_ns()
                for track, finding in face_stage.look(image, found, measured, at_seconds).items():
                    findings.setdefault(track, {})[_field(finding)] = finding
                self._timed(face_stage.name, started)
        things: tuple[Thing, ...] | None = None
        blocked: bool | None = None
        for scene_stage in self.of_scene:
            if scene_stage.running:
                started = time.perf_counter_ns()
                saw = scene_stage.look(image, found, at_seconds, moves)
                self._timed(scene_stage.name, started)
                if isinstance(saw, bool):
                    blocked = saw
                elif saw is not None:
                    things = (*(things or ()), *saw)
        if findings:
            # The measured faces are kept for the next frames: what was found belongs to this one alone.
            faces = tuple(
                msgspec.structs.replace(face, **findings[face.track]) if face.track in findings else face
                for face in faces
            )
        return Seen(faces, things, blocked)

    def _timed(self, name: str, started_ns: int) -> None:
        self.stage_ms[name] = round((time.perf_counter_ns() - started_ns) / 1e6, 3)


def _field(finding: Finding) -> str:
    if isinstance(finding, Identity):
        return "identity"
    return "liveness" if isinstance(finding, Liveness) else "attributes"


def _load(row: str) -> Any:
    module, _, name = row.partition(":")
    return getattr(importlib.import_module(module), name)
