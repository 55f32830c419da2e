"""The contract of face finders: what the pipeline needs of a back end, whichever library does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from edged.inference.crops import Image
from edged.inference.eyes import Eye
from edged.inference.face_mesh import Mesh
from edged.observations import Box
from edged.settings import InferenceSettings


class FoundFace(NamedTuple):
    """One face of one frame. mesh and eyes are None where their stage is off; right and left are the sitter's own."""

    track: int
    box: Box
    score: float
    mesh: Mesh | None = None
    right_eye: Eye | None = None
    left_eye: Eye | None = None


class Scene(NamedTuple):
    """What the motion gate knows of this frame. at_seconds: stream time.

    moves_beside: whether anything moves but these faces and their bodies.
    """

    at_seconds: float
    moves: bool
    cut: bool
    moves_beside: Callable[[Iterable[Box]], bool] = lambda _figures: True


class FaceFinder(Protocol):
    """Finds and follows faces.

    name: as in `inference.backend`. stages: those that run. missing_models: names of files that would switch more
    on. stage_ms: wall time of each stage on the last frame. detector_ran: on the last frame.
    """

    @property
    def name(self) -> str: ...

    @property
    def stages(self) -> list[str]: ...

    missing_models: list[str]
    stage_ms: dict[str, float]
    detector_ran: bool

    def find(self, image: Image, scene: Scene) -> list[FoundFace]:
        """Faces of a BGR image, those followed longest first."""

    def adopt(self, settings: InferenceSettings) -> None:
        """Take over changed live settings between two frames."""

    def invocations(self) -> dict[str, int]:
        """How often each network has been asked, by model name."""

    def close(self) -> None:
        """Release what the library holds."""
