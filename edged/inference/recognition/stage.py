"""The recognition stage: which faces are asked about now, and what the gallery says of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from edged.errors import EdgedError, GalleryError, ModelError, RuntimeMissing, StoreError
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.recognition.alignment import align, five_points
from edged.inference.recognition.cadence import Attention, Budget
from edged.inference.recognition.embedders import Embedder, load_embedder
from edged.inference.recognition.enrolment import LiveEnrolment
from edged.inference.recognition.library import Library
from edged.inference.recognition.quality import quality
from edged.inference.stages import Surroundings
from edged.messages import Enrol, Enrolled
from edged.observations import Face, Identity
from edged.settings import InferenceSettings

log = logging.getLogger(__name__)

_FORGET_SECONDS = 30.0
_AGAIN_SECONDS = 5.0


class RecognitionStage:
    """Embeds a face when it is worth it and looks it up. See `stages.FaceStage`."""

    name = "recognition"

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._embedder: Embedder | None = None
        self._library: Library | None = None
        self._tracks: dict[int, Attention] = {}
        self._budget = Budget()
        self._enrolment: LiveEnrolment | None = None
        self._outcomes: list[Enrolled] = []
        self.missing_models: list[str] = []
        self._trouble = ""
        self._tried_at = 0.0
        self._load()

    # --- the stage's contract --------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._embedder is not None and self._settings.recognition.enabled

    @property
    def warnings(self) -> list[str]:
        """Why nobody, or somebody, is not recognised."""
        if not self._settings.recognition.enabled:
            return []
        found = [self._trouble] if self._trouble else []
        return found + (self._library.warnings if self._library else [])

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings
        if self._library is not None:
            self._library.settings = settings.recognition
        if self._enrolment is not None and not settings.recognition.enabled:
            # Nobody looks any more: it would never end, and stand in the way of the next one.
            self._outcomes.append(self._enrolment.given_up("recognition was switched off meanwhile"))
            self._enrolment = None
        self._load()

    def invocations(self) -> dict[str, int]:
        return {self._embedder.model: self._embedder.invocations} if self._embedder else {}

    def close(self) -> None:
        if self._library is not None:
            self._library.close()
            self._library = None

    def look(
        self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], at_seconds: float
    ) -> dict[int, Identity]:
        assert self._embedder is not None
        answers: dict[int, Identity] = {}
        if self._library is None and not 0 <= at_seconds - self._tried_at < _AGAIN_SECONDS:
            self._tried_at = at_seconds
            self._load()  # a gallery that could not be opened may have been put right
        if self._library is None:
            return answers
        if self._enrolment is not None:
            # Who is just being enrolled is not to become a stranger meanwhile.
            self._enrol_from(self._enrolment, image, faces, measured)
            return answers
        began = time.thread_time()
        doubtful = 0.0
        if self._library.refresh(at_seconds):
            # Somebody was enrolled or forgotten: what was said of the faces here may not be true any more.
            for one in self._tracks.values():
                one.doubt(at_seconds)
        for face in faces:
            track = self._tracks.get(face.track)
            if track is None:
                track = self._tracks[face.track] = Attention(at_seconds, face.box, at_seconds)
            track.sees(face.box, at_seconds)
            if self._is_due(track, began, at_seconds):
                settled = track.settled
                started = time.thread_time()
                answer = self._ask(self._library, image, face, measured.get(face.track), track, at_seconds)
                spent = time.thread_time() - started
                self._budget.looked(spent)
                if not settled:
                    doubtful += spent
                if answer is not None:
                    answers[face.track] = answer
        if len(self._tracks) > len(faces):
            self._tracks = {
                number: one for number, one in self._tracks.items() if 0 <= at_seconds - one.seen_at < _FORGET_SECONDS
            }
            self._library.only(set(self._tracks))
        # All that the stage does counts, but for looks at faces that are new or in doubt.
        self._budget.spend(time.thread_time() - began - doubtful)
        return answers

    # --- enrolment before the camera -------------------------------------------------------------------------------

    def enrol(self, wish: Enrol) -> None:
        """Begin to enrol who sits before the camera; `outcomes` tells how it ended."""
        if self._enrolment is not None:
            self._refuse(wish, f"{self._enrolment.wish.name} is being enrolled; ask again when that has ended")
        elif not self.running or self._embedder is None or self._library is None:
            self._refuse(wish, (self.warnings or ["recognition is off (inference.recognition.enabled)"])[0])
        else:
            try:
                self._enrolment = LiveEnrolment(wish, self._embedder, self._library.contents, self._settings)
            except GalleryError as error:
                self._refuse(wish, str(error))

    def outcomes(self) -> list[Enrolled]:
        """Enrolments that ended since the last call."""
        ended, self._outcomes = self._outcomes, []
        return ended

    def _enrol_from(
        self, enrolment: LiveEnrolment, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face]
    ) -> None:
        if not enrolment.offer(image, faces, measured):
            return
        self._enrolment = None
        assert self._library is not None
        self._outcomes.append(enrolment.finish(self._library.gallery))
        self._library.reload()

    def _refuse(self, wish: Enrol, error: str) -> None:
        self._outcomes.append(Enrolled(wish.request, wish.name, error=error))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Model and gallery, when they are asked for and not here yet."""
        if not self._settings.recognition.enabled:
            return
        self._trouble, self.missing_models = "", []
        try:
            if self._embedder is None:
                self._embedder = load_embedder(self._settings, self._surroundings.store)
            if self._library is None and self._surroundings.state_directory is not None:
                self._library = Library(self._settings.recognition, self._embedder, self._surroundings)
        except (ModelError, RuntimeMissing, StoreError, GalleryError) as error:
            self._trouble = f"nobody is recognised: {error}"
            if isinstance(error, ModelError):
                self.missing_models = [error.model]

    def _is_due(self, track: Attention, began: float, at_seconds: float) -> bool:
        if at_seconds < track.next_at:
            return False
        recognition = self._settings.recognition
        return (
            not track.settled
            or self._budget.bears(began, recognition.budget_percent / 100)
            or track.overdue(at_seconds, recognition.recheck_seconds)
        )

    def _ask(
        self, library: Library, image: Image, face: FoundFace, seen: Face | None, track: Attention, at_seconds: float
    ) -> Identity | None:
        assert self._embedder is not None
        recognition = self._settings.recognition
        points = five_points(face)
        if points is None:
            return None
        aligned = align(image, points, turn_upright=recognition.turn_upright)
        worth = quality(aligned, points, seen, recognition.least_eye_pixels)
        vector = self._embedder.embed(aligned) if worth.score >= max(1e-6, recognition.least_quality) else None
        if vector is None:
            track.poor(at_seconds)
            return None
        if track.agreeing == 0:
            library.new_face(face.track)
        try:
            identity = library.look_up(face.track, vector, worth.score, settled=track.settled)
        except EdgedError as error:
            # A gallery that cannot be read knows nobody; the pipeline goes on.
            log.warning("%s", error)
            track.poor(at_seconds)
            return None
        known = identity.stranger or identity.similarity >= identity.threshold
        track.said(identity.person if known else None, at_seconds, recognition.recheck_seconds)
        return identity
