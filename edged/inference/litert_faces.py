"""Faces through LiteRT: detector, mesh and eyes, each asked only when its answer may have changed.

The detector runs when no face is followed and something moves, and now and then to find others. The mesh is asked
again when the face's pixels changed; an eye when its own pixels did. What is not asked keeps its last answer, which
the still picture confirms.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.crops import Image, Square, steady
from edged.inference.eye_watch import EyeWatch, WatchedEyes
from edged.inference.eyes import EyeReader
from edged.inference.face_detection import Detection, FaceDetector
from edged.inference.face_mesh import FaceMesh, Mesh
from edged.inference.finder import FoundFace, Scene
from edged.inference.litert import Network
from edged.inference.models import ModelStore
from edged.inference.tracking import SAME_OVERLAP, TrackIds, overlap
from edged.observations import Box
from edged.settings import InferenceSettings

# A still, empty scene is searched all the same: soon after the last motion, then more and more rarely.
_RESCAN_SECONDS, _RESCAN_SECONDS_MAX = 1.0, 8.0
# How often `auto` asks the full-range detector: while nobody is found, and while others may stand further off.
_FULL_RANGE_SECONDS_NOBODY = 0.5
_FULL_RANGE_SECONDS_OTHERS = 4.0
_OTHERS_SECONDS = 3.0  # how often others are looked for while only those who are followed move
_OLDEST_MESH_SECONDS = 0.5  # a still face is measured again this often
_CALM_MESH_SECONDS = 0.06  # a face that moves gently is measured this often: every second frame at 30 a second
_FAST_LEVELS = 9.0  # mean change of a face's pixels from which it is measured on every frame
# A mesh that lies elsewhere in its square than in the middle, by these shares of the side, has not caught up with the
# face: it is asked again on the next frame, however still the picture, and for a while the detector is asked before
# it where the face is now. Left alone, the network fits "a face" to a square that holds half of one, and stays there.
_SETTLED_SHIFT, _SETTLED_GROWTH = 0.05, 0.10
_CATCH_UP_SECONDS = 0.3
_WELL_PLACED_OVERLAP = 0.6
_SAME_SIZE_RATIO = 1.8

_NOWHERE = Box(0, 0, 0, 0)


@dataclass
class _Followed:
    """A face that is followed.

    square: where its mesh is cut next; sample: pixels of the face when it was last. settled: the last mesh lay in the
    middle of its square. unsure_until: stream seconds until which the detector is asked where it is.
    """

    track: int
    square: Square
    mesh: Mesh | None = None
    box: Box = _NOWHERE
    score: float = 0.0
    sample: NDArray[np.uint8] | None = None
    region: tuple[int, int, int, int, int] = (0, 0, 0, 0, 1)
    asked_at: float = -1e9
    settled: bool = False
    unsure_until: float = 0.0
    eyes: WatchedEyes = field(default_factory=WatchedEyes)


class LiteRtFaces:
    """The default back end. Raises RuntimeMissing or ModelCorrupt (bad delegate) at construction."""

    name = "litert"

    def __init__(self, settings: InferenceSettings, store: ModelStore) -> None:
        self._settings = settings
        self._ids = TrackIds(settings.lost_track_seconds)
        self._followed: list[_Followed] = []
        self.missing_models: list[str] = []
        self.stage_ms: dict[str, float] = {}
        self.detector_ran = False
        self._searched_at = -1e9
        self._rescan_seconds = _RESCAN_SECONDS
        self._full_at = -1e9
        self._networks: list[Network] = []

        self._store = store
        self._short: FaceDetector | None = None
        self._full: FaceDetector | None = None
        self._load_detectors()
        mesh = self._load("face_landmark")
        self._mesh = FaceMesh(mesh) if mesh else None
        iris = self._load("iris_landmark") if self._mesh else None
        self._eyes = EyeWatch(EyeReader(iris)) if iris else None

    def _load_detectors(self) -> None:
        """Those that the settings ask for and that are not loaded yet."""
        if self._short is None and self._settings.detector != "full":
            network = self._load("face_detection_short_range")
            self._short = FaceDetector(network) if network else None
        if self._full is None and self._settings.detector != "short":
            network = self._load("face_detection_full_range_sparse")
            self._full = FaceDetector(network) if network else None

    def _load(self, name: str) -> Network | None:
        if name in self.missing_models:
            return None
        try:
            path = self._store.path(name)
        except (ModelMissing, ModelCorrupt):
            self.missing_models.append(name)
            return None
        network = Network(
            path,
            threads=self._settings.threads,
            delegate=self._settings.delegate,
            delegate_options=self._settings.delegate_options,
        )
        self._networks.append(network)
        return network

    @property
    def stages(self) -> list[str]:
        """The stages that can run with the models there are and the switches as they stand."""
        names = ["detection"] if self._short or self._full else []
        if names and self._mesh and self._settings.stages.landmarks:
            names.append("landmarks")
            if self._eyes and self._settings.stages.iris:
                names.append("iris")
        return names

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings
        self._ids.lost_seconds = settings.lost_track_seconds
        self._load_detectors()
        # What a stage found before it was switched off says nothing of now.
        stages = settings.stages
        for face in self._followed:
            if not stages.landmarks:
                face.mesh = face.sample = None
            if not (stages.landmarks and stages.iris):
                face.eyes = WatchedEyes()

    def invocations(self) -> dict[str, int]:
        return {network.name: network.invocations for network in self._networks}

    def close(self) -> None:
        self._followed.clear()

    def find(self, image: Image, scene: Scene) -> list[FoundFace]:
        self.stage_ms = {}
        self.detector_ran = False
        if scene.cut:
            self._ids.cut()
            self._followed.clear()
        at = scene.at_seconds
        landmarks = self._mesh is not None and self._settings.stages.landmarks
        started = time.perf_counter_ns()
        found: list[Detection] | None = None
        if landmarks:
            if any(at < face.unsure_until for face in self._followed):
                found = self._detect(image, at)
                self._catch_up(found, at)
                started = self._timed("detection", started)
            self._follow(image, at)
            started = self._timed("landmarks", started)
        else:
            self._followed = [face for face in self._followed if at - face.asked_at < self._settings.search_seconds]
        if found is None and self._should_search(scene):
            found = self._detect(image, at)
            started = self._timed("detection", started)
        for detection in found or ():
            if len(self._followed) < self._settings.max_faces:
                self._take_up(image, detection, at, landmarks)
        del self._followed[self._settings.max_faces :]
        if landmarks and self._eyes and self._settings.stages.iris:
            for face in self._followed:
                if face.mesh is not None:
                    self._eyes.read(face.eyes, face.mesh, image, self._settings.iris_skip_levels)
            self._timed("iris", started)
        for face in self._followed:
            self._ids.keep(face.track, face.box, at)
        self._ids.forget(at)
        return [
            FoundFace(face.track, face.box, face.score, face.mesh, face.eyes.right.eye, face.eyes.left.eye)
            for face in self._followed
        ]

    def _timed(self, stage: str, started_ns: int) -> int:
        """Note how long a stage took; returns the time now."""
        now = time.perf_counter_ns()
        self.stage_ms[stage] = round((now - started_ns) / 1e6, 3)
        return now

    def _follow(self, image: Image, at: float) -> None:
        """Ask the mesh about every followed face that may have moved; let go of those that are gone."""
        kept: list[_Followed] = []
        for face in self._followed:
            if self._mesh_is_due(image, face, at - face.asked_at):
                self._ask_mesh(image, face, at)
            if face.score >= self._settings.tracking_score and not any(
                overlap(face.box, other.box) > 0.5 for other in kept
            ):
                kept.append(face)
        self._followed = kept

    def _mesh_is_due(self, image: Image, face: _Followed, age_seconds: float) -> bool:
        still_levels = self._settings.iris_skip_levels
        if face.sample is None or not face.settled or still_levels <= 0 or not 0 <= age_seconds < _OLDEST_MESH_SECONDS:
            return True
        left, top, right, bottom, step = face.region
        now = np.ascontiguousarray(image[top:bottom:step, left:right:step, 1])
        if now.shape != face.sample.shape:
            return True
        change = cv2.norm(now, face.sample, cv2.NORM_L1) / now.size
        return change > _FAST_LEVELS or (change > still_levels and age_seconds >= _CALM_MESH_SECONDS)

    def _ask_mesh(self, image: Image, face: _Followed, at: float) -> None:
        assert self._mesh is not None
        mesh = self._mesh.find(image, face.square)
        face.mesh, face.score, face.asked_at = mesh, mesh.score, at
        face.box = mesh.box()
        found = mesh.next_square(face.box)
        shift = math.hypot(found.x - face.square.x, found.y - face.square.y) / face.square.side
        growth = abs(found.side / face.square.side - 1)
        face.settled = shift < _SETTLED_SHIFT and growth < _SETTLED_GROWTH
        if not face.settled:
            face.unsure_until = at + _CATCH_UP_SECONDS
        face.square = steady(face.square, found)
        height, width = image.shape[:2]
        left, top = max(0, int(face.box.x)), max(0, int(face.box.y))
        right = min(width, int(face.box.x + face.box.width))
        bottom = min(height, int(face.box.y + face.box.height))
        step = max(1, int(face.box.width) // 32)
        if right - left < 8 or bottom - top < 8:
            face.score = 0.0  # all but out of the picture
            return
        face.region = (left, top, right, bottom, step)
        face.sample = np.ascontiguousarray(image[top:bottom:step, left:right:step, 1])

    def _should_search(self, scene: Scene) -> bool:
        since = scene.at_seconds - self._searched_at
        if scene.cut or since < 0:
            return True
        if self._followed:
            self._rescan_seconds = _RESCAN_SECONDS
            if len(self._followed) >= self._settings.max_faces or since < self._settings.search_seconds:
                return False
            # Others come from elsewhere; one who was there all along is found by the slower search.
            return since >= _OTHERS_SECONDS or scene.moves_beside(face.box for face in self._followed)
        if scene.moves:
            self._rescan_seconds = _RESCAN_SECONDS
            return True
        if since < self._rescan_seconds:
            return False
        self._rescan_seconds = min(_RESCAN_SECONDS_MAX, 2 * self._rescan_seconds)
        return True

    def _detect(self, image: Image, at: float) -> list[Detection]:
        self.detector_ran = True
        self._searched_at = at
        score = self._settings.detection_score
        wanted = self._settings.detector
        found = self._short.detect(image, score) if self._short and wanted != "full" else []
        if self._full and wanted != "short" and self._full_is_due(at, found):
            self._full_at = at
            found += self._full.detect(image, score)
        return found

    def _catch_up(self, found: list[Detection], at: float) -> None:
        """Look for faces that move fast, or have only just been found, where the detector sees them now."""
        free = list(found)
        for face in self._followed:
            nearest = min(free, key=lambda detection: _distance(detection.box, face.box), default=None)
            if nearest is None or not _may_be(nearest.box, face.box):
                continue
            free.remove(nearest)
            if at < face.unsure_until and overlap(nearest.box, face.box) < _WELL_PLACED_OVERLAP:
                face.square = nearest.square()
                face.settled = False

    def _full_is_due(self, at: float, found: list[Detection]) -> bool:
        if self._settings.detector == "full" or self._short is None:
            return True
        nobody = not found and not self._followed
        wait = _FULL_RANGE_SECONDS_NOBODY if nobody else _FULL_RANGE_SECONDS_OTHERS
        return not 0 <= at - self._full_at < wait

    def _take_up(self, image: Image, detection: Detection, at: float, landmarks: bool) -> None:
        """Start to follow a detected face, unless it is one that is followed already."""
        for face in self._followed:
            if overlap(face.box, detection.box) > SAME_OVERLAP:
                if face.mesh is None:
                    face.box, face.score, face.asked_at = detection.box, detection.score, at
                return
        face = _Followed(0, detection.square(), box=detection.box, score=detection.score, asked_at=at)
        if landmarks:
            self._ask_mesh(image, face, at)
            if face.score < self._settings.tracking_score:
                return
            if any(overlap(face.box, other.box) > SAME_OVERLAP for other in self._followed):
                return
        face.track = self._ids.identify(face.box, at, [other.track for other in self._followed])
        self._followed.append(face)


def _distance(one: Box, other: Box) -> float:
    """Between the middles, in pixels."""
    return math.hypot(
        one.x + one.width / 2 - other.x - other.width / 2, one.y + one.height / 2 - other.y - other.height / 2
    )


def _may_be(one: Box, other: Box) -> bool:
    """Near enough, and of a size, to be the same face a moment later."""
    wider = max(one.width, other.width)
    return wider < _SAME_SIZE_RATIO * min(one.width, other.width) and _distance(one, other) < wider
