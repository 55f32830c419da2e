from __future__ import annotations

import pytest

from edged.actuators.typing.hid_gadget import keyboard_report, mouse_report
from edged.actuators.typing.keys import BUTTONS, KEYS, MODIFIERS, NAMED_KEYS

pytest.importorskip("evdev", reason="python-evdev is not installed")

from evdev import ecodes

from tests.actuators.typing.usb_host import UsbHost


def test_every_place_is_the_same_key_to_linux_directly_and_over_usb() -> None:
    for key in KEYS.values():
        assert UsbHost().take(keyboard_report([key.place])) == [(key.code, True)], key.place
    assert len({key.code for key in KEYS.values()}) == len(KEYS)
    assert len({key.usage for key in KEYS.values()}) == len(KEYS)


def test_places_are_named_as_linux_names_them() -> None:
    alike = {"KeyQ": "KEY_Q", "Digit0": "KEY_0", "Minus": "KEY_MINUS", "IntlBackslash": "KEY_102ND", "F24": "KEY_F24"}
    alike |= {"AltRight": "KEY_RIGHTALT", "Backquote": "KEY_GRAVE", "ContextMenu": "KEY_COMPOSE", "Enter": "KEY_ENTER"}
    assert {place: KEYS[place].code for place in alike} == {place: ecodes.ecodes[name] for place, name in alike.items()}
    assert {name: button.code for name, button in BUTTONS.items()} == {
        "left": ecodes.BTN_LEFT,
        "right": ecodes.BTN_RIGHT,
        "middle": ecodes.BTN_MIDDLE,
    }


def test_every_named_key_and_modifier_is_a_key() -> None:
    assert [place for place in [*NAMED_KEYS.values(), *MODIFIERS.values()] if place not in KEYS] == []


def test_reports_are_those_of_the_standard() -> None:
    assert keyboard_report([]) == bytes(8)
    assert keyboard_report(["ShiftLeft", "KeyA"]) == bytes([0x02, 0, 0x04, 0, 0, 0, 0, 0])
    assert keyboard_report(["AltRight", "KeyQ"]) == bytes([0x40, 0, 0x14, 0, 0, 0, 0, 0])
    six = [f"Digit{digit}" for digit in range(1, 7)]
    assert keyboard_report(["ControlLeft", *six]) == bytes([0x01, 0, 0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23])
    assert keyboard_report(["ControlLeft", *six, "KeyA"]) == bytes([0x01, 0, 1, 1, 1, 1, 1, 1])
    assert mouse_report(["MouseRight"]) == b"\x02\x00\x00"
    assert mouse_report([]) == bytes(3)
