"""A keymap of our own for the virtual keyboard of Wayland: any characters, each on some key. Pure.

Characters of the American layout are on their own keys, so that programs that look at keys rather than characters see
what they expect. Others are on codes that no keyboard of today has.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.actuators.sensitive import Text
from edged.actuators.typing.keys import KEYS, MODIFIERS, NAMED_KEYS
from edged.actuators.typing.keysyms import MODIFIER_KEYSYMS, NAMED_KEYSYMS, character_keysym
from edged.actuators.typing.layout import load_layout

# Linux codes 195 to 247, of which 205 (suspend) and a few like it are left out; X11 programs see no higher ones.
_SPARE_CODES = [code for code in range(195, 248) if code not in {198, 200, 201, 202, 203, 204, 205, 206, 207, 208}]
MOST_EXTRAS = len(_SPARE_CODES)
_CODE_OFFSET = 8
_SHIFT = "shift"
# Modifier to its bit in a keyboard's state, which is the order of the core modifiers of X.
MASKS = {"shift": 0x01, "ctrl": 0x04, "alt": 0x08, "super": 0x40, "altgr": 0x80}
_REAL_MODIFIERS = {"shift": "Shift", "ctrl": "Control", "alt": "Mod1", "super": "Mod4", "altgr": "Mod5"}


@dataclass(frozen=True)
class Place:
    """The Linux code of a key, and whether Shift is held with it."""

    code: int
    shifted: bool = False


@dataclass(frozen=True)
class Keymap:
    """`text` is what the compositor gets; `places` says where each keysym is."""

    text: str
    places: dict[int, Place]


def american_places() -> dict[int, Place]:
    """Where the keys and characters are that every keymap of ours has, by keysym."""
    layout = load_layout("us")
    places = {}
    for character in layout.characters:
        [stroke] = layout.plan(Text(character))[0].strokes
        keysym = character_keysym(character)
        assert keysym is not None
        places[keysym] = Place(KEYS[stroke.place].code, bool(stroke.modifiers))
    for name, place in NAMED_KEYS.items():
        places.setdefault(NAMED_KEYSYMS[name], Place(KEYS[place].code))
    for name, place in MODIFIERS.items():
        places[MODIFIER_KEYSYMS[name]] = Place(KEYS[place].code)
    return places


def keymap(extras: list[int]) -> Keymap:
    """A keymap with these keysyms (at most `MOST_EXTRAS`) besides the American ones."""
    places = american_places()
    spare = iter(_SPARE_CODES)
    for keysym in extras:
        if keysym not in places:
            places[keysym] = Place(next(spare))
    levels: dict[int, list[int]] = {}
    for keysym, place in places.items():
        levels.setdefault(place.code, [0, 0])[place.shifted] = keysym
    keys = sorted(levels)
    names = "\n".join(f"<K{code}> = {code + _CODE_OFFSET};" for code in keys)
    symbols = "\n".join(f"key <K{code}> {{[{_symbols(levels[code])}]}};" for code in keys)
    modifiers = "\n".join(
        f"modifier_map {_REAL_MODIFIERS[name]} {{<K{KEYS[place].code}>}};" for name, place in MODIFIERS.items()
    )
    text = (
        f'xkb_keymap {{\nxkb_keycodes "edged" {{\nminimum = 8;\nmaximum = 255;\n{names}\n}};\n'
        'xkb_types "edged" { include "complete" };\nxkb_compatibility "edged" { include "complete" };\n'
        f'xkb_symbols "edged" {{\n{symbols}\n{modifiers}\n}};\n}};\n'
    )
    return Keymap(text, places)


def _symbols(levels: list[int]) -> str:
    first, second = levels
    return f"0x{first:x}, 0x{second:x}" if second else f"0x{first:x}"
