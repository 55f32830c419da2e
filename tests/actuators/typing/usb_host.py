"""The computer at the other end of a USB keyboard: reports in, key presses out, by the USB HID Usage Tables, page 7.

Key names are those of Linux as python-evdev spells them; the tables here share nothing with the ones under test.
"""

from __future__ import annotations

from evdev import ecodes

_USAGES: dict[int, str] = {
    **{0x04 + index: letter for index, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
    **{0x1E + index: digit for index, digit in enumerate("1234567890")},
    **dict(
        enumerate(
            ["ENTER", "ESC", "BACKSPACE", "TAB", "SPACE", "MINUS", "EQUAL", "LEFTBRACE", "RIGHTBRACE", "BACKSLASH"],
            0x28,
        )
    ),
    **dict(enumerate(["SEMICOLON", "APOSTROPHE", "GRAVE", "COMMA", "DOT", "SLASH", "CAPSLOCK"], 0x33)),
    **{0x3A + index: f"F{index + 1}" for index in range(12)},
    **dict(enumerate(["SYSRQ", "SCROLLLOCK", "PAUSE", "INSERT", "HOME", "PAGEUP", "DELETE", "END", "PAGEDOWN"], 0x46)),
    **dict(enumerate(["RIGHT", "LEFT", "DOWN", "UP", "NUMLOCK"], 0x4F)),
    0x64: "102ND",
    0x65: "COMPOSE",
    **{0x68 + index: f"F{13 + index}" for index in range(12)},
}
_MODIFIERS = ["LEFTCTRL", "LEFTSHIFT", "LEFTALT", "LEFTMETA", "RIGHTCTRL", "RIGHTSHIFT", "RIGHTALT", "RIGHTMETA"]


class UsbHost:
    """Takes boot keyboard reports (8 bytes each) and says what changed: `(code, pressed)`, releases first."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def take(self, report: bytes) -> list[tuple[int, bool]]:
        """One report. Asserts what the standard demands: length, the reserved byte, no key twice, no roll-over."""
        assert len(report) == 8
        modifiers, reserved, *usages = report
        assert reserved == 0
        down = [usage for usage in usages if usage]
        assert len(set(down)) == len(down)
        assert 0x01 not in down, "roll-over: too many keys"
        names = [name for bit, name in enumerate(_MODIFIERS) if modifiers & 1 << bit]
        names += [_USAGES[usage] for usage in down]
        now = [int(ecodes.ecodes[f"KEY_{name}"]) for name in names]
        changes = [(code, False) for code in self.held if code not in now]
        changes += [(code, True) for code in now if code not in self.held]
        self.held = now
        return changes
