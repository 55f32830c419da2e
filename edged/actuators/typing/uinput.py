"""A virtual keyboard in this machine's kernel: the only file that imports python-evdev.

Works on any desktop and on the text console. The kernel releases all keys of a device that disappears, so a process
that is killed with a key down leaves none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edged.actuators.typing.keyboard import Button
from edged.actuators.typing.keys import BUTTONS, KEYS
from edged.actuators.typing.layout import Layout, Stroke
from edged.actuators.typing.layout_keyboard import LayoutKeyboard
from edged.errors import KeyboardUnavailable

DEVICE = Path("/dev/uinput")
_CODES = {key.place: key.code for key in KEYS.values()}
_BUTTON_CODES = {button.place: button.code for button in BUTTONS.values()}
_MODULE_CURE = "modprobe uinput; to have it at each start: echo uinput > /etc/modules-load.d/uinput.conf"
_RIGHTS_CURE = 'a udev rule: KERNEL=="uinput", GROUP="edged", MODE="0660"'


def obstacle() -> tuple[str, str] | None:
    """Why uinput cannot be used here, and what to do; None when it can."""
    if not DEVICE.exists():
        return f"{DEVICE} does not exist", _MODULE_CURE
    if not os.access(DEVICE, os.W_OK):
        return f"{DEVICE} may not be written by this user", _RIGHTS_CURE
    try:
        import evdev  # noqa: F401
    except ImportError:
        return "python-evdev is not installed", "scripts/add typing, in edged's folder"
    return None


class UinputKeyboard(LayoutKeyboard):
    """A keyboard and a mouse without movement, from when it is made until it is closed.

    Desktops need a moment to notice a new keyboard and would miss its first keys: making one takes
    `settle_seconds`. Raises KeyboardUnavailable.
    """

    name = "uinput"

    def __init__(self, layout: Layout, *, settle_seconds: float = 1.0) -> None:
        super().__init__(layout)
        if found := obstacle():
            raise KeyboardUnavailable(self.name, *found)
        import evdev
        from evdev import ecodes

        self._held: list[int] = []
        # Linux Foundation, multifunction device: what the USB gadget says of itself, too.
        identity: dict[str, Any] = {"vendor": 0x1D6B, "product": 0x0104, "bustype": ecodes.BUS_VIRTUAL}
        keys = sorted(_CODES.values())
        leds = [ecodes.LED_NUML, ecodes.LED_CAPSL, ecodes.LED_SCROLLL]
        pointer: dict[int, Sequence[int]] = {
            ecodes.EV_KEY: sorted(_BUTTON_CODES.values()),
            ecodes.EV_REL: [ecodes.REL_X, ecodes.REL_Y, ecodes.REL_WHEEL],
        }
        try:
            # EV_REP is left out on purpose: the kernel repeats no key of ours, however late we release it.
            self._keys: Any = evdev.UInput(
                {ecodes.EV_KEY: keys, ecodes.EV_LED: leds}, name="edged keyboard", devnode=str(DEVICE), **identity
            )
            # A device of its own: one with keys and buttons is taken for neither by some desktops.
            self._pointer: Any = evdev.UInput(pointer, name="edged mouse", devnode=str(DEVICE), **identity)
        except (OSError, evdev.UInputError) as error:
            raise KeyboardUnavailable(
                self.name, f"the virtual keyboard cannot be made: {error}", _MODULE_CURE
            ) from error
        self._closed = False
        time.sleep(settle_seconds)

    @property
    def device_path(self) -> str | None:
        """The event device that the computer reads, where this process may see it."""
        return str(self._keys.device.path) if self._keys.device is not None else None

    def check_click(self, button: Button) -> None:
        pass

    def caps_lock(self) -> bool | None:
        from evdev import ecodes

        if self._closed:
            raise self._gone()
        if self._keys.device is None:
            return None
        return bool(ecodes.LED_CAPSL in self._keys.device.leds())

    def down(self, stroke: Stroke, hold_seconds: float) -> None:
        with self._lock:
            for place in stroke.places:
                code = _CODES.get(place) or _BUTTON_CODES[place]
                self._held.append(code)
                self._write(code, 1)

    def up(self, stroke: Stroke) -> None:
        self.release_all()

    def release_all(self) -> None:
        with self._lock:
            while self._held:
                self._write(self._held[-1], 0)
                self._held.pop()

    def _write(self, code: int, value: int) -> None:
        from evdev import ecodes

        device = self._pointer if code in _BUTTON_CODES.values() else self._keys
        if self._closed:
            raise self._gone()
        try:
            device.write(ecodes.EV_KEY, code, value)
            device.syn()
        except OSError as error:
            raise KeyboardUnavailable(self.name, f"the kernel takes no keys: {error.strerror}") from error

    def _gone(self) -> KeyboardUnavailable:
        return KeyboardUnavailable(self.name, "the virtual keyboard is closed")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                self.release_all()
            except KeyboardUnavailable:
                pass  # the kernel releases them with the device
            self._closed = True
            self._keys.close()
            self._pointer.close()
