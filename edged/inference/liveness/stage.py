"""The stage: when each face is asked about, so that the best pictures of it are, and the processor stays free."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.liveness.flatness import FlatnessWatch
from edged.inference.liveness.spoof import SpoofNet, sharpness
from edged.inference.models import SPOOF_MODEL
from edged.inference.stages import Surroundings
from edged.observations import Face, Liveness
from edged.settings import InferenceSettings

_SHARPEST_FADES = 0.9  # per look: an old best must not make us wait for what the light no longer gives
_FLATNESS_SECONDS = 4.0  # what a turn told is said for so long


@dataclass
class _Known:
    """What is remembered of a track. Times are stream seconds."""

    seen_at: float
    due_at: float
    looks: int = 0
    sharpest: float = 0.0
    watch: FlatnessWatch = field(default_factory=FlatnessWatch)
    flatness: float | None = None
    flat_at: float = -1e9


class LivenessStage:
    """Asks at most about one face a frame: the one that has been due for longest."""

    name = "liveness"

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self._store = surroundings.store
        self._settings = settings.liveness
        self._keep_seconds = settings.lost_track_seconds
        self._net: SpoofNet | None = None
        self._known: dict[int, _Known] = {}
        # When a network was last asked, and how long it then rests, in stream seconds.
        self._asked_at, self._rest_seconds = -1e9, 0.0
        self.missing_models: list[str] = []
        self.warnings: list[str] = []
        self.adopt(settings)

    @property
    def running(self) -> bool:
        return self._net is not None

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings.liveness
        self._keep_seconds = settings.lost_track_seconds
        if not self._settings.enabled:
            self.close()
            self.missing_models, self.warnings = [], []
        elif self._net is None and not self.missing_models and not self.warnings:
            try:
                self._net = SpoofNet(self._store.path(SPOOF_MODEL))
            except ModelMissing:
                self.missing_models = [SPOOF_MODEL]
            except ModelCorrupt as error:
                self.missing_models = [SPOOF_MODEL]
                self.warnings = [str(error)]

    def invocations(self) -> dict[str, int]:
        return {SPOOF_MODEL: self._net.invocations} if self._net else {}

    def close(self) -> None:
        self._net = None
        self._known.clear()

    def look(
        self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], at_seconds: float
    ) -> dict[int, Liveness]:
        assert self._net is not None
        self._forget(at_seconds)
        resting = 0 <= at_seconds - self._asked_at < self._rest_seconds
        due: list[tuple[float, FoundFace, _Known]] = []
        for face in faces:
            known = self._known.setdefault(face.track, _Known(at_seconds, at_seconds))
            known.seen_at = at_seconds
            self._watch(image, face, known, at_seconds)
            if not resting and at_seconds >= known.due_at and self._worth_it(face, measured[face.track]):
                due.append((known.due_at, face, known))
        for _, face, known in sorted(due, key=lambda one: one[0]):
            if (answer := self._ask(self._net, image, face, known, at_seconds)) is not None:
                return {face.track: answer}
        return {}

    def _watch(self, image: Image, face: FoundFace, known: _Known, at: float) -> None:
        if not self._settings.motion or face.mesh is None:
            known.flatness = None
            return
        turn = known.watch.look(image, face.mesh, at)
        if turn is not None:
            known.flatness, known.flat_at = round(turn.flatness, 3), at
        elif not 0 <= at - known.flat_at < _FLATNESS_SECONDS:
            known.flatness = None

    def _worth_it(self, face: FoundFace, seen: Face) -> bool:
        """Large enough, and looking this way."""
        settings = self._settings
        if max(face.box.width, face.box.height) < settings.smallest_face_pixels:
            return False
        turns = (seen.yaw_degrees, seen.pitch_degrees)
        return all(turn is None or abs(turn) <= settings.largest_turn_degrees for turn in turns)

    def _ask(self, net: SpoofNet, image: Image, face: FoundFace, known: _Known, at: float) -> Liveness | None:
        """None: the picture is blurred, and a better one may come soon."""
        settings = self._settings
        interval = settings.first_seconds if known.looks + 1 < settings.first_looks else settings.interval_seconds
        cut = net.cut(image, face.box)
        sharp = sharpness(cut)
        known.sharpest = max(sharp, known.sharpest)
        if sharp < settings.sharpness * known.sharpest and at - known.due_at < interval:
            return None
        known.sharpest *= _SHARPEST_FADES
        known.looks += 1
        known.due_at = at + interval
        began = time.thread_time()
        chances = net.ask(cut)
        self._asked_at, self._rest_seconds = at, (time.thread_time() - began) / settings.busy_fraction
        live, printed, replayed = (round(chance, 4) for chance in chances)
        return Liveness(live, printed, replayed, known.flatness)

    def _forget(self, at: float) -> None:
        """Those who left, and everybody where the stream began anew."""
        self._known = {
            track: known for track, known in self._known.items() if 0 <= at - known.seen_at <= self._keep_seconds
        }
