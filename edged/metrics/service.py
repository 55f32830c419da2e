"""What a camera's daemon and an actuator have in common: two pages, what processes cost, and when to say 503."""

from __future__ import annotations

import abc
import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

import edged
from edged.metrics.figures import Figures, Sample
from edged.metrics.http_server import Answer, HttpServer
from edged.metrics.table import Family
from edged.processes.costs import cpu_seconds, pss_bytes
from edged.settings.metrics import MetricsSettings

# Whoever asks again sooner gets the same page: asking all the time costs next to nothing.
PAGE_SECONDS = 1.0
# The kernel walks a process's whole memory for its PSS, and holds its page table meanwhile.
PSS_SECONDS = 15.0


class Broker(NamedTuple):
    """connects: how often it has let us in."""

    connected: bool
    connects: int


class Service(abc.ABC):
    """Counts, and answers /metrics and /health from a thread of its own, if the settings say so.

    `told` is called by the thread that judges health, at least every quarter of patience_seconds: longer ago than
    patience_seconds, health says that it hangs.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        families: tuple[Family, ...],
        common: Mapping[str, str],
        *,
        kind: str,
        broker: Callable[[], Broker],
        patience_seconds: float,
    ) -> None:
        """broker: is called on the server's thread."""
        self._settings = settings
        self._families = families
        self._common = common
        self._kind = kind
        self._broker = broker
        self._patience_seconds = patience_seconds
        self.figures = Figures(families)
        self._begun = time.time()
        self._told_at = time.monotonic()
        self._pids: Mapping[str, int] = {}
        self._pss: dict[int, tuple[float, int | None]] = {}
        self._page: tuple[float, Answer] | None = None
        self._server = HttpServer(settings.address, settings.port, self.page) if settings.enabled else None

    @property
    def enabled(self) -> bool:
        """Somebody may ask."""
        return self._server is not None

    def start(self) -> None:
        """Begin to answer."""
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.stop()

    @property
    def problem(self) -> str:
        """Why nobody can ask, one plain sentence; empty when all is well."""
        error = self._server.error if self._server is not None else None
        if error is None:
            return ""
        where = f"{self._settings.address}:{self._settings.port}"
        if error.errno == errno.EADDRINUSE:
            return f"no metrics: another program, or another of edged's, listens on {where} (set metrics.port to a free one)"
        if error.errno == errno.EACCES:
            return f"no metrics: edged may not listen on {where} (set metrics.port above 1023, see the unit's sandbox)"
        return f"no metrics at {where}: {error.strerror or error} (metrics.address, metrics.port)"

    # -- on the server's thread ---------------------------------------------------------------------------------

    def page(self, path: str) -> Answer | None:
        """The page at this path."""
        if path == "/health":
            return self._health_page()
        if path != "/metrics":
            return None
        now = time.monotonic()
        if self._page is None or now - self._page[0] >= PAGE_SECONDS:
            # Not before somebody asks: of no use to those who never do.
            from edged.metrics.exposition import CONTENT_TYPE, exposition

            samples = [*self._samples(now), *self._own_samples(), *self.figures.counters()]
            text = exposition(self._families, self._common, samples, self.figures.histograms())
            self._page = (now, Answer(HTTPStatus.OK, text, CONTENT_TYPE))
        return self._page[1]

    def _health_page(self) -> Answer:
        silent_seconds = time.monotonic() - self._told_at
        status, state = self._health()
        if state is None:
            status, state = "starting", {"status": "starting", "reasons": ["it is starting"]}
        if silent_seconds > self._patience_seconds:
            status = "hangs"
            state = {
                "status": "stalled",
                "reasons": [
                    f"it has not looked at its own health for {silent_seconds:.0f} s (restart it; see the log)"
                ],
                "last": state,
            }
        good = status in ("ok", "starting")
        body = msgspec.json.encode(state) + b"\n"
        return Answer(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, body, "application/json")

    def _samples(self, now: float) -> Iterable[Sample]:
        broker = self._broker()
        yield Sample("edged_info", 1, (self._kind, edged.__version__))
        yield Sample("edged_start_time_seconds", self._begun)
        yield Sample("edged_health_age_seconds", now - self._told_at)
        yield Sample("edged_broker_connected", broker.connected)
        yield Sample("edged_broker_connects_total", broker.connects)
        for process, pid in self._pids.items():
            memory, processor = self._memory(pid, now), cpu_seconds(pid)
            if memory is not None:
                yield Sample("edged_process_pss_bytes", memory, (process,))
            if processor is not None:
                yield Sample("edged_process_cpu_seconds_total", processor, (process,))
        self._pss = {pid: found for pid, found in self._pss.items() if pid in self._pids.values()}

    def _memory(self, pid: int, now: float) -> int | None:
        read_at, memory = self._pss.get(pid, (float("-inf"), None))
        if now - read_at >= PSS_SECONDS:
            memory = pss_bytes(pid)
            self._pss[pid] = (now, memory)
        return memory

    @abc.abstractmethod
    def _own_samples(self) -> Iterable[Sample]:
        """What only this kind of process has."""

    @abc.abstractmethod
    def _health(self) -> tuple[str, object | None]:
        """The last that was told: its status, and what is written as JSON."""

    # -- for those that tell ------------------------------------------------------------------------------------

    def _heard(self, pids: Mapping[str, int]) -> None:
        self._told_at = time.monotonic()
        self._pids = {**pids}


def own_pid(name: str) -> dict[str, int]:
    """This very process, under a name."""
    return {name: os.getpid()}
