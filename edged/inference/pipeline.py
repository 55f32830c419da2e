"""The graph: one frame in, one observation out.

motion gate → face finder (detector, mesh, eyes; see the back ends) → head pose → gaze, openness → smoothing → the
further stages (`stages.py`), each as often as it likes.
Used by the inference process and, without processes around it, by `edged watch` and the benchmarks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from edged.frames import FrameStamp
from edged.inference.crops import Image
from edged.inference.eyes import Eye
from edged.inference.finder import FaceFinder, FoundFace, Scene
from edged.inference.gaze import gaze_pitch_degrees, gaze_yaw_degrees
from edged.inference.head_pose import HeadPose, head_pose
from edged.inference.models import ModelStore
from edged.inference.motion import MotionGate
from edged.inference.openness import OpenLevel
from edged.inference.smoothing import OneEuro
from edged.inference.stages import Stages, Surroundings
from edged.messages import InferenceReport
from edged.observations import Face, Observation, Pair
from edged.settings import InferenceSettings

_FEWEST_EYE_PIXELS, _ENOUGH_EYE_PIXELS = 5.0, 12.0
_RENEW_SECONDS = 0.2  # measures of eyes and gaze are kept for at most so long while nothing in them changed
_RESTING_DEGREES = 0.2
_FORESHORTENED, _FULL_VIEW = 0.45, 0.8  # the narrower eye's width over the wider one's


@dataclass
class _Person:
    """What is remembered of a track: its open-eye levels and what is shown of its gaze."""

    seen_at: float
    right_open: OpenLevel | None = None
    left_open: OpenLevel | None = None
    yaw: OneEuro | None = None
    pitch: OneEuro | None = None
    pose: HeadPose | None = None
    pose_of: object = None
    face: Face | None = None
    face_of: FoundFace | None = None
    measured_at: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


class Pipeline:
    """Analyses frames one after the other. Raises RuntimeMissing or ModelError when no back end can be built.

    found: the faces of the last frame, as the finder gave them.

    state_directory: where the gallery of known people lies; None: nobody is known. remembers: see `Surroundings`.
    """

    def __init__(
        self,
        settings: InferenceSettings,
        store: ModelStore,
        *,
        stream_landmarks: bool = False,
        state_directory: Path | None = None,
        remembers: bool = False,
    ) -> None:
        self._settings = settings
        self._stream_landmarks = stream_landmarks
        self._gate = MotionGate(settings.motion_threshold)
        self._people: dict[int, _Person] = {}
        self.found: list[FoundFace] = []
        self.finder: FaceFinder = _build_finder(settings, store)
        self.stages = Stages(settings, Surroundings(store, state_directory, remembers))

    def adopt(self, settings: InferenceSettings) -> None:
        """Take over changed live settings between two frames."""
        self._settings = settings
        for person in self._people.values():
            person.face = None  # measured by other switches
        self._gate.threshold_levels = settings.motion_threshold
        self.finder.adopt(settings)
        for stage in self.stages.all:
            stage.adopt(settings)

    def report(self) -> InferenceReport:
        """What runs and what is missing."""
        stages = [*self.finder.stages]
        if "landmarks" in stages and self._settings.stages.head_pose:
            stages.append("head_pose")
        if "iris" in stages:
            stages += ["eyes", "gaze"]
        warnings = []
        if "detection" not in stages:
            warnings.append("no face detection model is on this device (cure: edged models pull)")
        missing = [*self.finder.missing_models]
        for stage in self.stages.all:
            stages += [stage.name] if stage.running else []
            missing += stage.missing_models
            warnings += stage.warnings
        return InferenceReport(self.finder.name, stages, missing, warnings)

    def close(self) -> None:
        """Release the back end and the stages."""
        for stage in self.stages.all:
            stage.close()
        self.finder.close()

    def analyse(self, image: Image, stamp: FrameStamp) -> Observation:
        """What this BGR frame (uint8, height x width x 3) shows. Frames must come in their order."""
        start = time.perf_counter_ns()
        at = stamp.at_ms / 1000
        moves, cut = self._gate.look(image, at)
        gated = time.perf_counter_ns()
        self.found = found = self.finder.find(image, Scene(at, moves, cut, self._gate.moves_beside))
        measured = time.perf_counter_ns()
        faces = tuple(self._face(face, at) for face in found)
        if len(self._people) > len(found):
            keep = self._settings.lost_track_seconds
            self._people = {track: one for track, one in self._people.items() if at - one.seen_at <= keep}
        looked = time.perf_counter_ns()
        seen = self.stages.look(image, found, faces, at, moves)
        end = time.perf_counter_ns()
        stage_ms = {
            "motion": round((gated - start) / 1e6, 3),
            **self.finder.stage_ms,
            "measures": round((looked - measured) / 1e6, 3),
            **self.stages.stage_ms,
            "total": round((end - start) / 1e6, 3),
        }
        return Observation(
            frame=stamp.frame,
            sequence=stamp.sequence,
            at_ms=stamp.at_ms,
            captured_ns=stamp.captured_ns,
            wall_ns=stamp.wall_ns,
            width=stamp.width,
            height=stamp.height,
            faces=seen.faces,
            motion=moves,
            detector_ran=self.finder.detector_ran,
            stage_ms=stage_ms,
            landmarks=_landmarks(found) if self._stream_landmarks else None,
            things=seen.things,
            blocked=seen.blocked,
        )

    def _face(self, found: FoundFace, at: float) -> Face:
        person = self._people.get(found.track)
        if person is None:
            person = self._people[found.track] = _Person(at, measured_at=at)
        person.seen_at = at
        if person.face is not None and self._still_holds(person, found, at):
            return person.face
        person.face, person.face_of = self._measured(person, found, at), found
        person.measured_at = at
        return person.face

    def _still_holds(self, person: _Person, found: FoundFace, at: float) -> bool:
        """The finder confirmed everything by the still picture, and what is shown has come to rest."""
        before = person.face_of
        if (
            before is None
            or found.mesh is None
            or found.mesh is not before.mesh
            or found.right_eye is not before.right_eye
            or found.left_eye is not before.left_eye
            or not 0 <= at - person.measured_at < _RENEW_SECONDS
        ):
            return False
        return (person.yaw is None or abs(person.yaw.value - person.gaze[0]) < _RESTING_DEGREES) and (
            person.pitch is None or abs(person.pitch.value - person.gaze[1]) < _RESTING_DEGREES
        )

    def _measured(self, person: _Person, found: FoundFace, at: float) -> Face:
        elapsed = max(0.0, at - person.measured_at)
        box = found.box
        score = round(found.score, 4)
        if found.mesh is None:
            return Face(found.track, box, score)
        if person.pose_of is not found.mesh:
            person.pose, person.pose_of = head_pose(found.mesh.points), found.mesh
        pose = person.pose
        assert pose is not None
        yaw_shown = pitch_shown = roll_shown = None
        if self._settings.stages.head_pose:
            yaw_shown, pitch_shown, roll_shown = (round(angle, 2) for angle in pose)
        right, left = found.right_eye, found.left_eye
        if right is None or left is None:
            return Face(found.track, box, score, yaw_shown, pitch_shown, roll_shown)
        person.right_open = (person.right_open or OpenLevel(right.aspect_ratio)).learn(right.aspect_ratio, elapsed)
        person.left_open = (person.left_open or OpenLevel(left.aspect_ratio)).learn(left.aspect_ratio, elapsed)
        opened = Pair(person.left_open.openness(left.aspect_ratio), person.right_open.openness(right.aspect_ratio))
        seen = _eyes_seen(right, left)
        yaws = Pair(
            gaze_yaw_degrees(left.offset_x, pose.yaw_degrees), gaze_yaw_degrees(right.offset_x, pose.yaw_degrees)
        )
        pitches = Pair(
            gaze_pitch_degrees(left.offset_y, opened.left, pose.pitch_degrees, pose.yaw_degrees),
            gaze_pitch_degrees(right.offset_y, opened.right, pose.pitch_degrees, pose.yaw_degrees),
        )
        yaw, pitch = _weighed(yaws, seen), _weighed(pitches, seen)
        person.gaze = (yaw, pitch)
        person.yaw = person.yaw.step(yaw, at) if person.yaw else OneEuro(yaw, 0.0, at)
        person.pitch = person.pitch.step(pitch, at) if person.pitch else OneEuro(pitch, 0.0, at)
        return Face(
            found.track,
            box,
            score,
            yaw_shown,
            pitch_shown,
            roll_shown,
            eye_aspect_ratio=_rounded(left.aspect_ratio, right.aspect_ratio),
            eye_openness=_rounded(opened.left, opened.right),
            eyes_seen=_rounded(seen.left, seen.right),
            eye_gaze_yaw_degrees=_rounded(yaws.left, yaws.right),
            eye_gaze_pitch_degrees=_rounded(pitches.left, pitches.right),
            gaze_yaw_degrees=round(yaw, 3),
            gaze_pitch_degrees=round(pitch, 3),
            shown_gaze_yaw_degrees=round(person.yaw.value, 3),
            shown_gaze_pitch_degrees=round(person.pitch.value, 3),
        )


def _rounded(left: float, right: float) -> Pair:
    return Pair(round(left, 4), round(right, 4))


def _build_finder(settings: InferenceSettings, store: ModelStore) -> FaceFinder:
    if settings.backend == "mediapipe":
        from edged.inference.mediapipe_faces import MediaPipeFaces

        return MediaPipeFaces(settings)
    from edged.inference.litert_faces import LiteRtFaces

    return LiteRtFaces(settings, store)


def _eyes_seen(right: Eye, left: Eye) -> Pair:
    """How well each eye can be seen: large enough, and not turned away."""
    wider = max(right.width, left.width)

    def seen(eye: Eye) -> float:
        size = (eye.width - _FEWEST_EYE_PIXELS) / (_ENOUGH_EYE_PIXELS - _FEWEST_EYE_PIXELS)
        turned = (eye.width / wider - _FORESHORTENED) / (_FULL_VIEW - _FORESHORTENED)
        return max(0.0, min(1.0, size)) * max(0.0, min(1.0, turned))

    return Pair(seen(left), seen(right))


def _weighed(values: Pair, weights: Pair) -> float:
    total = weights.left + weights.right
    if total <= 0:
        return (values.left + values.right) / 2
    return (values.left * weights.left + values.right * weights.right) / total


def _landmarks(found: list[FoundFace]) -> dict[int, list[list[float]]]:
    """Per track the mesh and, where read, both eyes' contours and irises (right eye first), as x, y."""
    points: dict[int, list[list[float]]] = {}
    for face in found:
        rows = [] if face.mesh is None else face.mesh.points[:, :2].round(1).tolist()
        for eye in (face.right_eye, face.left_eye):
            if eye is not None:
                rows += eye.contour.round(1).tolist() + eye.iris.round(1).tolist()
        points[face.track] = rows
    return points
