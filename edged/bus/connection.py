"""The network thread: connect, serve, back off, for ever; and leave in bounded time."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from edged.bus.backoff import Backoff
from edged.bus.paho_link import Link, Welcome
from edged.errors import BrokerError

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
# A connection shorter than this was none: two clients with one id would else throw each other out without a pause.
HELD_SECONDS = 5.0
SHORT_IN_A_ROW = 3
# Longest sleep of a turn: how late an unanswered message or a dying thread is noticed.
TURN_SECONDS = 1.0
# A thread that did not come round for this long is stuck (name look-up, connect: each bounded, but not all together).
STUCK_SECONDS = 60.0
# A resolver that hangs for good must not cost a thread a minute for ever.
MOST_ABANDONED = 5
# Share of a bounded stop that is kept for the farewell; the rest may be used to send what waits.
FAREWELL_SHARE = 0.4


class Traffic(Protocol):
    """What a connection carries. All of it is called on the network thread."""

    def opened(self, link: Link, welcome: Welcome) -> None:
        """Connected: subscribe, forget what was under way."""

    def pump(self, link: Link) -> None:
        """Send what may be sent now. Called after every turn and every `poke`."""

    def unanswered_since(self) -> float | None:
        """When (time.monotonic) the oldest unacknowledged message was sent; None: all are answered."""

    def lost(self) -> None:
        """The connection is gone."""

    def flushed(self) -> bool:
        """Nothing is left that is worth waiting for before the farewell."""

    def farewell(self, link: Link) -> None:
        """Send the last words."""

    def heard(self) -> bool:
        """The last words were acknowledged."""


class Connection:
    """Keeps one link open from a thread of its own. `start`, `stop`, `poke` and the properties are for any thread."""

    def __init__(
        self,
        name: str,
        make_link: Callable[[], Link],
        traffic: Traffic,
        *,
        reconnect_max_seconds: float,
        answer_seconds: float,
        changed: Callable[[], None],
    ) -> None:
        """answer_seconds: a message unanswered for longer means the broker is frozen. changed: called on every change
        of `connected` or `problem`, on the network thread.
        """
        self._name = name
        self._make_link = make_link
        self._traffic = traffic
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, reconnect_max_seconds)
        self._answer_seconds = answer_seconds
        self._changed = changed
        self._poke_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = threading.Event()
        self._stop_by_seconds = 0.0
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._generation = 0  # of network threads: who is not of the newest has been given up
        self._abandoned: list[threading.Thread] = []
        self._opening: Link | None = None  # while connecting, and since when
        self._opening_since = 0.0
        self._turned_seconds = time.monotonic()
        self._connected = False
        self._failures = 0
        self._short = 0
        self._problem = "not started"
        self._closed = False

    @property
    def connected(self) -> bool:
        """The broker has let us in and the network thread is at work."""
        return self._connected and self._alive()

    @property
    def problem(self) -> str:
        """Why not connected, as one plain sentence; empty when connected."""
        if self._stuck() or (self._connected and not self._alive()):
            return "the MQTT network thread is stuck (does the look-up of the broker's name hang?)"
        return self._problem

    @property
    def stopping(self) -> bool:
        """`stop` was called."""
        return self._stopping.is_set()

    @property
    def failures(self) -> int:
        """Attempts to connect that failed and connections that broke, since the start."""
        return self._failures

    def start(self) -> None:
        """Begin to connect in the background. Never fails for want of a broker."""
        with self._guard:
            if self._thread is None:
                self._problem = "connecting"
                self._spawn()

    def poke(self) -> None:
        """There is something to send. Also replaces the network thread should it have died, or hang while connecting."""
        with self._guard:
            if self._closed:
                return
            os.eventfd_write(self._poke_fd, 1)
            thread = self._thread
            if thread is None or self._stopping.is_set():
                return
            if not thread.is_alive():
                log.error("the MQTT network thread had died and is replaced")
                self._spawn()
            elif self._stuck():
                self._abandoned = [other for other in self._abandoned if other.is_alive()]
                if len(self._abandoned) < MOST_ABANDONED:
                    log.error("the MQTT network thread hangs while connecting and is replaced")
                    self._abandoned.append(thread)
                    if self._opening is not None:
                        self._opening.abandon()
                    self._spawn()

    def stop(self, timeout_seconds: float) -> bool:
        """Send what waits, say farewell, disconnect: all within the time given. False: the thread is still at it
        (stuck in a connect or a name look-up) and will end by itself, without another word to the broker.
        """
        self._stop_by_seconds = time.monotonic() + timeout_seconds
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            self.poke()
            # A little more than the thread itself uses, so that it is normally gone when we return.
            thread.join(timeout_seconds)
            if thread.is_alive():
                # Its descriptors stay open: closing them under its feet could hit a stranger's.
                return False
        with self._guard:
            if not self._closed:
                self._closed = True
                os.close(self._poke_fd)
        return True

    # -- network thread -----------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        self._generation += 1
        self._opening = None
        self._thread = threading.Thread(target=self._run, args=(self._generation,), name=self._name, daemon=True)
        self._thread.start()

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive() and time.monotonic() - self._turned_seconds < STUCK_SECONDS

    def _stuck(self) -> bool:
        """Connecting for so long that it will not come back. Nothing of ours is locked there: it can be left behind."""
        return self._opening is not None and time.monotonic() - self._opening_since > STUCK_SECONDS

    def _run(self, generation: int) -> None:
        while not self._stopping.is_set() and generation == self._generation:
            opened_seconds = time.monotonic()
            self._turned_seconds = opened_seconds
            try:
                self._connect_and_serve(generation)
                problem = "stopped"
            except BrokerError as error:
                problem = str(error)
            except Exception:
                # Whatever it was, the thread must live: without it the daemon would be mute for ever.
                log.exception("internal error on the MQTT connection")
                problem = "an internal error broke the MQTT connection (see the log)"
            if generation != self._generation:
                return
            held = self._connected and time.monotonic() - opened_seconds > HELD_SECONDS
            if held:
                self._backoff.succeeded()
            self._short = self._short + 1 if self._connected and not held else 0
            if self._short >= SHORT_IN_A_ROW and problem.endswith("closed the connection"):
                # mosquitto does not say when another client takes our session over.
                problem += " soon after letting us in, again and again (does another client use our client id?)"
            self._failures += 1
            self._note(False, problem)
            self._stopping.wait(self._backoff.failed())

    def _connect_and_serve(self, generation: int) -> None:
        link = self._make_link()
        try:
            welcome = self._opened(link, generation)
            if welcome is None:
                return
            self._traffic.opened(link, welcome)
            self._note(True, "")
            while not self._stopping.is_set():
                self._turn(link, TURN_SECONDS)
            self._leave(link)
        finally:
            link.close()
            if generation == self._generation:
                with contextlib.suppress(Exception):
                    self._traffic.lost()

    def _opened(self, link: Link, generation: int) -> Welcome | None:
        """The welcome; None: it took so long that another thread has taken over."""
        with self._guard:
            if generation != self._generation:
                return None
            self._opening_since = time.monotonic()
            self._opening = link
        try:
            welcome = link.open()
        finally:
            with self._guard:
                current = generation == self._generation
                if current:
                    self._opening = None
        return welcome if current else None

    def _turn(self, link: Link, timeout_seconds: float) -> None:
        self._traffic.pump(link)
        link.turn(timeout_seconds, self._poke_fd)
        now = time.monotonic()
        self._turned_seconds = now
        since = self._traffic.unanswered_since()
        if since is not None and now - since > self._answer_seconds:
            raise BrokerError(f"the broker did not acknowledge a message for {self._answer_seconds:.0f} s")

    def _leave(self, link: Link) -> None:
        # The last tenth is for the thread to end in, so that `stop` need not return before it.
        left = max(0.0, self._stop_by_seconds - time.monotonic())
        farewell_by = self._stop_by_seconds - left * 0.1
        flush_by = self._stop_by_seconds - left * FAREWELL_SHARE
        while not self._traffic.flushed() and (remaining := flush_by - time.monotonic()) > 0:
            self._turn(link, remaining)
        self._traffic.farewell(link)
        while not self._traffic.heard():
            remaining = farewell_by - time.monotonic()
            if remaining <= 0:
                # Unheard: we go without a DISCONNECT, so that the broker publishes the will instead.
                return
            link.turn(remaining, self._poke_fd)
        link.disconnect()

    def _note(self, connected: bool, problem: str) -> None:
        if (connected, problem) == (self._connected, self._problem):
            return
        self._connected = connected
        self._problem = problem
        self._changed()
