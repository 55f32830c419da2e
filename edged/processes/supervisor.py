"""The supervisor: starts, watches and replaces what is in the process table.

Nothing else in edged starts a child of the daemon. A child is a fresh interpreter (`python -m edged.processes.child`), never
a fork of this one; it is given one socket, the frame slot and the settings. It is replaced when it ends unasked and
when it has been silent for longer than it said it would be (it hangs, or somebody stopped it). One that keeps dying
is tried again after ever longer pauses.

The supervisor has no thread and no loop of its own: its descriptors sit in the caller's selector with a callable
as data, and `tick` does what time demands. Start it from a thread that lives as long as the daemon, the main one:
the kernel ends the children with the *thread* that made them (PR_SET_PDEATHSIG, prctl(2)).
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from edged import messages
from edged.frames import FrameSlot
from edged.messages import Adopt, Beacon, Downward, Failed, Pause, Resume, Stop, Upward
from edged.notices import CHILD_DIED, CHILD_FAILED, CHILD_HUNG, CHILD_REPLACED, Notice
from edged.processes import child
from edged.processes.spawning import spawn
from edged.processes.table import PROCESSES, Cause, Loss, Patience, ProcessSpec
from edged.settings import Settings

log = logging.getLogger(__name__)

_NOTICES: dict[Cause, Notice] = {
    "process_died": CHILD_DIED, "process_hung": CHILD_HUNG, "process_failed": CHILD_FAILED,
}  # fmt: skip

# A child may take long over a read, but one that somebody stopped does nothing any more.
_STOPPED_SECONDS = 1.0


@dataclass
class Child:
    """What is known of one child. Read it; only the supervisor writes it.

    state: `starting` until its first word, then `running`; `waiting` for its next start; `stopped` for good.
    since: CLOCK_MONOTONIC seconds when that state began. last_loss is kept until it has run well again. silences: how
    often in a row it was killed for being silent.
    """

    name: str
    spec: ProcessSpec
    state: Literal["starting", "running", "waiting", "stopped"] = "stopped"
    since: float = 0.0
    started_at: float = 0.0
    pid: int | None = None
    restarts: int = 0
    in_a_row: int = 0
    silences: int = 0
    last_loss: Loss | None = None
    restart_at: float = 0.0
    doing: str = ""
    retired: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _link: socket.socket | None = None
    _exit_fd: int = -1
    _heard_at: float = 0.0
    _budget_seconds: float = 0.0
    _failed: Failed | None = field(default=None)

    @property
    def alive(self) -> bool:
        """It has been started and its end has not been seen."""
        return self.state in ("starting", "running")

    def overdue(self, now: float) -> bool:
        """It has been silent for longer than it may be."""
        return self.alive and now >= self._heard_at + self._budget_seconds


class Supervisor:
    """Keeps one process per row of the table.

    slot: None for processes that have no business with pictures. on_message(name, message): each message of a child, beacons
    too. on_loss(loss): a child ended unasked. Both are called from the selector's callbacks or `tick`, and may call `send`.
    """

    def __init__(
        self,
        settings: Settings,
        slot: FrameSlot | None,
        selector: selectors.BaseSelector,
        *,
        on_message: Callable[[str, Upward], None],
        on_loss: Callable[[Loss], None],
        table: Mapping[str, ProcessSpec] | None = None,
        patience: Patience | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._slot = slot
        self._selector = selector
        self._on_message = on_message
        self._on_loss = on_loss
        self._patience = patience or Patience()
        self._chance = chance or random.Random()
        self._paused = False
        self.children = {name: Child(name, spec) for name, spec in (PROCESSES if table is None else table).items()}

    def start(self) -> None:
        """Start all children, in the table's order. Does not wait for them."""
        for each in self.children.values():
            self._start(each)

    def tick(self) -> float:
        """Do what is due: start, and end what was silent too long. Returns the seconds until something is."""
        now = time.monotonic()
        due = [now + 60.0]
        for each in self.children.values():
            if each.alive:
                self._check(each, now)
            elif each.state == "waiting" and now >= each.restart_at:
                self._start(each)
            if each.state == "waiting":
                due.append(each.restart_at)
            elif each.alive:
                due.append(each._heard_at + each._budget_seconds)
                # Looking whether it was stopped starts once it is silent, and is not worth a wake-up of its own.
                due.append(max(now + 0.5, each._heard_at + _STOPPED_SECONDS))
                if each.last_loss is not None:
                    due.append(max(now + 0.05, each.started_at + self._patience.well))
        return max(0.0, min(due) - time.monotonic())

    def _check(self, each: Child, now: float) -> None:
        """Has it been silent too long, or has it run well for long enough to be forgiven?"""
        if each.overdue(now):
            self._read(each)  # we may be the late ones: what it said waits in the socket
            if each.overdue(now):
                self._hung(each, now)
        elif each.alive and now >= each._heard_at + _STOPPED_SECONDS and _is_stopped(each):
            self._hung(each, now)
        elif each.last_loss is not None and self._runs_well(each):
            each.last_loss = None
            each.in_a_row = each.silences = 0

    @property
    def running(self) -> dict[str, int]:
        """Those that are alive, by name: their process numbers."""
        return {each.name: each.pid for each in self.children.values() if each.alive and each.pid is not None}

    def send(self, name: str, message: Downward) -> bool:
        """Say something to a child; False if it is not there or does not listen. Never waits."""
        each = self.children[name]
        return each._link is not None and self._post(each, messages.encode(message))

    def pause(self) -> None:
        """Tell all children, also those started from now on, to pause."""
        self._paused = True
        self._tell_all(Pause())

    def resume(self) -> None:
        """Tell all children to go on."""
        self._paused = False
        self._tell_all(Resume())

    def adopt(self, settings: Settings) -> None:
        """Tell all children, also those started from now on, to go on with these settings."""
        self._settings = settings
        self._tell_all(Adopt(child.settings_json(settings)))

    def replace(self, name: str, reason: str) -> None:
        """End a child that hangs, as the caller found out, and start it anew as after any loss."""
        each = self.children[name]
        if each.alive:
            self._kill(each)
            self._lost(each, "process_hung", reason, final=False)

    def retire(self, name: str) -> None:
        """End one child whose work is done; it is not replaced."""
        each = self.children[name]
        if each._link is not None:
            self._post(each, messages.encode(Stop()))
        each.retired = True
        if not each.alive:
            each.state = "stopped"

    def stop(self, timeout_seconds: float = 1.5) -> None:
        """End all children: by word, then SIGTERM, then SIGKILL, in reverse order. Never takes longer than that."""
        started = time.monotonic()
        last_to_first = list(reversed(self.children.values()))
        self._tell_all(Stop())
        for share, number in ((0.6, None), (0.9, signal.SIGTERM), (1.0, signal.SIGKILL)):
            living = [each for each in last_to_first if each._process is not None]
            if not living:
                break
            for each in living:
                if number is not None and each._process is not None:
                    log.warning("%s does not end, sending %s", each.name, number.name)
                    each._process.send_signal(number)
                    if number == signal.SIGKILL:
                        _end_descendants(each._process)
            # SIGKILL is certain but not instant: the kernel has a camera or a network to take apart.
            limit = started + timeout_seconds * share + (2.0 if number == signal.SIGKILL else 0.0)
            for each in living:
                self._await_end(each, limit)
        for each in last_to_first:
            self._forget(each)
            each.state = "stopped"

    def _tell_all(self, message: Downward) -> None:
        packet = messages.encode(message)
        for each in reversed(self.children.values()):
            if each._link is not None:
                self._post(each, packet)
        if self._slot is not None:
            self._slot.wake()  # one that waits for a frame looks at its messages

    def _post(self, each: Child, packet: bytes) -> bool:
        assert each._link is not None
        try:
            each._link.send(packet, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            log.warning("%s does not take its messages", each.name)
            return False
        except OSError:
            return False  # it has ended; its exit descriptor will say so
        return True

    def _start(self, each: Child) -> None:
        try:
            process, ours, exit_fd = spawn(each.name, each.spec.target, None if self._slot is None else self._slot.fd)
        except OSError as error:
            self._count_loss(each, "process_died", f"{each.name} cannot be started: {error.strerror}", final=False)
            return
        now = time.monotonic()
        each._process = process
        each._link = ours
        each._exit_fd = exit_fd
        each._failed = None
        each.pid = process.pid
        each.state = "starting"
        each.since = each.started_at = each._heard_at = now
        each._budget_seconds = self._allowed(each, each.spec.startup_seconds)
        each.doing = ""
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._read(each))
        self._selector.register(each._exit_fd, selectors.EVENT_READ, lambda: self._ended(each))
        for packet in child.settings_packets(self._settings):
            self._post(each, packet)
        if self._paused:
            self._post(each, messages.encode(Pause()))
        log.debug("%s started as process %d", each.name, process.pid)

    def _read(self, each: Child, limit: int = 64) -> None:
        """Take in what a child said, a bounded amount, so that a chatty one does not starve the other."""
        link = each._link
        for _ in range(limit):
            if link is None or each._link is not link:
                return  # it was replaced while we listened
            try:
                packet = link.recv(messages.MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                # End of file. What follows is its exit, or silence and then SIGKILL.
                with contextlib.suppress(KeyError):
                    self._selector.unregister(link)
                return
            try:
                message: Upward = messages.decode_upward(packet)
            except msgspec.MsgspecError as error:
                self._kill(each)
                self._lost(each, "process_failed", f"{each.name} spoke nonsense: {error}", final=False)
                return
            self._heard(each, message)

    def _heard(self, each: Child, message: Upward) -> None:
        now = time.monotonic()
        each._heard_at = now
        if each.state == "starting":
            each.state = "running"
            each.since = now
            if each.last_loss is not None:
                log.info("%s runs again", each.name, extra=CHILD_REPLACED.extra(EDGED_STAGE=each.name))
            each._budget_seconds = self._allowed(each, each.spec.heartbeat_seconds)
        if isinstance(message, Beacon):
            each.doing = message.doing
            each._budget_seconds = self._allowed(each, message.budget_seconds)
        elif isinstance(message, Failed):
            each._failed = message
        self._on_message(each.name, message)

    def _allowed(self, each: Child, budget_seconds: float) -> float:
        """How long a child may be silent.

        Budgets guess at the speed of a board. Where the guess was wrong, killing the child again after the same time
        would never let it get anywhere, so each silence in a row doubles them.
        """
        return budget_seconds * (1 << min(each.silences, self._patience.doublings))

    def _ended(self, each: Child) -> None:
        """The exit descriptor became readable: the process is a zombie now; read its last words and reap it."""
        self._read(each, limit=100_000)
        process = each._process
        if process is None:
            return
        _end_descendants(process)
        if process.poll() is None:
            return
        failed = each._failed
        if failed is not None:
            self._lost(each, "process_failed", f"{each.name}: {failed.reason}", final=failed.final)
        else:
            self._lost(each, "process_died", _obituary(each.name, process.returncode), final=False)

    def _hung(self, each: Child, now: float) -> None:
        silent = now - each._heard_at
        if _is_stopped(each):
            self._kill(each)
            self._lost(each, "process_hung", f"{each.name} was stopped (SIGSTOP) for {silent:.1f} s", final=False)
            return
        during = f" while {each.doing}" if each.doing else (" since its start" if each.state == "starting" else "")
        self._kill(each)
        self._lost(each, "process_hung", f"{each.name} was silent for {silent:.1f} s{during}", final=False)
        each.silences += 1

    def _kill(self, each: Child) -> None:
        """SIGKILL, which also ends what SIGSTOP stopped, and wait: it must be gone before another writes frames."""
        assert each._process is not None
        each._process.kill()
        _end_descendants(each._process)
        self._await_end(each, time.monotonic() + 1.0)

    def _await_end(self, each: Child, limit: float) -> None:
        process = each._process
        if process is None:
            return
        end = select.poll()
        end.register(each._exit_fd, select.POLLIN)
        if not end.poll(max(0.0, limit - time.monotonic()) * 1000):
            return
        # Before it is reaped, also where it ended as it was asked to: what it forked need not have heard of that.
        _end_descendants(process)
        process.wait()
        self._forget(each)

    def _lost(self, each: Child, cause: Cause, reason: str, *, final: bool) -> None:
        ran_well = self._runs_well(each)
        self._forget(each)
        if ran_well:
            each.in_a_row = each.silences = 0
        if each.retired:
            each.state = "stopped"
            each.since = time.monotonic()
        else:
            self._count_loss(each, cause, reason, final=final)

    def _runs_well(self, each: Child) -> bool:
        """From its first word to its last: the silence before it is killed is no good running."""
        return each.state == "running" and each._heard_at - each.since >= self._patience.well

    def _count_loss(self, each: Child, cause: Cause, reason: str, *, final: bool) -> None:
        now = time.monotonic()
        each.restarts += 1
        each.in_a_row += 1
        pauses = self._patience.pauses
        pause = self._patience.final if final else pauses[min(each.in_a_row, len(pauses)) - 1]
        pause *= 1 + self._patience.jitter * self._chance.uniform(-1, 1)
        each.state = "waiting"
        each.since = now
        each.restart_at = now + pause
        loss = Loss(each.name, cause, reason, each.restarts, each.in_a_row, pause, final)
        each.last_loss = loss
        log.warning(
            "%s; starting it again %s", reason, f"in {pause:.1f} s" if pause else "now",
            extra=_NOTICES[cause].extra(EDGED_STAGE=each.name),
        )  # fmt: skip
        self._on_loss(loss)

    def _forget(self, each: Child) -> None:
        """Let go of everything that belonged to an ended process."""
        if each._link is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(each._link)
            each._link.close()
            each._link = None
        if each._exit_fd >= 0:
            with contextlib.suppress(KeyError):
                self._selector.unregister(each._exit_fd)
            os.close(each._exit_fd)
            each._exit_fd = -1
        if each._process is not None and each._process.poll() is None:
            # Not even SIGKILL got it in time: it is stuck in the kernel. subprocess reaps it later.
            log.error("%s (process %d) does not die: stuck in the kernel?", each.name, each._process.pid)
        each._process = None
        each.pid = None


def _end_descendants(process: subprocess.Popen[bytes]) -> None:
    """What a child started itself goes with it, or each replacement would leave some more behind.

    Each child leads a group of its own. Until the child is reaped, its number is nobody else's.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _is_stopped(each: Child) -> bool:
    """It was sent SIGSTOP or the like: no budget is meant for that."""
    if each.pid is None:
        return False
    try:
        return os.waitid(os.P_PID, each.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _obituary(name: str, status: int) -> str:
    if status < 0:
        number = -status
        hint = ": the kernel, out of memory?" if number == signal.SIGKILL else ""
        try:
            return f"{name} was ended by {signal.Signals(number).name}{hint}"
        except ValueError:
            return f"{name} was ended by signal {number}"
    return f"{name} ended with status {status}" if status else f"{name} ended by itself"
