"""Faces through MediaPipe's FaceMesh: the optional back end, for comparison and for those who know it.

One graph finds, follows and measures, with an attention mesh whose lids and irises are as good as those of the iris
network. Its lid points are laid out as that network's contour is, so that openness and gaze mean the same in both.
"""

from __future__ import annotations

import os
import time
import warnings
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import RuntimeMissing
from edged.inference.crops import Image
from edged.inference.eyes import Eye, measure
from edged.inference.face_mesh import Mesh
from edged.inference.finder import FoundFace, Scene
from edged.inference.tracking import TrackIds
from edged.observations import Box
from edged.settings import InferenceSettings

_STAGES = ("detection", "landmarks", "iris")
_POINTS = 468  # of the mesh; ten more are the irises
# Lid points in the order of the iris network's contour (see eyes.py): the lower lid from the outer corner to the
# inner one (9 points), then the upper lid between them, each facing the lower one before it (7 points).
# Right and left are the sitter's own.
_RIGHT_LIDS = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173])
_LEFT_LIDS = np.array([263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398])
_RIGHT_IRIS = slice(468, 473)
_LEFT_IRIS = slice(473, 478)


def _import_library() -> Any:
    # It tells standard error what it loads; warnings and errors still come through.
    os.environ.setdefault("GLOG_minloglevel", "1")
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
    try:
        import mediapipe
    except ImportError as error:
        raise RuntimeMissing(
            f"inference.backend is mediapipe and that cannot be imported ({error}) "
            "(cure: scripts/add mediapipe in edged's folder, which exists for Python 3.9 to 3.12 only; "
            "or inference.backend = litert)"
        ) from None
    if not hasattr(mediapipe, "solutions"):
        raise RuntimeMissing(
            f"mediapipe {getattr(mediapipe, '__version__', '')} has no FaceMesh solution with models of its own "
            "(cure: pip install 'mediapipe>=0.10.14,<0.10.30')"
        )
    return mediapipe


class MediaPipeFaces:
    """The optional back end. Raises RuntimeMissing at construction."""

    name = "mediapipe"

    def __init__(self, settings: InferenceSettings) -> None:
        self._library = _import_library()
        self._settings = settings
        self._ids = TrackIds(settings.lost_track_seconds)
        self._rgb = np.empty((0, 0, 3), np.uint8)
        self._asked = 0
        self.missing_models: list[str] = []
        self.stage_ms: dict[str, float] = {}
        self.detector_ran = False
        self._graph = self._build()

    def _build(self) -> Any:
        return self._library.solutions.face_mesh.FaceMesh(
            static_image_mode=False,
            max_num_faces=self._settings.max_faces,
            refine_landmarks=True,
            min_detection_confidence=self._settings.detection_score,
            min_tracking_confidence=self._settings.tracking_score,
        )

    @property
    def stages(self) -> list[str]:
        """The stages that run with the switches as they stand."""
        count = 1 + (self._settings.stages.landmarks and 1 + self._settings.stages.iris)
        return list(_STAGES[:count])

    def adopt(self, settings: InferenceSettings) -> None:
        """What the graph was built with needs another graph: the next frame then starts with a detection."""
        built_with = ("max_faces", "detection_score", "tracking_score")
        rebuild = any(getattr(settings, name) != getattr(self._settings, name) for name in built_with)
        self._settings = settings
        self._ids.lost_seconds = settings.lost_track_seconds
        if rebuild:
            self._graph.close()
            self._graph = self._build()

    def invocations(self) -> dict[str, int]:
        """How often the graph was asked; which of its networks ran it does not tell."""
        return {"face_mesh_graph": self._asked}

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def find(self, image: Image, scene: Scene) -> list[FoundFace]:
        start = time.perf_counter_ns()
        if scene.cut:
            # Its tracking would look for the old face where it was.
            self._ids.cut()
            self._graph.reset()
        if self._rgb.shape != image.shape:
            self._rgb = np.empty_like(image)
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=self._rgb)
        self._asked += 1
        found = self._graph.process(self._rgb).multi_face_landmarks or ()
        height, width = image.shape[:2]
        meshes = [_points(landmarks, width, height) for landmarks in found]
        boxes = [Mesh(points, 1.0).box() for points in meshes]
        tracks = self._ids.match(boxes, scene.at_seconds)
        self._ids.forget(scene.at_seconds)
        faces = [self._face(*one) for one in zip(tracks, boxes, meshes, strict=True)]
        faces.sort(key=lambda face: face.track)
        self.stage_ms = {"landmarks": round((time.perf_counter_ns() - start) / 1e6, 3)}
        return faces

    def _face(self, track: int, box: Box, points: NDArray[np.float32]) -> FoundFace:
        # The graph keeps its score to itself; what is below the thresholds it does not return.
        score = 1.0
        stages = self._settings.stages
        if not stages.landmarks:
            return FoundFace(track, box, score)
        mesh = Mesh(points[:_POINTS], score)
        if not stages.iris:
            return FoundFace(track, box, score, mesh)
        return FoundFace(
            track,
            box,
            score,
            mesh,
            right_eye=_eye(points, _RIGHT_LIDS, _RIGHT_IRIS),
            left_eye=_eye(points, _LEFT_LIDS, _LEFT_IRIS),
        )


def _points(landmarks: Any, width: int, height: int) -> NDArray[np.float32]:
    """The graph's points as 478 x 3 in frame pixels; its z has the scale of its x."""
    points = np.fromiter(
        (value for point in landmarks.landmark for value in (point.x, point.y, point.z)),
        np.float32,
        3 * len(landmarks.landmark),
    ).reshape(-1, 3)
    return points * np.array((width, height, width), np.float32)


def _eye(points: NDArray[np.float32], lids: NDArray[np.int_], iris: slice) -> Eye:
    return measure(points[lids, :2], points[iris, :2])
