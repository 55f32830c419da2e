"""Enrolling somebody: which pictures are good enough, whether they show one person, and how safe that person then is."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged.errors import EdgedError, GalleryError
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.models import Recognition
from edged.inference.recognition.alignment import align, five_points
from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import Matrix, to_bytes
from edged.inference.recognition.quality import quality
from edged.inference.recognition.renewal import to_png
from edged.inference.recognition.vectors import Vector
from edged.messages import Enrol, Enrolled
from edged.observations import Face
from edged.settings import InferenceSettings
from edged.store.gallery import Gallery
from edged.store.gallery_people import Contents, NewVector, check_name

LEAST_QUALITY = 0.4
_BYSTANDER = 0.5  # a face narrower than this share of the widest is only passing by
_CAMERA_VECTORS = 8
_CAMERA_POOL = 40
_CAMERA_GAP_SECONDS = 0.15
_SAME_PICTURE = 0.995
_NEAR = 0.08  # somebody this near below the threshold is worth a warning
_OWN_SCORES = 50  # from so many other vectors on, a person's own distribution is used, and not the model's
_PRIOR_LOOKS = 1000.0
_LONGEST_SECONDS = 60.0
# A frame that ends an enrolment so late came after a pause, or from a camera that was away meanwhile.
_LATE_SECONDS = 2.0


class Candidate(NamedTuple):
    """A picture that is good enough. origin: where it is from."""

    vector: Vector
    quality: float
    origin: str
    aligned: Image


class Report(NamedTuple):
    """What became of an enrolment. refused: (origin, reason). absorbed: strangers who turned out to be this person."""

    name: str
    vectors: int
    refused: list[tuple[str, str]]
    warnings: list[str]
    false_accept: float | None
    absorbed: list[str]


class Enrolment:
    """Collects pictures of one person; `finish` writes all of them or none. Raises GalleryError for a bad name."""

    def __init__(
        self, name: str, embedder: Embedder, contents: Contents, settings: InferenceSettings, *, keep_pictures: bool
    ) -> None:
        self.name = check_name(name)
        self._embedder = embedder
        self._contents = contents
        self._settings = settings.recognition
        self._keep = keep_pictures or settings.recognition.keep_pictures
        self.candidates: list[Candidate] = []
        self.refused: list[tuple[str, str]] = []

    def offer(self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], origin: str) -> bool:
        """Take a picture if it shows one good face; else `refused` says why not."""
        reason = self._judge(image, faces, measured, origin)
        if reason:
            self.refused.append((origin, reason))
        return not reason

    def _judge(self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], origin: str) -> str:
        if not faces:
            return "no face is seen"
        widest = max(faces, key=lambda face: face.box.width)
        near = sum(face.box.width > _BYSTANDER * widest.box.width for face in faces)
        if near > 1:
            return f"{near} faces are seen (one person alone)"
        points = five_points(widest)
        if points is None:
            return "the face's landmarks are not seen (inference.stages.landmarks)"
        aligned = align(image, points, turn_upright=self._settings.turn_upright)
        worth = quality(aligned, points, measured.get(widest.track), self._settings.least_eye_pixels)
        if worth.score < LEAST_QUALITY:
            return worth.reason
        vector = self._embedder.embed(aligned)
        if vector is None:
            return "the model sees nothing in it"
        if any(float(one.vector @ vector) > _SAME_PICTURE for one in self.candidates):
            return "the same as another picture"
        self.candidates.append(Candidate(vector, worth.score, origin, aligned))
        return ""

    def finish(self, gallery: Gallery, source: str) -> Report:
        """Write them. Raises GalleryError (no good picture, another person's) and StoreError, with nothing written."""
        good = self._one_person(self.candidates)
        if not good:
            raise GalleryError(f"{self.name} is not enrolled: {self._why_none()}")
        # As it is now: others enrol people, too, while pictures are taken.
        self._contents = gallery.contents()
        if self._contents.problems:
            raise GalleryError(
                f"{self.name} is not enrolled: the gallery was tampered with: {self._contents.problems[0]} "
                "(edged faces verify)"
            )
        rows = np.array([one.vector for one in good])
        model, version = self._embedder.model, self._embedder.version
        fits = [one for one in self._contents.vectors if (one.model, one.version) == (model, version)]
        people = self._contents.people.values()
        own = [one for one in people if one.name.casefold() == self.name.casefold() and not one.stranger]
        before = Matrix(own, fits)
        if len(before.rows) and float((rows @ before.rows.T).max()) < self._embedder.threshold:
            raise GalleryError(
                f"{self.name} is not enrolled: these pictures do not look like the {self.name} who is known "
                f"(cosine {float((rows @ before.rows.T).max()):.2f}, {self._embedder.threshold:.2f} is needed; "
                f"edged faces forget {self.name} first, or give another name)"
            )
        compared = [] if len(before.rows) or not own else [self._not_compared(own[0].name)]
        others = Matrix([one for one in people if not one.stranger and one not in own], fits)
        strangers = Matrix([one for one in people if one.stranger], fits)
        gallery.enrol(
            self.name,
            [
                NewVector(
                    model, version, to_bytes(one.vector), one.quality, source, one.origin,
                    to_png(one.aligned) if self._keep else None,
                )
                for one in good
            ],
        )  # fmt: skip
        absorbed = self._absorb(gallery, rows, strangers)
        templates = np.vstack([rows, before.rows]) if len(before.rows) else rows
        everybody_else = np.vstack([others.rows, *(strangers.of(one.id) for one in strangers.people if one.name not in absorbed)])  # fmt: skip
        return Report(
            self.name,
            len(good),
            list(self.refused),
            [*compared, *self._nearness(templates, others)],
            false_accept(templates, everybody_else, self._embedder.threshold, self._embedder.recognition),
            absorbed,
        )

    def _one_person(self, candidates: list[Candidate]) -> list[Candidate]:
        """Those that look like the one most of them look like; the others are refused."""
        if len(candidates) < 2:
            return candidates
        rows = np.array([one.vector for one in candidates])
        alike = rows @ rows.T
        middle = alike[int(np.median(alike, axis=1).argmax())]
        good = [one for one, cosine in zip(candidates, middle, strict=True) if cosine >= self._embedder.threshold]
        if 2 * len(good) <= len(candidates):
            # No majority: which of them is meant nobody can tell.
            self.refused += [(one.origin, "the pictures show different people") for one in candidates]
            return []
        self.refused += [
            (one.origin, "shows somebody else than most of the pictures")
            for one, cosine in zip(candidates, middle, strict=True)
            if cosine < self._embedder.threshold
        ]
        return good

    def _why_none(self) -> str:
        if not self.refused:
            return "no picture was given"
        if len(self.refused) == 1:
            return f"{self.refused[0][0]}: {self.refused[0][1]}"
        return "; ".join(_counts(self.refused))

    def _not_compared(self, known_as: str) -> str:
        return (
            f"what was kept of {known_as} is of another model or preparation and could not be compared with these pictures: "
            "see to it that they show the same person"
        )

    def _nearness(self, rows: NDArray[np.float32], others: Matrix) -> list[str]:
        warnings = []
        for one in others.people:
            nearest = float((rows @ others.of(one.id).T).max())
            if nearest >= self._embedder.threshold:
                warnings.append(
                    f"{self.name} and {one.name} look the same to {self._embedder.model} (cosine {nearest:.2f}, the same "
                    f"person from {self._embedder.threshold:.2f} on): they will be taken for each other"
                )
            elif nearest > self._embedder.threshold - _NEAR:
                warnings.append(
                    f"{self.name} is near to {one.name} (cosine {nearest:.2f}, the same person from "
                    f"{self._embedder.threshold:.2f} on): more good pictures of both help"
                )
        return warnings

    def _absorb(self, gallery: Gallery, rows: NDArray[np.float32], strangers: Matrix) -> list[str]:
        """Strangers who were this person all along are strangers no more."""
        absorbed = []
        for one in strangers.people:
            if float((rows @ strangers.of(one.id).T).max()) >= self._embedder.threshold:
                gallery.forget(one.name)
                absorbed.append(one.name)
        return absorbed


class LiveEnrolment:
    """An enrolment from frames as they come, for so many seconds of the clock."""

    def __init__(self, wish: Enrol, embedder: Embedder, contents: Contents, settings: InferenceSettings) -> None:
        self.wish = wish
        self._enrolment = Enrolment(wish.name, embedder, contents, settings, keep_pictures=wish.keep_pictures)
        self._ends_at = time.monotonic() + min(_LONGEST_SECONDS, max(0.5, wish.seconds))
        self._next_at = 0.0

    def offer(self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face]) -> bool:
        """One frame. True: time is up, or there is enough."""
        now = time.monotonic()
        full = len(self._enrolment.candidates) >= _CAMERA_POOL
        if now >= self._ends_at or full:
            return True
        if now >= self._next_at:
            self._next_at = now + _CAMERA_GAP_SECONDS
            self._enrolment.offer(image, faces, measured, "camera")
        return False

    def finish(self, gallery: Gallery) -> Enrolled:
        """Write the best, most different ones; says what came of it."""
        enrolment = self._enrolment
        late = time.monotonic() - self._ends_at
        if late > _LATE_SECONDS:
            # Whoever asked was told by now that nothing came of it.
            return self.given_up(f"no pictures came for {late:.0f} s after its end (see health)")
        enrolment.candidates = most_different(enrolment.candidates, _CAMERA_VECTORS)
        try:
            report = enrolment.finish(gallery, "camera")
        except EdgedError as error:
            return Enrolled(self.wish.request, self.wish.name, refused=_counts(enrolment.refused), error=str(error))
        return Enrolled(
            self.wish.request,
            report.name,
            report.vectors,
            _counts(report.refused),
            report.warnings,
            report.false_accept,
        )

    def given_up(self, why: str) -> Enrolled:
        """Write nobody."""
        return Enrolled(
            self.wish.request,
            self.wish.name,
            refused=_counts(self._enrolment.refused),
            error=f"{self.wish.name} is not enrolled: {why}",
        )


