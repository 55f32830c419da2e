"""Track ids: which face of this frame is which of the frames before, through short occlusions too."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import NamedTuple

from edged.observations import Box

SAME_OVERLAP = 0.3
_RETURN_REACH = 1.0  # a hidden face may come back this far away, in its own widths, for each second of absence
_RETURN_MINIMUM_REACH = 0.5
_RETURN_SIZE_RATIO = 1.8


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


class _Seen(NamedTuple):
    box: Box
    at_seconds: float


class TrackIds:
    """Gives faces their ids. A face that vanishes keeps its id for `lost_seconds`, near where it was."""

    def __init__(self, lost_seconds: float) -> None:
        self.lost_seconds = lost_seconds
        self._tracks: dict[int, _Seen] = {}
        self._next = 1

    def keep(self, track: int, box: Box, at_seconds: float) -> None:
        """This track was seen here."""
        self._tracks[track] = _Seen(box, at_seconds)

    def forget(self, at_seconds: float) -> None:
        """Drop tracks that have been gone for too long."""
        self._tracks = {
            track: seen for track, seen in self._tracks.items() if at_seconds - seen.at_seconds <= self.lost_seconds
        }

    def cut(self) -> None:
        """The scene was cut: nobody from before is known by place any more."""
        self._tracks.clear()

    def known(self) -> Collection[int]:
        """Tracks in view or hidden for a short time."""
        return self._tracks.keys()

    def identify(self, box: Box, at_seconds: float, taken: Collection[int]) -> int:
        """The id of a newly detected face: that of the nearest hidden track that fits, else a new one."""
        best, best_distance = 0, math.inf
        for track, seen in self._tracks.items():
            if track in taken:
                continue
            ratio = max(box.width, 1e-3) / max(seen.box.width, 1e-3)
            if not 1 / _RETURN_SIZE_RATIO < ratio < _RETURN_SIZE_RATIO:
                continue
            across = box.x + box.width / 2 - seen.box.x - seen.box.width / 2
            down = box.y + box.height / 2 - seen.box.y - seen.box.height / 2
            distance = math.hypot(across, down) / max(seen.box.width, 1e-3)
            reach = max(_RETURN_MINIMUM_REACH, _RETURN_REACH * (at_seconds - seen.at_seconds))
            if distance < min(reach, 1.5) and distance < best_distance:
                best, best_distance = track, distance
        if not best:
            best, self._next = self._next, self._next + 1
        self.keep(best, box, at_seconds)
        return best

    def match(self, boxes: Iterable[Box], at_seconds: float) -> list[int]:
        """Ids for all faces of a frame at once, for finders that keep none themselves."""
        found = list(boxes)
        pairs = [
            (shared, index, track)
            for index, box in enumerate(found)
            for track, seen in self._tracks.items()
            if (shared := overlap(seen.box, box)) > SAME_OVERLAP
        ]
        # The best pairs first: a face must not take the track that fits another one better.
        ids: dict[int, int] = {}
        for _, index, track in sorted(pairs, reverse=True):
            if index not in ids and track not in ids.values():
                ids[index] = track
                self.keep(track, found[index], at_seconds)
        for index, box in enumerate(found):
            if index not in ids:
                ids[index] = self.identify(box, at_seconds, list(ids.values()))
        return [ids[index] for index in range(len(found))]
