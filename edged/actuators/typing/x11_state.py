"""What the X server says of its keyboard, in three requests that python-xlib lacks: XKB's UseExtension, GetState and
GetControls.

Layouts of the requests from "The X Keyboard Extension: Protocol Specification", appendix D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from Xlib.protocol import rq

_NAME = "XKEYBOARD"
_CORE_KEYBOARD = 0x100
_LOCK = 0x02
# Bits of the modifiers that change what a key writes; Mod2 is Num Lock, which changes the number pad only.
_NAMES = {0x01: "Shift", 0x04: "Ctrl", 0x08: "Alt", 0x20: "Mod3", 0x40: "Super", 0x80: "AltGr"}


class _UseExtension(rq.ReplyRequest):  # type: ignore[misc]
    _request = rq.Struct(
        rq.Card8("opcode"), rq.Opcode(0), rq.RequestLength(), rq.Card16("wanted_major"), rq.Card16("wanted_minor")
    )
    _reply = rq.Struct(
        rq.ReplyCode(), rq.Card8("supported"), rq.Card16("sequence_number"), rq.ReplyLength(), rq.Pad(24)
    )


class _GetState(rq.ReplyRequest):  # type: ignore[misc]
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(4), rq.RequestLength(), rq.Card16("device"), rq.Pad(2))
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Card8("device_id"),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        *(rq.Card8(name) for name in ("mods", "base_mods", "latched_mods", "locked_mods", "group", "locked_group")),
        rq.Pad(18),
    )


class _GetControls(rq.ReplyRequest):  # type: ignore[misc]
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(6), rq.RequestLength(), rq.Card16("device"), rq.Pad(2))
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Card8("device_id"),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        *(rq.Card8(name) for name in ("mouse_keys_button", "groups")),
        rq.Pad(82),
    )


@dataclass(frozen=True)
class KeyboardState:
    """`group` is the layout in force, counted from 0; `held` names the modifiers that somebody holds."""

    caps_lock: bool = False
    held: tuple[str, ...] = ()
    group: int = 0


class StateReader:
    """Asks an X server; without XKB (which every server of today has) it answers that nothing is held."""

    def __init__(self, display: Any) -> None:
        self._display = display.display
        found = display.query_extension(_NAME)
        self._opcode: int | None = found.major_opcode if found and found.present else None
        if self._opcode is not None:
            _UseExtension(self._display, opcode=self._opcode, wanted_major=1, wanted_minor=0)

    def read(self) -> KeyboardState:
        """The state now."""
        if self._opcode is None:
            return KeyboardState()
        state = _GetState(self._display, opcode=self._opcode, device=_CORE_KEYBOARD)
        held = state.base_mods | state.latched_mods
        names = tuple(name for bit, name in _NAMES.items() if held & bit)
        return KeyboardState(bool(state.locked_mods & _LOCK), names, state.group)

    def groups(self) -> int:
        """How many layouts are set; one of them is in force."""
        if self._opcode is None:
            return 1
        return int(_GetControls(self._display, opcode=self._opcode, device=_CORE_KEYBOARD).groups)
