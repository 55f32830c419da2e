"""The figures of health: rates, latencies, drops, from a few seconds of observations. Reads no clock."""

from __future__ import annotations

import statistics
from collections import deque

from edged.observations import Observation

WINDOW_SECONDS = 10.0
_MOST = 2000


def percentile(ordered: list[float], share: float) -> float:
    """Nearest-rank percentile of sorted values."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


class Vitals:
    """Collects what passes by. Times are CLOCK_MONOTONIC seconds."""

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, float, dict[str, float]]] = deque(maxlen=_MOST)
        self._sequences: deque[tuple[float, int]] = deque(maxlen=256)
        self._since = now
        self._last_sequence = 0
        self.analysed_frames = 0
        self.dropped_frames = 0
        self.observed_at: float | None = None

    def observed(self, now: float, observation: Observation, latency_ms: float) -> None:
        """An observation was published, so long after its frame was captured."""
        self.analysed_frames += 1
        if self._last_sequence and observation.sequence > self._last_sequence:
            self.dropped_frames += observation.sequence - self._last_sequence - 1
        self._last_sequence = observation.sequence
        self.observed_at = now
        self._seen.append((now, latency_ms, observation.stage_ms))

    def captured(self, now: float, newest_sequence: int) -> None:
        """The frame slot's newest number, looked at every now and then."""
        self._sequences.append((now, newest_sequence))

    def frames_per_second(self, now: float) -> float:
        """Frames analysed."""
        self._forget(now)
        return len(self._seen) / self._span(now)

    def capture_frames_per_second(self, now: float) -> float:
        """Frames captured."""
        self._forget(now)
        if len(self._sequences) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._sequences[0], self._sequences[-1]
        return max(0.0, (last - first) / max(last_at - first_at, 1e-3))

    def latency_ms(self, now: float) -> dict[str, float]:
        """From capture to publish: p50 and p95; empty while nothing was seen."""
        self._forget(now)
        ordered = sorted(latency for _, latency, _ in self._seen)
        if not ordered:
            return {}
        return {"p50": round(percentile(ordered, 0.5), 2), "p95": round(percentile(ordered, 0.95), 2)}

    def stage_ms(self, now: float) -> dict[str, float]:
        """Median wall time of each stage over the frames it ran on."""
        self._forget(now)
        times: dict[str, list[float]] = {}
        for _, _, stages in self._seen:
            for stage, milliseconds in stages.items():
                times.setdefault(stage, []).append(milliseconds)
        return {stage: round(statistics.median(values), 3) for stage, values in times.items()}

    def _span(self, now: float) -> float:
        return max(1.0, min(WINDOW_SECONDS, now - self._since))

    def _forget(self, now: float) -> None:
        oldest = now - WINDOW_SECONDS
        while self._seen and self._seen[0][0] < oldest:
            self._seen.popleft()
        while self._sequences and self._sequences[0][0] < oldest:
            self._sequences.popleft()


class StreamClock:
    """Keeps stream time running forwards, for judgement, over pauses and over sources that begin anew.

    A file or a sitter whose process was replaced starts again at 0; while nothing is seen, time goes on at the
    pace of the monotonic clock. All in milliseconds.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._source_at: float | None = None
        self._told = 0.0
        self._told_at_ns = 0

    @property
    def begun(self) -> bool:
        """There has been an observation."""
        return self._source_at is not None

    def observed(self, at_ms: float, captured_ns: int) -> float:
        """Stream time of an observation whose source says `at_ms`."""
        if self._source_at is not None and at_ms < self._source_at:
            passed = max(0.0, (captured_ns - self._told_at_ns) / 1e6)
            self._offset = self._told + passed - at_ms
        self._source_at = at_ms
        # Time that was let pass while nothing came may have run a little ahead of the next frame.
        self._told = max(self._told, at_ms + self._offset) if self._told_at_ns else at_ms
        self._told_at_ns = captured_ns
        return self._told

    def elapsed(self, now_ns: int) -> float:
        """Stream time now, with nothing seen."""
        if now_ns > self._told_at_ns:
            self._told += (now_ns - self._told_at_ns) / 1e6
            self._told_at_ns = now_ns
        return self._told
