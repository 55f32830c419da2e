"""The child's side of a child process: `python -m edged.processes.child NAME TARGET LINK_FD SLOT_FD PARENT_PID`.

Started by `processes.Supervisor` with two inherited descriptors: the link, an AF_UNIX SOCK_SEQPACKET socket that
carries the messages of messages.py, one per packet, and the frame slot. The first packets are the settings as
JSON, each with one byte in front: `+` more follows, `.` the last. Then TARGET, a "module:function", is called
with the link, the slot and the settings. A child that has no business with pictures is given no slot: SLOT_FD is `-`.

A child ends when it is told to (Stop or SIGTERM), when its work is done, when it fails, and at once when the
daemon is gone, however that died: the link then reads end-of-file, and the kernel kills it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import cast

import msgspec

from edged import logs, messages
from edged.errors import EdgedError, HookUnusable, ModelError, RuntimeMissing, SettingsError, SourceUnsupported
from edged.frames import FrameSlot
from edged.messages import Beacon, Downward, Failed, Stop, Upward
from edged.notices import BUG
from edged.processes.spawning import NO_SLOT
from edged.processes.title import process_name, set_title
from edged.settings import Settings

log = logging.getLogger(__name__)

ChildMain = Callable[["ChildLink", FrameSlot, Settings], None]

MORE, LAST = b"+", b"."

_PR_SET_PDEATHSIG = 1
# A child that hears nothing at its start was not started by a daemon, or by one that died at once.
_SETTINGS_SECONDS = 10.0
# Trying again soon cannot help: something has to be installed or written differently.
_FINAL: tuple[type[EdgedError], ...] = (SourceUnsupported, ModelError, RuntimeMissing, SettingsError, HookUnusable)


class ChildLink:
    """A child's end of the conversation with the daemon. For one thread.

    Takes over SIGTERM, SIGINT and SIGHUP: the first asks to stop, the others are the daemon's business.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link.setblocking(True)
        self._inbox: list[Downward] = []
        self._stopping = False
        self._last_beacon: tuple[str, float] = ("", 0.0)
        self._last_beacon_at = 0.0
        # A signal also makes this pipe readable, so that `wait` cannot sleep through one that comes just before.
        self._signal_reader, signal_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(signal_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)
        self._poll.register(self._signal_reader, select.POLLIN)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """The daemon said Stop, sent SIGTERM or is gone: end the work. Looks at the link, so ask once per turn."""
        self._pump()
        return self._stopping

    def send(self, message: Upward) -> None:
        """Say something to the daemon. Raises EOFError when it is gone; a main function just lets that through.

        Waits while the daemon's queue is full: a daemon that falls behind slows its children down.
        """
        packet = messages.encode(message)
        if len(packet) > messages.MAX_PACKET_BYTES:
            raise ValueError(f"{type(message).__name__} of {len(packet)} bytes is larger than a packet may be")
        try:
            self._link.send(packet, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionError) as error:
            self._stopping = True
            raise EOFError("the daemon is gone") from error

    def receive(self) -> list[Downward]:
        """All that is waiting, in order; never blocks. Stop is among it, and sets `stopping`."""
        self._pump()
        waiting, self._inbox = self._inbox, []
        return waiting

    def beacon(self, doing: str, budget_seconds: float = 2.0) -> None:
        """Tell the daemon that the work goes on; silence longer than the budget after this gets the child killed.

        Call it on every turn of the work loop: repetitions within a quarter of the budget are not sent.
        """
        now = time.monotonic()
        same = self._last_beacon == (doing, budget_seconds)
        if same and now - self._last_beacon_at < budget_seconds / 4:
            return
        self.send(Beacon(doing, budget_seconds))
        self._last_beacon = (doing, budget_seconds)
        self._last_beacon_at = now

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until a message or a signal comes or time is up. True when there is something to look at."""
        if self._inbox or self._stopping:
            return True
        deadline = time.monotonic() + timeout_seconds
        while True:
            remaining = deadline - time.monotonic()
            self._poll.poll(max(0.0, remaining) * 1000)
            with contextlib.suppress(BlockingIOError):
                os.read(self._signal_reader, 64)
            self._pump()
            if self._inbox or self._stopping:
                return True
            if remaining <= 0:
                return False

    def read_settings(self) -> Settings:
        """The first packets. Raises EOFError when the daemon is gone or says nothing."""
        self._link.settimeout(_SETTINGS_SECONDS)
        text = b""
        try:
            while True:
                packet = self._link.recv(messages.MAX_PACKET_BYTES)
                if not packet:
                    raise EOFError("the daemon is gone")
                text += packet[1:]
                if packet[:1] == LAST:
                    return Settings.model_validate_json(text)
        except TimeoutError as error:
            raise EOFError("no settings came from the daemon") from error
        except ConnectionError as error:
            raise EOFError("the daemon is gone") from error
        finally:
            self._link.settimeout(None)

    def _pump(self) -> None:
        """Take in what waits, without blocking."""
        while True:
            try:
                packet = self._link.recv(messages.MAX_PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                self._stopping = True
                return
            message: Downward = messages.decode_downward(packet)
            if isinstance(message, Stop):
                self._stopping = True
            self._inbox.append(message)


def settings_json(settings: Settings) -> bytes:
    """What a child may know: all but the broker's part, and what each hook is told."""
    return settings.model_dump_json(exclude={"mqtt", "hooks"}).encode()


