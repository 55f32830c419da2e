"""Children for the supervisor's tests: each speaks the real protocol and has one habit."""

from __future__ import annotations

import os
import signal
import socket
import time

from edged.errors import SourceUnsupported
from edged.frames import FrameSlot
from edged.messages import CaptureReport
from edged.processes.child import ChildLink
from edged.settings import Settings


def steady(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Works, and says what it hears."""
    link.send(CaptureReport("streaming", settings.camera))
    while not link.stopping:
        link.beacon("working", 1.0)
        for message in link.receive():
            link.send(CaptureReport("streaming", type(message).__name__))
        link.wait(0.05)


def dies(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Says a word and dies as native code does."""
    link.beacon("working")
    os.kill(os.getpid(), signal.SIGSEGV)


def raises(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Has a bug."""
    raise ValueError("a bug in the toy")


def hopeless(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Lacks a package."""
    raise SourceUnsupported("toy:", "no toy library", "apt install toys")


def mute(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Never says a word."""
    time.sleep(60)


def hangs(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Works for a moment, then sits in a call that never returns."""
    link.beacon("reading a frame", 0.4)
    time.sleep(60)


def slow(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Needs three times as long to load as it thinks."""
    link.beacon("loading", 0.5)
    time.sleep(1.5)
    while not link.stopping:
        link.beacon("working", 1.0)
        link.wait(0.05)


def stubborn(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Neither hears Stop nor SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    link.beacon("sulking", 60)
    time.sleep(60)


def deaf(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Works on for ever without looking at its messages."""
    while True:
        link.beacon("working", 1.0)
        time.sleep(0.05)


def babbles(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Sends what is no message."""
    peer: socket.socket = link._link
    peer.send(b"\xc1 what?")
    time.sleep(60)


def brief(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Has little to do, and then waits to be sent home."""
    link.send(CaptureReport("ended", "done"))
    while not link.stopping:
        link.beacon("done", 1.0)
        link.wait(0.05)
