"""Whose eyes count: the nearest face, and it stays the one while it is in view."""

from __future__ import annotations

from collections.abc import Sequence

from edged.observations import Face

_CLEARLY_NEARER = 1.6  # another face takes over when its box is this many times larger


def primary(faces: Sequence[Face], current: int) -> Face | None:
    """The primary face of a frame; current: the track that was primary before, 0 for none."""
    if not faces:
        return None
    largest = max(faces, key=_area)
    for face in faces:
        if face.track == current:
            return face if _area(largest) < _CLEARLY_NEARER * _area(face) else largest
    return largest


def _area(face: Face) -> float:
    return face.box.width * face.box.height
