"""Each stroke of each layout on the real libxkbcommon: what is planned is what the computer reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.actuators.sensitive import Text
from edged.actuators.typing import layout as layouts
from edged.actuators.typing.keys import KEYS, parse_chord
from edged.actuators.typing.layout import Layout, layout_names, load_layout
from edged.errors import ChordError, SettingsError, Untypeable
from tests.actuators.typing.xkb_keyboard import XkbKeyboard

LINUX = ["us", "gb", "de", "fr", "es"]
PANGRAMS = {
    "us": "The quick brown fox jumps over the lazy dog; 0123456789 ~!@#$%^&*()_+{}|:\"<>?`-=[]\\',./",
    "gb": "Pack my box with five dozen liquor jugs for £5 & €3, naïve café\n",
    "de": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, Grüße, Zoë! ~^ @€µ|\\{[]}",
    "fr": "Portez ce vieux whisky au juge blond qui fume : à é è ç ù ê ë ô û ï â ÿ 0123456789 ~#{[|`\\^@]}",
    "es": "El veloz murciélago hindú comía feliz cardillo y kiwi. La cigüeña tocaba el saxofón. ¿Ñandú? ¡Sí! áéíóú ºª·",
}


def keyboard_for(name: str) -> XkbKeyboard:
    try:
        return XkbKeyboard(name)
    except OSError as error:
        pytest.skip(f"libxkbcommon is not here (package libxkbcommon0): {error}")
    except ValueError as error:
        pytest.skip(str(error))


def write(keyboard: XkbKeyboard, layout: Layout, text: str) -> str:
    """What the computer reads when a text is typed."""
    for unit in layout.plan(Text(text)):
        for stroke in unit.strokes:
            codes = [KEYS[place].code for place in stroke.places]
            for code in codes:
                keyboard.press(code)
            for code in reversed(codes):
                keyboard.release(code)
    assert not keyboard.held
    assert not keyboard.composing
    written = keyboard.text
    keyboard.forget()
    return written


@pytest.mark.parametrize("name", LINUX)
def test_every_character_of_a_layout_comes_out_as_itself(name: str) -> None:
    keyboard, layout = keyboard_for(name), load_layout(name)
    assert len(layout.characters) > 90
    wrong = {each: out for each in layout.characters if (out := write(keyboard, layout, each)) != each}
    assert wrong == {}


@pytest.mark.parametrize("name", LINUX)
def test_all_characters_of_a_layout_in_one_text_come_out_in_order(name: str) -> None:
    layout = load_layout(name)
    everything = "".join(layout.characters)
    assert write(keyboard_for(name), layout, everything) == everything


@pytest.mark.parametrize("name", LINUX)
def test_a_pangram_comes_out_as_it_went_in(name: str) -> None:
    assert write(keyboard_for(name), load_layout(name), PANGRAMS[name]) == PANGRAMS[name]


@pytest.mark.parametrize("name", layout_names())
def test_every_layout_has_the_printable_characters_of_ascii(name: str) -> None:
    characters = load_layout(name).characters
    assert [chr(code) for code in range(0x20, 0x7F) if chr(code) not in characters] == []


@pytest.mark.parametrize("name", LINUX)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_text_of_a_layouts_characters_comes_out_as_it_went_in(name: str, data: st.DataObject) -> None:
    layout = load_layout(name)
    text = data.draw(st.text(st.sampled_from(layout.characters), max_size=30))
    assert write(keyboard_for(name), layout, text) == text


@pytest.mark.parametrize("name", LINUX)
def test_what_windows_types_without_altgr_and_dead_keys_linux_types_alike(name: str) -> None:
    # There is no Windows here to ask; where its table should agree with the one that was verified, it does.
    linux, windows = load_layout(name), load_layout(f"{name}-windows")
    for character in windows.characters:
        strokes = [stroke for unit in windows.plan(Text(character)) for stroke in unit.strokes]
        if len(strokes) == 1 and "AltRight" not in strokes[0].modifiers:
            assert linux.plan(Text(character)) == windows.plan(Text(character)), character


def test_the_strokes_that_people_know() -> None:
    def places(name: str, text: str) -> list[tuple[str, ...]]:
        return [stroke.places for unit in load_layout(name).plan(Text(text)) for stroke in unit.strokes]

    assert places("de", "@") == [("AltRight", "KeyQ")]
    assert places("de", "ê") == [("Backquote",), ("KeyE",)]
    assert places("de", "^") == [("Backquote",), ("Space",)]
    assert places("fr", "1") == [("ShiftLeft", "Digit1")]
    assert places("fr", "a") == [("KeyQ",)]
    assert places("es", "ñ") == [("Semicolon",)]
    assert places("es", "á") == [("Quote",), ("KeyA",)]
    assert places("es-windows", "~") == [("AltRight", "Digit4"), ("Space",)]
    assert places("us", "<") == [("ShiftLeft", "Comma")]
    assert places("uk", "£") == [("ShiftLeft", "Digit3")]


def test_a_character_the_layout_lacks_is_named_with_its_place_and_so_are_all_others() -> None:
    with pytest.raises(Untypeable) as caught:
        load_layout("us").plan(Text("naïve → 日本"))
    assert caught.value.positions == [2, 6, 8, 9]
    assert caught.value.characters == ["ï", "→", "日", "本"]
    assert str(caught.value) == (
        "character 3 ('ï' U+00EF) cannot be typed with layout us; "
        "4 places in all: 'ï' U+00EF, '→' U+2192, '日' U+65E5, '本' U+672C"
    )


def test_of_sensitive_text_only_the_place_is_named() -> None:
    with pytest.raises(Untypeable) as caught:
        load_layout("us").plan(Text("gehëim", sensitive=True))
    assert caught.value.characters == []
    assert str(caught.value) == "character 4 cannot be typed with layout us"


def test_no_variable_of_a_traceback_shows_sensitive_text() -> None:
    secret = "correct horse bättery staple"
    with pytest.raises(Untypeable) as caught:
        load_layout("us").plan(Text(secret, sensitive=True))
    trace = caught.tb.tb_next  # the first frame is this test, which knows the secret
    shown = []
    while trace is not None:
        shown.append(repr({k: v for k, v in trace.tb_frame.f_locals.items() if k != "self"}))
        trace = trace.tb_next
    assert shown
    for word in ("correct", "horse", "ä", "staple"):
        assert word not in "".join(shown)


def test_a_letter_with_a_combining_mark_is_typed_as_one_character() -> None:
    layout = load_layout("de")
    units = layout.plan(Text("e\u0301x"))
    assert [unit.length for unit in units] == [2, 1]
    assert units[0].strokes == layout.plan(Text("é"))[0].strokes


def test_windows_line_ends_are_one_enter() -> None:
    assert [unit.length for unit in load_layout("us").plan(Text("a\r\nb"))] == [1, 2, 1]
    with pytest.raises(Untypeable, match=r"character 2 \(U\+000D\)"):
        load_layout("us").plan(Text("a\rb"))


def test_a_layout_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"layout = 'dvorak': there is no such keyboard layout \(one of de, de-"):
        load_layout("dvorak")
    with pytest.raises(SettingsError, match="no such keyboard layout"):
        load_layout("../layouts/de")


def test_a_chord_finds_its_letter_where_the_layout_has_it() -> None:
    def places(name: str, chord: str) -> tuple[str, ...]:
        return load_layout(name).chord(parse_chord(chord)).strokes[0].places

    assert places("us", "ctrl+a") == ("ControlLeft", "KeyA")
    assert places("fr", "ctrl+a") == ("ControlLeft", "KeyQ")
    assert places("de", "ctrl+z") == ("ControlLeft", "KeyY")
    assert places("us", "ctrl++") == ("ControlLeft", "ShiftLeft", "Equal")
    assert places("us", "Ctrl+Shift+Esc") == ("ControlLeft", "ShiftLeft", "Escape")
    assert places("us", "alt+F4") == ("AltLeft", "F4")
    assert places("us", "super") == ("MetaLeft",)
    assert places("us", "A") == ("ShiftLeft", "KeyA")
    assert places("us", "shift+A") == ("ShiftLeft", "KeyA")


@pytest.mark.parametrize(
    ("chord", "reason"),
    [
        ("ctrl+", "a key is missing"),
        ("+a", "a key is missing"),
        ("", "a key is missing"),
        ("hyper+a", "'hyper' is no modifier (modifiers are ctrl, shift, alt, altgr, super)"),
        ("ctrl+ctrl+a", "'ctrl' is there twice"),
        ("ctrl+ctrl", "'ctrl' is no key"),
        ("ctrl+rubbish", "'rubbish' is no key"),
        ("ctrl+\x07", "U+0007 is no key"),
    ],
)
def test_a_chord_that_is_none_says_what_is_wrong(chord: str, reason: str) -> None:
    with pytest.raises(ChordError) as caught:
        parse_chord(chord)
    assert reason in str(caught.value)


def test_a_chord_with_a_character_that_needs_a_dead_key_is_refused() -> None:
    with pytest.raises(ChordError, match=r"key 'ctrl\+\^': '\^' is typed with a dead key of layout de"):
        load_layout("de").chord(parse_chord("ctrl+^"))
    with pytest.raises(ChordError, match="is no key of layout de"):
        load_layout("de").chord(parse_chord("ctrl+ж"))


def test_the_committed_layouts_are_what_the_generator_writes_from_these_sources() -> None:
    folder = Path(layouts.__file__).parent / "layouts"
    before = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    root = Path(__file__).parents[3]
    asked = subprocess.run(["dpkg-query", "-W", "xkb-data", "libx11-data"], capture_output=True, text=True, check=False)
    source = json.loads(before["de.json"])["source"]
    if asked.returncode or not all(line.split()[1] in source for line in asked.stdout.splitlines()):
        pytest.skip(f"this machine has other versions than {source}")
    shown = subprocess.run(
        [sys.executable, root / "scripts" / "generate-layouts", "--check"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
