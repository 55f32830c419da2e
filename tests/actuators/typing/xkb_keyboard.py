"""A keyboard as a Linux desktop understands it: the real libxkbcommon with a real layout, keys in, text out."""

from __future__ import annotations

import ctypes
import ctypes.util

_SHARED_OBJECT = "libxkbcommon.so.0"
_COMPOSE_LOCALE = b"en_US.UTF-8"
_COMPOSING, _COMPOSED, _CANCELLED = 1, 2, 3
# The keycodes of X and xkb are those of Linux, moved by 8.
_CODE_OFFSET = 8


class _Names(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("rules", "model", "layout", "variant", "options")]


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_SHARED_OBJECT)
    pointers = "context_new keymap_new_from_names keymap_new_from_string state_new compose_table_new_from_locale"
    for name in [*pointers.split(), "compose_state_new"]:
        getattr(library, f"xkb_{name}").restype = ctypes.c_void_p
    return library


class XkbKeyboard:
    """Takes key presses by Linux code, collects the text they make, and knows what is still held.

    `layout` and `variant` are names of xkeyboard-config; `keymap` is a whole keymap as text instead. Raises OSError
    where libxkbcommon is missing and ValueError where layout or Compose table are.
    """

    def __init__(self, layout: str = "", variant: str = "", keymap: str = "") -> None:
        self._xkb = _library()
        context = ctypes.c_void_p(self._xkb.xkb_context_new(0))
        names = _Names(b"evdev", b"pc105", layout.encode(), variant.encode(), b"")
        if keymap:
            made = self._xkb.xkb_keymap_new_from_string(context, keymap.encode(), 1, 0)
        else:
            made = self._xkb.xkb_keymap_new_from_names(context, ctypes.byref(names), 0)
        table = self._xkb.xkb_compose_table_new_from_locale(context, _COMPOSE_LOCALE, 0)
        if not made or not table:
            raise ValueError(f"no layout {layout!r} (package xkb-data) or no Compose table (package libx11-data)")
        self._state = ctypes.c_void_p(self._xkb.xkb_state_new(ctypes.c_void_p(made)))
        self._compose = ctypes.c_void_p(self._xkb.xkb_compose_state_new(ctypes.c_void_p(table), 0))
        self.text = ""
        self.held: set[int] = set()

    def press(self, code: int) -> None:
        """A key goes down; what it writes is added to the text."""
        assert code not in self.held, f"key {code} is pressed twice"
        self.held.add(code)
        keycode = code + _CODE_OFFSET
        symbol = self._xkb.xkb_state_key_get_one_sym(self._state, keycode)
        if symbol:
            self._xkb.xkb_compose_state_feed(self._compose, symbol)
            status = self._xkb.xkb_compose_state_get_status(self._compose)
            if status == _COMPOSED:
                self.text += self._utf8(self._xkb.xkb_compose_state_get_utf8, self._compose)
                self._xkb.xkb_compose_state_reset(self._compose)
            elif status == _CANCELLED:
                self._xkb.xkb_compose_state_reset(self._compose)
            elif status != _COMPOSING:
                self.text += self._utf8(self._xkb.xkb_state_key_get_utf8, self._state, keycode)
        self._xkb.xkb_state_update_key(self._state, keycode, 1)

    def release(self, code: int) -> None:
        """A key goes up."""
        self.held.remove(code)
        self._xkb.xkb_state_update_key(self._state, code + _CODE_OFFSET, 0)

    @property
    def composing(self) -> bool:
        """Does a dead key wait for its letter?"""
        return bool(self._xkb.xkb_compose_state_get_status(self._compose) == _COMPOSING)

    def forget(self) -> None:
        """Drop the text and a waiting dead key; held keys stay held."""
        self.text = ""
        self._xkb.xkb_compose_state_reset(self._compose)

    @staticmethod
    def _utf8(function: ctypes._NamedFuncPointer, *arguments: object) -> str:
        buffer = ctypes.create_string_buffer(64)
        function(*arguments, buffer, len(buffer))
        return buffer.value.decode().replace("\r", "\n")
