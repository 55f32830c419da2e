"""What is counted between two looks: counters and histograms in plain numbers, for any number of threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from edged.metrics.table import Family

Labels = tuple[str, ...]
# Of one family. What would be more is counted under `other`, so that nothing that comes from outside fills the memory.
MOST_SERIES = 200
OTHER = "other"


class Sample(NamedTuple):
    """One figure at one moment, read where it is kept."""

    name: str
    value: float
    labels: Labels = ()


class Distribution(NamedTuple):
    """A histogram at one moment. counts: of each bucket, not of all below it; the last is infinity's. total: of the values."""

    counts: tuple[int, ...]
    total: float


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0


class Figures:
    """The counters and histograms of some families."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families: Mapping[str, Family] = {family.name: family for family in families}
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[tuple[str, Labels], _Histogram] = {}
        self._series: dict[str, int] = dict.fromkeys(self._families, 0)

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter; by 0: it is there from now on, so that its first increase is seen as one."""
        with self._lock:
            key = (name, labels)
            if key not in self._counters:
                key = self._room(name, labels)
            self._counters[key] = self._counters.get(key, 0.0) + by

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add a value to a histogram; what is no more than a bucket's end is in it."""
        with self._lock:
            found = self._histograms.get((name, labels))
            if found is None:
                key = self._room(name, labels)
                found = self._histograms.get(key) or _Histogram(self._families[name].buckets)
                self._histograms[key] = found
            found.counts[bisect_left(found.bounds, value)] += 1
            found.total += value

    def counters(self) -> list[Sample]:
        """All counters as they are now."""
        with self._lock:
            return [Sample(name, value, labels) for (name, labels), value in self._counters.items()]

    def histograms(self) -> list[tuple[str, Labels, Distribution]]:
        """All histograms as they are now."""
        with self._lock:
            return [
                (name, labels, Distribution(tuple(each.counts), each.total))
                for (name, labels), each in self._histograms.items()
            ]

    def _room(self, name: str, labels: Labels) -> tuple[str, Labels]:
        """The key of a series that is new."""
        if self._series[name] >= MOST_SERIES:
            return name, (OTHER,) * len(labels)
        self._series[name] += 1
        return name, labels
