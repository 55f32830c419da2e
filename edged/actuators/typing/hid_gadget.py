"""A USB keyboard for the computer this machine is plugged into: boot keyboard reports written to `/dev/hidg0`.

`scripts/usb-keyboard up` makes the device. Reports as in USB HID 1.11, appendix B.1: a byte of modifiers, a reserved
byte, six usages. A computer repeats what stays down, so nothing may: the first report and the last have all keys up,
and `guard.py` sends one when this process dies.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import subprocess
import sys
from pathlib import Path

from edged.actuators.typing import guard
from edged.actuators.typing.keyboard import Button
from edged.actuators.typing.keys import BUTTONS, KEYS
from edged.actuators.typing.layout import Layout, Stroke
from edged.actuators.typing.layout_keyboard import LayoutKeyboard
from edged.errors import KeyboardBlocked, KeyboardError, KeyboardUnavailable, KeyboardUnsupported

DEVICE = Path("/dev/hidg0")
MOUSE_DEVICE = Path("/dev/hidg1")
_CONTROLLERS = Path("/sys/class/udc")
_SET_UP_CURE = "scripts/usb-keyboard up"
KEYBOARD_REPORT_BYTES = 8
MOUSE_REPORT_BYTES = 3
_MOST_KEYS = 6
_FIRST_MODIFIER = 0xE0
_ROLL_OVER = 0x01
_LED_CAPS_LOCK = 0x02
_BUTTON_BITS = {button.place: button.bit for button in BUTTONS.values()}
_GUARD_READY_SECONDS = 30.0
_GUARD_GONE_SECONDS = 2.0
# Guards that release keys by themselves; kept here so that they are reaped, and not warned of as forgotten.
_leaving: list[subprocess.Popen[bytes]] = []


def keyboard_report(places: list[str]) -> bytes:
    """What a boot keyboard says while these keys are down: 8 bytes. More than six keys are reported as roll-over."""
    modifiers = 0
    usages = []
    for place in places:
        usage = KEYS[place].usage
        if usage >= _FIRST_MODIFIER:
            modifiers |= 1 << (usage - _FIRST_MODIFIER)
        else:
            usages.append(usage)
    if len(usages) > _MOST_KEYS:
        usages = [_ROLL_OVER] * _MOST_KEYS
    return bytes([modifiers, 0, *usages]).ljust(KEYBOARD_REPORT_BYTES, b"\0")


def mouse_report(places: list[str]) -> bytes:
    """What a boot mouse says while these buttons are down and it does not move: 3 bytes."""
    return bytes([sum(_BUTTON_BITS[place] for place in places), 0, 0])


def connection() -> str | None:
    """What the USB device controllers say: `configured` when a computer is there and awake. None without any."""
    states = [path.read_text().strip() for path in sorted(_CONTROLLERS.glob("*/state"))]
    return "configured" if "configured" in states else (states[0] if states else None)


def obstacle(device: Path = DEVICE) -> tuple[str, str] | None:
    """Why the gadget cannot be used here, and what to do; None when it can."""
    if not device.exists():
        if not any(_CONTROLLERS.glob("*")):
            return (
                "this machine has no USB port that can be a device",
                "Raspberry Pi 4, 5 and Zero have one: dtoverlay=dwc2 in /boot/firmware/config.txt",
            )
        return f"{device} does not exist: no USB keyboard is set up", _SET_UP_CURE
    if not os.access(device, os.W_OK):
        return f"{device} may not be written by this user", 'a udev rule: KERNEL=="hidg*", GROUP="edged", MODE="0660"'
    return None


class HidGadgetKeyboard(LayoutKeyboard):
    """The keyboard, and the mouse buttons where `scripts/usb-keyboard up --mouse` made a mouse as well.

    A computer that does not take a report within `patience_seconds` is a KeyboardBlocked; one that is not there a
    KeyboardUnavailable. Both come before the first key: the all-up report must have been taken first.
    """

    name = "hid_gadget"

    def __init__(
        self, layout: Layout, device: Path = DEVICE, mouse: Path | None = None, *, patience_seconds: float = 2.0
    ) -> None:
        super().__init__(layout)
        self._patience_seconds = patience_seconds
        self._device = device
        self._mouse = mouse
        if found := obstacle(device):
            raise KeyboardUnavailable(self.name, *found)
        self._descriptors: dict[Path, int] = {}
        for path in filter(None, (device, mouse)):
            try:
                self._descriptors[path] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError as error:
                self.close()
                raise KeyboardUnavailable(
                    self.name, f"{path} cannot be opened: {error.strerror}", _SET_UP_CURE
                ) from error
        self._down: list[str] = []
        self._leds = 0
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self._start_guard()
            self._send(device, keyboard_report([]))
        except KeyboardError:
            pass  # a computer that sleeps or is not plugged in yet is no reason not to start; each text begins so, too

    def check_click(self, button: Button) -> None:
        if self._mouse is None:
            raise KeyboardUnsupported(
                self.name,
                f"cannot click the {button} button: no USB mouse is set up",
                "scripts/usb-keyboard up --mouse",
            )

    def caps_lock(self) -> bool | None:
        descriptor = self._descriptors[self._device]
        if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return None
        try:
            while report := os.read(descriptor, KEYBOARD_REPORT_BYTES):
                self._leds = report[-1]
        except OSError:
            pass  # nothing (more) was said
        return bool(self._leds & _LED_CAPS_LOCK)

    def down(self, stroke: Stroke, hold_seconds: float) -> None:
        for place in stroke.places:
            self._down.append(place)
            self._report(place)

    def up(self, stroke: Stroke) -> None:
        for place in reversed(stroke.places):
            self._down.remove(place)
            self._report(place)

    def prepare(self) -> None:
        if self._guard is None or self._guard.poll() is not None:
            self._start_guard()
        super().prepare()

    def release_all(self) -> None:
        self._down.clear()
        for path in self._descriptors:
            self._send(path, bytes(MOUSE_REPORT_BYTES if path == self._mouse else KEYBOARD_REPORT_BYTES))
        # Written is not read: only when the computer has taken the last report are the keys up.
        for path in self._descriptors:
            self._wait_until_taken(path)

    def close(self) -> None:
        guard_process, self._guard = getattr(self, "_guard", None), None
        released = False
        try:
            if self._descriptors:
                self.release_all()
                released = True
        except KeyboardError:
            pass  # the guard goes on trying
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        if guard_process is not None:
            _dismiss(guard_process, wait=released)

    def _report(self, place: str) -> None:
        if place in _BUTTON_BITS:
            assert self._mouse is not None
            self._send(self._mouse, mouse_report([each for each in self._down if each in _BUTTON_BITS]))
        else:
            self._send(self._device, keyboard_report([each for each in self._down if each in KEYS]))

    def _send(self, path: Path, report: bytes) -> None:
        self._wait_until_taken(path)
        try:
            written = os.write(self._descriptors[path], report)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise self._gone(error) from error
        if written != len(report):
            raise self._blocked()

    def _wait_until_taken(self, path: Path) -> None:
        """Until the computer has read the report before."""
        if path not in self._descriptors:
            raise KeyboardUnavailable(self.name, "the keyboard is closed")
        ready = select.poll()
        ready.register(self._descriptors[path], select.POLLOUT)
        if not ready.poll(self._patience_seconds * 1000):
            raise self._blocked()

    def _blocked(self) -> KeyboardBlocked:
        # A key may be in the queue, to be pressed when the computer wakes up: from now on the guard sees to it.
        if self._guard is not None:
            _dismiss(self._guard, wait=False)
            self._guard = None
        state = connection()
        return KeyboardBlocked(
            self.name,
            f"the computer has not read a key for {self._patience_seconds:g} s" + (f" (USB: {state})" if state else ""),
            "wake it up, or plug it in again",
        )

    def _gone(self, error: OSError) -> KeyboardUnavailable:
        if error.errno == errno.ESHUTDOWN:
            return KeyboardUnavailable(self.name, "no computer is connected", "plug the cable in and wake it up")
        return KeyboardUnavailable(self.name, f"{self._device} takes no keys: {error.strerror}", _SET_UP_CURE)

    def _start_guard(self) -> None:
        _leaving[:] = [process for process in _leaving if process.poll() is None]
        arguments = [
            f"{path}:{MOUSE_REPORT_BYTES if path == self._mouse else KEYBOARD_REPORT_BYTES}"
            for path in self._descriptors
        ]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _GUARD_READY_SECONDS)
        if not ready or process.stdout.read(6) != b"ready\n":
            process.kill()
            _dismiss(process, wait=True)
            raise KeyboardUnavailable(self.name, "the program that releases keys after a crash does not start")
        self._guard = process


def _dismiss(process: subprocess.Popen[bytes], *, wait: bool) -> None:
    """`wait` says that all keys are up: the guard just ends. Else it is left alone until it could release them."""
    assert process.stdin is not None
    assert process.stdout is not None
    if wait:
        try:
            process.stdin.write(b"q")
        except OSError:
            pass  # it is gone already
    process.stdin.close()
    process.stdout.close()
    try:
        process.wait(_GUARD_GONE_SECONDS if wait else 0)
    except subprocess.TimeoutExpired:
        _leaving.append(process)