def settings_packets(settings: Settings) -> list[bytes]:
    """The settings as the packets `read_settings` expects. The broker's part, secrets and all, stays with the daemon."""
    text = settings_json(settings)
    room = messages.MAX_PACKET_BYTES - 1
    parts = [text[start : start + room] for start in range(0, len(text), room)]
    return [MORE + part for part in parts[:-1]] + [LAST + parts[-1]]


def load(target: str) -> ChildMain:
    """The function a "module:function" names."""
    module, _, function = target.partition(":")
    return cast("ChildMain", getattr(importlib.import_module(module), function))


def run(link: ChildLink, slot: FrameSlot | None, settings: Settings, target: str) -> int:
    """Do the child's work and tell the daemon why it ended. Returns the exit status."""
    try:
        # None comes only to targets that look at no pictures.
        load(target)(link, cast("FrameSlot", slot), settings)
    except EOFError:
        return 0
    except EdgedError as error:
        log.error("%s", error)
        return _tell(link, Failed(str(error), final=isinstance(error, _FINAL)), error.exit_status)
    except ImportError as error:
        log.exception("a library is missing")
        return _tell(link, Failed(f"a library cannot be imported: {error} (reinstall edged)", final=True), 1)
    except Exception as error:
        log.exception("unexpected", extra=BUG.extra())
        return _tell(link, Failed(f"{type(error).__name__}: {error}"[:500]), 1)
    return 0


def _tell(link: ChildLink, failed: Failed, exit_status: int) -> int:
    with contextlib.suppress(EOFError, msgspec.MsgspecError):
        link.send(failed)
    return exit_status


def _die_with(parent_pid: int) -> None:
    """Be killed when the daemon ends, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(0)


def main(arguments: list[str]) -> int:
    """Entry of every child process. Returns the exit status."""
    name, target, link_fd, slot_fd, parent_pid = arguments
    _die_with(int(parent_pid))
    link = ChildLink(socket.socket(fileno=int(link_fd)))
    try:
        settings = link.read_settings()
    except EOFError as error:
        sys.stderr.write(f"edged {name}: {error}\n")
        return 1
    set_title(process_name(settings.camera, name))
    logs.set_up(settings.log, settings.camera, name, secrets=logs.secrets_of(settings))
    faulthandler.enable()
    if slot_fd == NO_SLOT:
        return run(link, None, settings, target)
    with FrameSlot.attach(int(slot_fd)) as slot:
        return run(link, slot, settings, target)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: native libraries with threads of their own take seconds over their destructors, or crash there.
    os._exit(status)
