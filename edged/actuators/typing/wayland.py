"""Typing into a Wayland session through the compositor's virtual keyboard (`zwp_virtual_keyboard_manager_v1`).

Sway, Hyprland, labwc, river, Wayfire, cage and other compositors made with wlroots offer it; GNOME and KDE do not, and
there uinput does the work. It is spoken directly: the usual program for it, wtype, can neither hold a key for a given
time nor say how far it came, and types on when we are killed. A compositor releases the keys of a connection that ends.
"""

from __future__ import annotations

import os
import struct
import threading
import time

from edged.actuators.sensitive import Text
from edged.actuators.typing import keysyms
from edged.actuators.typing.keyboard import Button, Pace, Typing, Unit
from edged.actuators.typing.keys import BUTTONS, KEYS, MODIFIERS, Chord
from edged.actuators.typing.keysyms import MODIFIER_KEYSYMS, SymbolStroke
from edged.actuators.typing.wayland_keymap import MASKS, MOST_EXTRAS, Keymap, american_places, keymap
from edged.actuators.typing.wayland_wire import Wire, socket_path
from edged.errors import KeyboardError, KeyboardUnavailable, KeyboardUnsupported

_SEAT = "wl_seat"
_KEYBOARDS = "zwp_virtual_keyboard_manager_v1"
_POINTERS = "zwlr_virtual_pointer_manager_v1"
_CREATE = 0
_KEYMAP, _KEY, _MODIFIERS = 0, 1, 2
_POINTER_BUTTON, _POINTER_FRAME = 2, 4
_XKB_V1 = 1
# X11 programs in the session learn of a new keymap by another way than of the keys, and need a moment.
_SETTLE_SECONDS = 0.1
_MODIFIER_NAMES = {keysym: name for name, keysym in MODIFIER_KEYSYMS.items()}


def obstacle(display_name: str | None = None) -> tuple[str, str] | None:
    """Why Wayland cannot be used here, and what to do; None when it can."""
    path = socket_path(display_name)
    if path is None:
        return (
            "there is no Wayland session (WAYLAND_DISPLAY is not set)",
            "run the actuator in the session, or set WAYLAND_DISPLAY",
        )
    try:
        wire = Wire(path)
    except KeyboardError as error:
        return error.reason, error.cure
    offered = wire.interfaces
    wire.close()
    if _KEYBOARDS not in offered or _SEAT not in offered:
        return "this compositor offers no virtual keyboard (GNOME and KDE do not)", "use uinput"
    return None


