"""The keys of a keyboard by their place, the names people give them, and chords such as `ctrl+c`.

A place is named as in the W3C's "UI Events KeyboardEvent code Values": `KeyQ` is the key right of Tab, whatever is
printed on it. Linux codes are those of `linux/input-event-codes.h`, usages those of the USB HID Usage Tables, page 7.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from edged.errors import ChordError


@dataclass(frozen=True)
class Key:
    """One key: its place, its Linux code, its USB usage."""

    place: str
    code: int
    usage: int


def _row(places: str, first_code: int, usages: range | list[int]) -> list[Key]:
    return [
        Key(place, first_code + step, usage)
        for step, (place, usage) in enumerate(zip(places.split(), usages, strict=True))
    ]


def _letters(row: str) -> list[int]:
    return [0x04 + ord(letter) - ord("A") for letter in row]


_TABLE = [
    Key("Escape", 1, 0x29),
    *_row("Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0", 2, range(0x1E, 0x28)),
    *_row("Minus Equal Backspace Tab", 12, [0x2D, 0x2E, 0x2A, 0x2B]),
    *_row("KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP", 16, _letters("QWERTYUIOP")),
    *_row("BracketLeft BracketRight Enter ControlLeft", 26, [0x2F, 0x30, 0x28, 0xE0]),
    *_row("KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL", 30, _letters("ASDFGHJKL")),
    *_row("Semicolon Quote Backquote ShiftLeft Backslash", 39, [0x33, 0x34, 0x35, 0xE1, 0x31]),
    *_row("KeyZ KeyX KeyC KeyV KeyB KeyN KeyM", 44, _letters("ZXCVBNM")),
    *_row("Comma Period Slash ShiftRight", 51, [0x36, 0x37, 0x38, 0xE5]),
    *_row("AltLeft Space CapsLock", 56, [0xE2, 0x2C, 0x39]),
    *_row("F1 F2 F3 F4 F5 F6 F7 F8 F9 F10", 59, range(0x3A, 0x44)),
    *_row("NumLock ScrollLock", 69, [0x53, 0x47]),
    Key("IntlBackslash", 86, 0x64),
    *_row("F11 F12", 87, range(0x44, 0x46)),
    Key("ControlRight", 97, 0xE4),
    *_row("PrintScreen AltRight", 99, [0x46, 0xE6]),
    *_row("Home ArrowUp PageUp ArrowLeft ArrowRight End", 102, [0x4A, 0x52, 0x4B, 0x50, 0x4F, 0x4D]),
    *_row("ArrowDown PageDown Insert Delete", 108, [0x51, 0x4E, 0x49, 0x4C]),
    Key("Pause", 119, 0x48),
    *_row("MetaLeft MetaRight ContextMenu", 125, [0xE3, 0xE7, 0x65]),
    *_row("F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24", 183, range(0x68, 0x74)),
]
KEYS: dict[str, Key] = {key.place: key for key in _TABLE}


@dataclass(frozen=True)
class MouseButton:
    """A mouse button: its place as strokes name it, its Linux code, its bit in a USB boot mouse's report."""

    place: str
    code: int
    bit: int


BUTTONS = {
    "left": MouseButton("MouseLeft", 0x110, 1),
    "right": MouseButton("MouseRight", 0x111, 2),
    "middle": MouseButton("MouseMiddle", 0x112, 4),
}

# What people call the modifiers; AltGr is the right Alt key of every layout that has it.
MODIFIERS = {
    "ctrl": "ControlLeft",
    "shift": "ShiftLeft",
    "alt": "AltLeft",
    "altgr": "AltRight",
    "super": "MetaLeft",
}
_MODIFIER_ALIASES = {"control": "ctrl", "win": "super", "meta": "super", "cmd": "super", "option": "alt"}

# Keys that are the same in every layout, by what people call them.
NAMED_KEYS = {
    "enter": "Enter",
    "tab": "Tab",
    "space": "Space",
    "backspace": "Backspace",
    "delete": "Delete",
    "insert": "Insert",
    "escape": "Escape",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "home": "Home",
    "end": "End",
    "page_up": "PageUp",
    "page_down": "PageDown",
    "print_screen": "PrintScreen",
    "pause": "Pause",
    "menu": "ContextMenu",
    "caps_lock": "CapsLock",
    "num_lock": "NumLock",
    "scroll_lock": "ScrollLock",
    **{f"f{number}": f"F{number}" for number in range(1, 25)},
}
_KEY_ALIASES = {
    "return": "enter",
    "esc": "escape",
    "del": "delete",
    "ins": "insert",
    "pgup": "page_up",
    "pageup": "page_up",
    "pgdn": "page_down",
    "pagedown": "page_down",
    "printscreen": "print_screen",
    "prtsc": "print_screen",
    "capslock": "caps_lock",
    "plus": "+",
}


@dataclass(frozen=True)
class Chord:
    """Keys pressed together: `modifiers` are names of `MODIFIERS`, `key` a name of `NAMED_KEYS`, a modifier that is
    pressed alone, or one character as it stands on the layout.
    """

    modifiers: tuple[str, ...]
    key: str

    def __str__(self) -> str:
        return "+".join([*self.modifiers, self.key])


def parse_chord(text: str) -> Chord:
    """`ctrl+c`, `enter`, `alt+tab`, `ctrl+shift+esc`, `ctrl++`; raises ChordError naming what is not a key."""
    wanted = text.strip()
    if wanted.endswith("++") or wanted == "+":
        names = [*filter(None, wanted[:-2].split("+")), "+"]
    else:
        names = [name.strip() for name in wanted.split("+")]
    if not all(names):
        raise ChordError(text, "a key is missing between, before or after a +")
    *before, last = names
    modifiers = []
    for name in before:
        modifier = _MODIFIER_ALIASES.get(name.lower(), name.lower())
        if modifier not in MODIFIERS:
            raise ChordError(text, f"{name!r} is no modifier", f"modifiers are {', '.join(MODIFIERS)}")
        if modifier in modifiers:
            raise ChordError(text, f"{name!r} is there twice")
        modifiers.append(modifier)
    return Chord(tuple(modifiers), _last_key(text, last, modifiers))


def _last_key(text: str, name: str, modifiers: list[str]) -> str:
    if len(name) == 1:
        if unicodedata.category(name).startswith("C"):
            raise ChordError(text, f"U+{ord(name):04X} is no key")
        # Nobody who writes Ctrl+C means the shift key as well.
        return name.lower() if modifiers and name.isascii() else name
    known = name.lower().replace(" ", "_").replace("-", "_")
    known = _KEY_ALIASES.get(known, _MODIFIER_ALIASES.get(known, known))
    if known in NAMED_KEYS or known in _KEY_ALIASES.values():
        return known
    if known in MODIFIERS and known not in modifiers:
        return known
    raise ChordError(
        text, f"{name!r} is no key", f"keys are single characters, {', '.join(NAMED_KEYS)} and {', '.join(MODIFIERS)}"
    )