def most_different(candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
    """The best one, then always the one least like those that were taken."""
    if len(candidates) <= limit:
        return list(candidates)
    rows = np.array([one.vector for one in candidates])
    taken = [max(range(len(candidates)), key=lambda number: candidates[number].quality)]
    while len(taken) < limit:
        nearest = (rows @ rows[taken].T).max(axis=1)
        nearest[taken] = 2.0
        taken.append(int(nearest.argmin()))
    return [candidates[number] for number in taken]


def false_accept(
    templates: NDArray[np.float32], others: NDArray[np.float32], threshold: float, model: Recognition
) -> float | None:
    """The chance that one look at a stranger passes for this person; None: nothing is known to say it by.

    templates: the person's vectors; others: everybody else's. With many others it is the normal tail of this person's
    own best cosines to them; else the model's, for as many independent trials as the templates amount to, k / (1 +
    (k - 1) r) with r their mean cosine (the design effect of Kish 1965). Either counts for a thousand looks, to which
    the others' looks that do pass are added.
    """
    count = len(templates)
    best = (others @ templates.T).max(axis=1) if len(others) else np.empty(0, np.float32)
    if len(best) >= _OWN_SCORES:
        expected = _tail(threshold, float(best.mean()), float(best.std()))
    elif model.impostor_deviation > 0:
        alike = float((templates @ templates.T).sum() - count) / (count * (count - 1)) if count > 1 else 1.0
        trials = count / (1 + (count - 1) * max(0.0, alike))
        single = _tail(threshold, model.impostor_mean, model.impostor_deviation)
        expected = 1 - (1 - single) ** trials
    else:
        return None
    passing = int((best >= threshold).sum())
    return (passing + expected * _PRIOR_LOOKS) / (len(best) + _PRIOR_LOOKS)


def _tail(threshold: float, mean: float, deviation: float) -> float:
    """How much of a normal distribution lies above."""
    return 0.5 * math.erfc((threshold - mean) / (max(1e-6, deviation) * math.sqrt(2)))


def _counts(refused: Sequence[tuple[str, str]]) -> list[str]:
    reasons = Counter(reason for _, reason in refused)
    return [f"{number} x {reason}" for reason, number in reasons.most_common()]
