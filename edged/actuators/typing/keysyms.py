"""Characters and keys as X11 and Wayland name them: keysyms. Any Unicode character has one.

Numbers from the X protocol's `keysymdef.h`: Latin-1 characters are their own number, others their code point
plus 0x1000000, keys that write nothing begin with 0xFE and 0xFF.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Unit
from edged.actuators.typing.keys import Chord
from edged.errors import Untypeable

_UNICODE = 0x1000000
MODIFIER_KEYSYMS = {"ctrl": 0xFFE3, "shift": 0xFFE1, "alt": 0xFFE9, "altgr": 0xFE03, "super": 0xFFEB}
NAMED_KEYSYMS = {
    "enter": 0xFF0D,
    "tab": 0xFF09,
    "space": 0x20,
    "backspace": 0xFF08,
    "delete": 0xFFFF,
    "insert": 0xFF63,
    "escape": 0xFF1B,
    "up": 0xFF52,
    "down": 0xFF54,
    "left": 0xFF51,
    "right": 0xFF53,
    "home": 0xFF50,
    "end": 0xFF57,
    "page_up": 0xFF55,
    "page_down": 0xFF56,
    "print_screen": 0xFF61,
    "pause": 0xFF13,
    "menu": 0xFF67,
    "caps_lock": 0xFFE5,
    "num_lock": 0xFF7F,
    "scroll_lock": 0xFF14,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
}
_CONTROLS = {"\n": NAMED_KEYSYMS["enter"], "\r\n": NAMED_KEYSYMS["enter"], "\t": NAMED_KEYSYMS["tab"]}


@dataclass(frozen=True)
class SymbolStroke:
    """A symbol and the modifiers to hold with it, all as keysyms. It does not print what it types."""

    modifiers: tuple[int, ...]
    keysym: int

    def __repr__(self) -> str:
        return "<stroke>"


def character_keysym(character: str) -> int | None:
    """The keysym of a character (or of CR LF); None where there is none."""
    if character in _CONTROLS:
        return _CONTROLS[character]
    if len(character) != 1:
        return None
    code_point = ord(character)
    is_noncharacter = code_point & 0xFFFE == 0xFFFE or 0xFDD0 <= code_point <= 0xFDEF
    if unicodedata.category(character) in {"Cc", "Cs"} or is_noncharacter:
        return None
    return code_point if code_point < 0x100 else _UNICODE + code_point


def plan(text: Text, where: str) -> list[Unit[SymbolStroke]]:
    """One stroke for each code point. Raises Untypeable for control characters and what is no character at all."""
    units = []
    missing = []
    position, value, character = 0, text.value, ""
    while position < len(value):
        character = "\r\n" if value.startswith("\r\n", position) else value[position]
        keysym = character_keysym(character)
        if keysym is None:
            missing.append((position, character))
        else:
            units.append(Unit(len(character), (SymbolStroke((), keysym),)))
        position += len(character)
    if missing:
        positions = [each for each, _ in missing]
        characters = [] if text.sensitive else [character for _, character in missing]
        # What the error does not carry, the variables of this frame must not either.
        missing, character, value, keysym = [], "", "", None
        raise Untypeable(where, positions, characters)
    return units


def chord_unit(chord: Chord) -> Unit[SymbolStroke]:
    """A chord as one stroke."""
    modifiers = tuple(MODIFIER_KEYSYMS[name] for name in chord.modifiers)
    if len(chord.key) > 1:
        return Unit(0, (SymbolStroke(modifiers, NAMED_KEYSYMS.get(chord.key) or MODIFIER_KEYSYMS[chord.key]),))
    keysym = character_keysym(chord.key)
    assert keysym is not None, "parse_chord lets no control character through"
    return Unit(0, (SymbolStroke(modifiers, keysym),))
