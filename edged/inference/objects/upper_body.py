"""Where phones are held: squares of the picture that are looked at again, at full resolution, and what is near a face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from edged.inference.finder import FoundFace
from edged.inference.objects.detector import Sighting
from edged.observations import Box, Thing

_WIDTHS = 1.2  # the square's side over the width of the person: hands reach further than shoulders
_ABOVE = 0.1  # and this share of it is above the head, for a hand that is raised
_FACE_WIDTHS, _FACE_ABOVE = 4.0, 0.9  # the same from a face, whose person the detector may have missed
_SMALLEST_PIXELS = 48
_SAME_OVERLAP = 0.4  # intersection over the smaller area, from which two sightings of one label are one thing
# What is near a face: within so many of its widths to the side of it, heights above and heights below.
_NEAR_ASIDE, _NEAR_ABOVE, _NEAR_BELOW = 1.5, 1.0, 2.5


class Window(NamedTuple):
    """A part of the picture in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


def windows(people: Sequence[Box], faces: Sequence[FoundFace], width: int, height: int, most: int) -> list[Window]:
    """Upper bodies to look at again, largest first: of people, and of faces that belong to none of them.

    width, height: of the picture. One that would show nearly all of the picture again, or next to nothing, is left out.
    """
    squares: list[tuple[float, float, float]] = []
    for person in people:
        side = _WIDTHS * person.width
        squares.append((person.x + person.width / 2 - side / 2, person.y - _ABOVE * side, side))
    for face in faces:
        if not any(_holds(person, face.box) for person in people):
            side = _FACE_WIDTHS * face.box.width
            squares.append(
                (face.box.x + face.box.width / 2 - side / 2, face.box.y - _FACE_ABOVE * face.box.height, side)
            )
    squares.sort(key=lambda one: -one[2])
    found: list[Window] = []
    for left, top, side in squares:
        across, down = min(side, width), min(side, height)
        x, y = max(0.0, min(left, width - across)), max(0.0, min(top, height - down))
        window = Window(int(x), int(y), math.ceil(x + across), math.ceil(y + down))
        # No more of the picture's pixels would reach the detector than the first time.
        if side >= _SMALLEST_PIXELS and max(across, down) < 0.85 * max(width, height):
            found.append(window)
    return found[:most]


def _holds(outer: Box, inner: Box) -> bool:
    """Whether the middle of one box lies within the other."""
    x, y = inner.x + inner.width / 2, inner.y + inner.height / 2
    return outer.x <= x <= outer.x + outer.width and outer.y <= y <= outer.y + outer.height


def joined(sightings: Sequence[Sighting]) -> list[Sighting]:
    """The same thing seen twice, in the whole picture and in a window, is one: the better look of it counts."""
    kept: list[Sighting] = []
    for one in sorted(sightings, key=lambda sighting: -sighting.score):
        if not any(one.label == other.label and _shared(one.box, other.box) > _SAME_OVERLAP for other in kept):
            kept.append(one)
    return kept


def _shared(one: Box, other: Box) -> float:
    """Intersection over the smaller of two areas: a window cuts a thing off that the whole picture shows."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(0.0, across) * max(0.0, down) / smaller if smaller > 0 else 0.0


def things(sightings: Sequence[Sighting], faces: Sequence[FoundFace], width: int, height: int) -> tuple[Thing, ...]:
    """Sightings as they are told: within the picture, each with the face that it is near to.

    A person's is the face in the upper part of its box, and each face has one person at most; of anything else it is
    the nearest face within reach of its hands.
    """
    taken: set[int] = set()
    told: list[Thing] = []
    for one in sorted(sightings, key=lambda sighting: (sighting.label != "person", -sighting.score)):
        track = _wearer(one.box, faces, taken) if one.label == "person" else _holder(one.box, faces)
        if one.label == "person" and track is not None:
            taken.add(track)
        left, top = max(0.0, one.box.x), max(0.0, one.box.y)
        right, bottom = min(width, one.box.x + one.box.width), min(height, one.box.y + one.box.height)
        box = Box(round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1))
        told.append(Thing(one.label, round(one.score, 4), box, track))
    return tuple(told)


def _wearer(person: Box, faces: Sequence[FoundFace], taken: set[int]) -> int | None:
    """The highest face in the upper two thirds of a person that is nobody else's."""
    upper = Box(person.x, person.y, person.width, person.height * 2 / 3)
    own = [face for face in faces if face.track not in taken and _holds(upper, face.box)]
    return min(own, key=lambda face: face.box.y).track if own else None


def _holder(thing: Box, faces: Sequence[FoundFace]) -> int | None:
    """The nearest face to which this is near."""
    x, y = thing.x + thing.width / 2, thing.y + thing.height / 2
    near: list[tuple[float, int]] = []
    for face in faces:
        box = face.box
        aside = abs(x - box.x - box.width / 2) / box.width - 0.5
        below = (y - box.y - box.height / 2) / box.height
        if aside <= _NEAR_ASIDE and -0.5 - _NEAR_ABOVE <= below <= 0.5 + _NEAR_BELOW:
            near.append((math.hypot(max(0.0, aside), below), face.track))
    return min(near)[1] if near else None
