"""A USB keyboard for the computer this machine is plugged into: boot keyboard reports written to `/dev/hidg0`.

`scripts/usb-keyboard up` makes the device. Reports as in USB HID 1.11, appendix B.1: a byte of modifiers, a reserved
byte, six usages. A computer repeats what stays down, so nothing may: the first report and the last have all keys up,
and `hid_guard.py` sends one when this process dies.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path

from edged.actuators.typing import hid_guard
from edged.actuators.typing.guards import Guard
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
        self._descriptors: dict[Path, int] = {}
        self._down: list[str] = []
        self._clicked: set[Path] = set()
        self._leds = 0
        self._guard: Guard | None = None
        if found := obstacle(device):
            raise KeyboardUnavailable(self.name, *found)
        try:
            for path in filter(None, (device, mouse)):
                self._open(path)
            self._start_guard()
        except KeyboardError:
            self._guard = None
            self._close_devices()
            raise
        try:
            self._send(device, keyboard_report([]))
        except KeyboardError:
            pass  # a computer that sleeps or is not plugged in yet is no reason not to start; each text begins so, too

    def _open(self, path: Path) -> None:
        try:
            self._descriptors[path] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise KeyboardUnavailable(self.name, f"{path} cannot be opened: {error.strerror}", _SET_UP_CURE) from error

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
        with self._lock:
            for place in stroke.places:
                self._down.append(place)
                self._report(place)

    def up(self, stroke: Stroke) -> None:
        with self._lock:
            for place in reversed(stroke.places):
                if place in self._down:  # else somebody released everything meanwhile
                    self._down.remove(place)
                    self._report(place)

    def prepare(self) -> None:
        with self._lock:
            if self._descriptors and (self._guard is None or not self._guard.alive):
                self._start_guard()
            super().prepare()

    def release_all(self) -> None:
        with self._lock:
            self._down.clear()
            # A computer need not read a mouse that it has no use for: the mouse is left alone unless it was clicked.
            paths = [self._device, *self._clicked]
            for path in paths:
                self._send(path, bytes(MOUSE_REPORT_BYTES if path == self._mouse else KEYBOARD_REPORT_BYTES))
            # Written is not read: only when the computer has taken the last report are the keys up.
            for path in paths:
                self._wait_until_taken(path)
            self._clicked.clear()

    def close(self) -> None:
        with self._lock:
            guard, self._guard = self._guard, None
            released = False
            try:
                if self._descriptors:
                    self.release_all()
                    released = True
            except KeyboardError:
                pass  # the guard goes on trying
            self._close_devices()
            if guard is not None:
                guard.dismiss(released=released)

    def _close_devices(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def _report(self, place: str) -> None:
        if place in _BUTTON_BITS:
            assert self._mouse is not None
            self._clicked.add(self._mouse)
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
            self._guard.dismiss(released=False)
            self._guard = None
        self._clicked.clear()
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
        arguments = [
            f"{path}:{MOUSE_REPORT_BYTES if path == self._mouse else KEYBOARD_REPORT_BYTES}"
            for path in self._descriptors
        ]
        self._guard = Guard(self.name, "-I", "-S", hid_guard.__file__, *arguments)
