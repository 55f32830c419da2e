"""Text to strokes by a keyboard layout. Pure: the layouts are data files, written by `scripts/generate-layouts`."""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Unit
from edged.actuators.typing.keys import KEYS, MODIFIERS, NAMED_KEYS, Chord
from edged.errors import ChordError, SettingProblem, SettingsError, Untypeable

_ALIASES = {"uk": "gb", "en": "us"}


@dataclass(frozen=True)
class Stroke:
    """A key and the modifiers held with it, all by place (`keys.KEYS`). It does not print what it types."""

    modifiers: tuple[str, ...]
    place: str

    @property
    def places(self) -> tuple[str, ...]:
        """In the order they go down."""
        return (*self.modifiers, self.place)

    def __repr__(self) -> str:
        return "<stroke>"


class Layout:
    """How each character is typed on one layout."""

    def __init__(self, name: str, title: str, strokes: dict[str, tuple[Stroke, ...]]) -> None:
        self.name = name
        self.title = title
        self._strokes = strokes

    @property
    def characters(self) -> list[str]:
        """All that can be typed, line end and tab included."""
        return list(self._strokes)

    def plan(self, text: Text) -> list[Unit[Stroke]]:
        """The strokes of a text, one unit for each character. Raises Untypeable, naming all that have no strokes.

        A letter with combining marks is typed as the one character that Unicode has for it; a line end is one Enter,
        be it LF or CR LF.
        """
        units = []
        missing = []
        character, strokes = "", None
        for position, length, character in _characters(text.value):
            strokes = self._strokes.get(character)
            if strokes is None:
                missing.append((position, character))
            else:
                units.append(Unit(length, strokes))
        if missing:
            positions = [position for position, _ in missing]
            characters = [] if text.sensitive else [character for _, character in missing]
            # What the error does not carry, the variables of this frame must not either.
            missing, character, strokes = [], "", None
            raise Untypeable(f"layout {self.name}", positions, characters)
        return units

    def chord(self, chord: Chord) -> Unit[Stroke]:
        """A chord as one stroke; `ctrl+a` is Ctrl and the key that types an a. Raises ChordError."""
        modifiers = [MODIFIERS[name] for name in chord.modifiers]
        if len(chord.key) > 1:
            place = NAMED_KEYS.get(chord.key) or MODIFIERS[chord.key]
            return Unit(0, (Stroke(tuple(modifiers), place),))
        strokes = self._strokes.get(unicodedata.normalize("NFC", chord.key), ())
        if len(strokes) != 1:
            reason = "is typed with a dead key" if strokes else "is no key"
            raise ChordError(str(chord), f"{chord.key!r} {reason} of layout {self.name}")
        [stroke] = strokes
        modifiers += [modifier for modifier in stroke.modifiers if modifier not in modifiers]
        return Unit(0, (Stroke(tuple(modifiers), stroke.place),))


def _characters(text: str) -> Iterator[tuple[int, int, str]]:
    """Position, length in code points, and what is to be typed, for each character of a text."""
    start = 0
    while start < len(text):
        end = start + 1
        if text[start] == "\r" and text[end : end + 1] == "\n":
            end += 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        cluster = text[start:end]
        yield start, end - start, "\n" if cluster == "\r\n" else unicodedata.normalize("NFC", cluster)
        start = end


def layout_names() -> list[str]:
    """Every layout there is, sorted."""
    folder = resources.files(__package__) / "layouts"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


@functools.cache
def load_layout(name: str) -> Layout:
    """A layout by name (`us`, `gb` or `uk`, `de`, `fr`, `es`, `de-windows`, …). Raises SettingsError."""
    known = _ALIASES.get(name, name)
    if known.endswith("-windows"):
        base = known.removesuffix("-windows")
        known = f"{_ALIASES.get(base, base)}-windows"
    if known not in layout_names():
        raise SettingsError(
            [SettingProblem("layout", name, "there is no such keyboard layout", f"one of {', '.join(layout_names())}")],
            "typing",
        )
    text = (resources.files(__package__) / "layouts" / f"{known}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    strokes = {
        character: tuple(_stroke(stroke) for stroke in way.split()) for character, way in document["strokes"].items()
    }
    return Layout(known, document["title"], strokes)


def _stroke(text: str) -> Stroke:
    *modifiers, place = text.split("+")
    assert place in KEYS
    return Stroke(tuple(MODIFIERS[modifier] for modifier in modifiers), place)
