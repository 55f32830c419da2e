"""Things that count: a phone that is held up, people without a face. A thing is told when several looks saw it.

Only frames on which the detector was asked are looks: between them nothing is known, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from edged.events import Object
from edged.observations import Box, Face, Thing
from edged.settings.verdicts import ObjectJudgementSettings

MILLISECONDS = 1000.0
_PERSON = "person"
# A phone is raised when its middle is no lower than so many heights of the face below the face: about the breast.
_RAISED_FACES = 1.5
# ... and no further to the side than so many of its widths.
_BESIDE_FACES = 2.0
# A face belongs to the person in whose box its middle is.
Kind = Literal["phone", "person"]


class Look(msgspec.Struct, frozen=True):
    """What one look saw. phone: the best score of those that count, 0 for none; track: the face it is at."""

    at_ms: float
    phone: float = 0.0
    phones: int = 0
    track: int | None = None
    near_face: bool = False
    persons: int = 0
    faceless: int = 0
    person: float = 0.0


class PhonesMemory(msgspec.Struct, frozen=True):
    """looks: oldest first. phones, persons, faceless: as told; *_wall_ns: since when the state is as it is."""

    looks: tuple[Look, ...] = ()
    looked: bool = False
    phones: int = 0
    score: float = 0.0
    track: int | None = None
    persons: int = 0
    faceless: int = 0
    since_wall_ns: int = 0


def step(
    settings: ObjectJudgementSettings,
    memory: PhonesMemory,
    things: Sequence[Thing] | None,
    faces: Sequence[Face],
    *,
    at_ms: float,
    wall_ns: int,
) -> tuple[PhonesMemory, list[Object]]:
    """Take in what the detector saw; things None: it was not asked, and only time passes."""
    oldest = at_ms - settings.memory_seconds * MILLISECONDS
    looks = tuple(one for one in memory.looks if one.at_ms >= oldest)
    if things is not None:
        looks = (*looks, _look(settings, things, faces, at_ms))[-settings.of_looks :]
    # Old looks that ran out are looks that saw nothing: what is not seen any more is gone.
    phones = _count([one.phones for one in looks], memory.phones, settings.looks)
    persons = _count([one.persons for one in looks], memory.persons, settings.looks)
    faceless = _count([one.faceless for one in looks], memory.faceless, settings.looks)
    best = max(looks, key=lambda one: one.phone, default=Look(at_ms))
    changed = (phones, persons, faceless) != (memory.phones, memory.persons, memory.faceless)
    after = PhonesMemory(
        looks,
        memory.looked or things is not None,
        phones,
        best.phone if phones else 0.0,
        best.track if phones else None,
        persons,
        faceless,
        wall_ns if changed or not memory.since_wall_ns else memory.since_wall_ns,
    )
    told = []
    if phones != memory.phones:
        told.append(_event("phone", memory.phones, phones, after.score, bool(phones) and best.near_face, after.track))
    if faceless != memory.faceless:
        score = max((one.person for one in looks), default=0.0) if faceless else 0.0
        told.append(_event("person", memory.faceless, faceless, score, False, None))
    return after, told


def _event(kind: Kind, before: int, now: int, score: float, near_face: bool, track: int | None) -> Object:
    change: Literal["appeared", "gone", "count"] = "count"
    if not before:
        change = "appeared"
    elif not now:
        change = "gone"
    return Object(change, kind, now, round(score, 4), near_face, track)


def _count(counts: Sequence[int], told: int, looks: int) -> int:
    """The number that so many of the looks reach, at least; what was told stays until no look sees it."""
    reached = sorted(counts, reverse=True)
    agreed = reached[looks - 1] if len(reached) >= looks else 0
    return agreed or (min(told, max(counts, default=0)))


def _look(settings: ObjectJudgementSettings, things: Sequence[Thing], faces: Sequence[Face], at_ms: float) -> Look:
    phones = []
    for thing in things:
        if thing.label in settings.phone_labels and thing.score >= settings.phone_score:
            track = thing.track if thing.track is not None else _raised_at(thing.box, faces)
            if track is not None or settings.phone_where == "anywhere":
                phones.append((thing.score, track))
    persons = [thing for thing in things if thing.label == _PERSON and thing.score >= settings.person_score]
    faceless = [one for one in persons if not any(_has(one.box, face.box) for face in faces)]
    best, track = max(phones, key=lambda each: each[0], default=(0.0, None))
    return Look(
        at_ms, best, len(phones), track, track is not None,
        max(len(persons), len(faces) + len(faceless)), len(faceless), max((one.score for one in faceless), default=0.0),
    )  # fmt: skip


def _raised_at(box: Box, faces: Sequence[Face]) -> int | None:
    """The face that a thing is held up before, or beside; None: it is lower, or elsewhere."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    for face in sorted(faces, key=lambda one: one.box.width, reverse=True):
        over = face.box
        beside = max(over.x - x, x - over.x - over.width, 0.0)
        below = y - over.y - over.height
        if beside <= _BESIDE_FACES * over.width and below <= _RAISED_FACES * over.height and y >= over.y - over.height:
            return face.track
    return None


def _has(person: Box, face: Box) -> bool:
    x, y = face.x + face.width / 2, face.y + face.height / 2
    return person.x <= x <= person.x + person.width and person.y <= y <= person.y + person.height