class WaylandKeyboard:
    """A `Keyboard` and its own `Port`. Raises KeyboardUnavailable where the compositor is not there or does not offer it."""

    name = "wayland"

    def __init__(self, display_name: str | None = None) -> None:
        if found := obstacle(display_name):
            raise KeyboardUnavailable(self.name, *found)
        path = socket_path(display_name)
        assert path is not None
        self._wire: Wire | None = Wire(path)
        # An emergency stop releases everything from another thread, perhaps in the middle of a stroke.
        self._lock = threading.RLock()
        self._pointer: int | None = None
        self._held: list[tuple[str, int]] = []
        try:
            self._seat = self._wire.bind(_SEAT)
            manager = self._wire.bind(_KEYBOARDS)
            self._keyboard = self._wire.new_object()
            self._wire.request(manager, _CREATE, struct.pack("=II", self._seat, self._keyboard))
            if _POINTERS in self._wire.interfaces:
                pointers = self._wire.bind(_POINTERS)
                self._pointer = self._wire.new_object()
                self._wire.request(pointers, _CREATE, struct.pack("=II", self._seat, self._pointer))
            self._use([])
        except KeyboardError:
            self._wire.close()
            raise

    def check(self, text: Text) -> None:
        keysyms.plan(text, "Wayland")

    def check_chord(self, chord: Chord) -> None:
        keysyms.chord_unit(chord)

    def check_click(self, button: Button) -> None:
        if self._pointer is None:
            raise KeyboardUnsupported(
                self.name, f"cannot click the {button} button: this compositor offers no virtual pointer", "use uinput"
            )

    def type_text(self, text: Text, pace: Pace) -> Typing:
        units = keysyms.plan(text, "Wayland")
        return Typing(units, _KeyPort(self, [stroke.keysym for unit in units for stroke in unit.strokes]), pace)

    def chord(self, chord: Chord, pace: Pace) -> Typing:
        unit = keysyms.chord_unit(chord)
        return Typing([unit], _KeyPort(self, [unit.strokes[0].keysym]), pace)

    def click(self, button: Button, pace: Pace) -> Typing:
        self.check_click(button)
        return Typing([Unit(0, (BUTTONS[button].code,))], _ButtonPort(self), pace)

    def release_all(self) -> None:
        with self._lock:
            wire = self._connected()
            while self._held:
                kind, code = self._held[-1]
                if kind == "button":
                    self._button(code, pressed=False)
                else:
                    self._key(code, pressed=False)
                self._held.pop()
            self._tell_modifiers()
            wire.round_trip()

    def close(self) -> None:
        with self._lock:
            if self._wire is None:
                return
            try:
                self.release_all()
            except KeyboardError:
                pass  # the compositor releases what a connection that ends holds
            self._wire.close()
            self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None:
            raise KeyboardUnavailable(self.name, "the keyboard is closed")
        return self._wire

    def _use(self, extras: list[int]) -> None:
        """Give the compositor a keymap that has these keysyms, too."""
        self._keymap: Keymap = keymap(extras)
        encoded = self._keymap.text.encode() + b"\0"
        descriptor = os.memfd_create("edged-keymap")
        try:
            os.write(descriptor, encoded)
            arguments = struct.pack("=II", _XKB_V1, len(encoded))
            self._connected().request(self._keyboard, _KEYMAP, arguments, descriptor)
        finally:
            os.close(descriptor)
        self._connected().round_trip()

    def _press(self, stroke: SymbolStroke) -> None:
        place = self._keymap.places[stroke.keysym]
        modifiers = [_MODIFIER_NAMES[keysym] for keysym in stroke.modifiers]
        if place.shifted and "shift" not in modifiers:
            modifiers.append("shift")
        for code in [*(KEYS[MODIFIERS[name]].code for name in modifiers), place.code]:
            self._held.append(("key", code))
            # A key is read with the modifiers before it, so they are told first.
            self._key(code, pressed=True)
            self._tell_modifiers()
        self._connected().round_trip()

    def _key(self, code: int, *, pressed: bool) -> None:
        self._connected().request(self._keyboard, _KEY, struct.pack("=III", _now_ms(), code, pressed))

    def _tell_modifiers(self) -> None:
        """A virtual keyboard says itself which modifiers its keys make."""
        held = {code for kind, code in self._held if kind == "key"}
        mask = sum(MASKS[name] for name, place in MODIFIERS.items() if KEYS[place].code in held)
        self._connected().request(self._keyboard, _MODIFIERS, struct.pack("=IIII", mask, 0, 0, 0))

    def _press_button(self, code: int) -> None:
        self._held.append(("button", code))
        self._button(code, pressed=True)
        self._connected().round_trip()

    def _button(self, code: int, *, pressed: bool) -> None:
        assert self._pointer is not None
        self._connected().request(self._pointer, _POINTER_BUTTON, struct.pack("=III", _now_ms(), code, pressed))
        self._connected().request(self._pointer, _POINTER_FRAME)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF


class _KeyPort:
    """Strokes of one text or chord; it knows what is still to come, to make keymaps for as much of it as there is room."""

    def __init__(self, keyboard: WaylandKeyboard, keysyms_to_type: list[int]) -> None:
        self._keyboard = keyboard
        self._keysyms = keysyms_to_type
        self._position = 0

    def prepare(self) -> None:
        with self._keyboard._lock:
            self._prepare()

    def _prepare(self) -> None:
        self._keyboard.release_all()
        if any(keysym not in self._keyboard._keymap.places for keysym in self._keysyms):
            self._new_keymap()

    def down(self, stroke: SymbolStroke, hold_seconds: float) -> None:
        with self._keyboard._lock:
            if stroke.keysym not in self._keyboard._keymap.places:
                self._new_keymap()
            self._position += 1
            self._keyboard._press(stroke)

    def up(self, stroke: SymbolStroke) -> None:
        self._keyboard.release_all()

    def release_all(self) -> None:
        self._keyboard.release_all()

    def _new_keymap(self) -> None:
        american = american_places()
        extras = [keysym for keysym in dict.fromkeys(self._keysyms[self._position :]) if keysym not in american]
        time.sleep(_SETTLE_SECONDS)
        self._keyboard._use(extras[:MOST_EXTRAS])
        time.sleep(_SETTLE_SECONDS)


class _ButtonPort:
    """Clicks."""

    def __init__(self, keyboard: WaylandKeyboard) -> None:
        self._keyboard = keyboard

    def prepare(self) -> None:
        self._keyboard.release_all()

    def down(self, stroke: int, hold_seconds: float) -> None:
        with self._keyboard._lock:
            self._keyboard._press_button(stroke)

    def up(self, stroke: int) -> None:
        self._keyboard.release_all()

    def release_all(self) -> None:
        self._keyboard.release_all()
