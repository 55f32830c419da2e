"""Typing into an X11 session through the XTEST extension: the file that imports python-xlib, with `x11_state.py`.

Characters that the session's layout has are typed with their own keys, so that programs that look at keys rather than
characters (remote desktops, games) understand them too. Any other character is put on a spare key for as long as
it is needed.

The X server does not release the keys of a program that dies; `x11_guard.py` does.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged.actuators.sensitive import Text
from edged.actuators.typing import keysyms
from edged.actuators.typing.guards import Guard
from edged.actuators.typing.keyboard import Button, Pace, Typing, Unit
from edged.actuators.typing.keys import Chord
from edged.actuators.typing.keysyms import MODIFIER_KEYSYMS, SymbolStroke
from edged.errors import KeyboardBlocked, KeyboardError, KeyboardUnavailable, KeyboardUnsupported

_SHIFT = MODIFIER_KEYSYMS["shift"]
_LEVEL3 = MODIFIER_KEYSYMS["altgr"]
_LEVEL_MODIFIERS = ((), (_SHIFT,), (_LEVEL3,), (_SHIFT, _LEVEL3))
_BUTTONS = {"left": 1, "middle": 2, "right": 3}
# A program fetches the keys anew when it hears that they changed, and may be busy; until then a spare key must keep
# what it has.
_SETTLE_SECONDS = 0.2
# By its path: importing it would import python-xlib.
_GUARD = str(Path(__file__).with_name("x11_guard.py"))
_HELD_PATIENCE_SECONDS = 2.0


def obstacle(display_name: str | None = None) -> tuple[str, str] | None:
    """Why X11 is no choice here, and what to do; None when it is one.

    The X server of a Wayland session is none: it would take the keys, and give them to X11 programs only.
    """
    name = display_name or os.environ.get("DISPLAY", "")
    if not name:
        return "there is no X11 session (DISPLAY is not set)", "run the actuator in the session, or set DISPLAY"
    try:
        display = _connect(name)
    except KeyboardError as error:
        return error.reason, error.cure
    # Only recent servers say what they are; a session says it of the one it started.
    only_a_part = display.has_extension("XWAYLAND") or (not display_name and os.environ.get("WAYLAND_DISPLAY"))
    display.close()
    if only_a_part:
        return (
            f"the X11 display {name} is that of a Wayland session, its other programs would get no keys",
            "use uinput",
        )
    return None


def _connect(name: str) -> Any:
    try:
        from Xlib import display, error
    except ImportError as missing:
        raise KeyboardUnavailable(
            "x11", "python-xlib is not installed", "scripts/add typing, in edged's folder"
        ) from missing
    try:
        connected = display.Display(name)
    except (error.DisplayError, error.XauthError, error.ConnectionClosedError, OSError) as failed:
        raise KeyboardUnavailable(
            "x11", f"the X11 display {name} cannot be opened: {failed}", "DISPLAY and XAUTHORITY must be the session's"
        ) from failed
    if not connected.has_extension("XTEST"):
        connected.close()
        raise KeyboardUnavailable("x11", f"the X11 display {name} has no XTEST extension")
    return connected


class X11Keyboard:
    """A `Keyboard` and its own `Port[SymbolStroke]`. Raises KeyboardUnavailable when the session is not there."""

    name = "x11"

    def __init__(self, display_name: str | None = None) -> None:
        name = display_name or os.environ.get("DISPLAY", "")
        if not name:
            found = obstacle("")
            assert found is not None
            raise KeyboardUnavailable(self.name, *found)
        self._display: Any = _connect(name)
        try:
            self._guard = Guard(self.name, "-I", _GUARD, name)
        except KeyboardError:
            self._display.close()
            raise
        self._display_name = name
        # An emergency stop releases everything from another thread, perhaps in the middle of a stroke.
        self._lock = threading.RLock()
        self._held: list[tuple[str, int]] = []
        from edged.actuators.typing.x11_state import StateReader

        self._state = StateReader(self._display)
        self._closed = False
        # Keysym to keycode of what was put on spare keys, least recently typed first.
        self._lent: OrderedDict[int, int] = OrderedDict()
        self._last_release = 0.0
        self._read_keys()

    def check(self, text: Text) -> None:
        keysyms.plan(text, "X11")

    def check_chord(self, chord: Chord) -> None:
        keysyms.chord_unit(chord)

    def check_click(self, button: Button) -> None:
        assert button in _BUTTONS

    def type_text(self, text: Text, pace: Pace) -> Typing:
        units = keysyms.plan(text, "X11")
        return Typing(units, _KeyPort(self, [stroke.keysym for unit in units for stroke in unit.strokes]), pace)

    def chord(self, chord: Chord, pace: Pace) -> Typing:
        unit = keysyms.chord_unit(chord)
        return Typing([unit], _KeyPort(self, [unit.strokes[0].keysym]), pace)

    def click(self, button: Button, pace: Pace) -> Typing:
        self.check_click(button)
        return Typing([Unit(0, (_BUTTONS[button],))], _ButtonPort(self), pace)

    def release_all(self) -> None:
        from Xlib import X

        releases = {"key": X.KeyRelease, "button": X.ButtonRelease}
        with self._lock:
            for kind, number in reversed(self._held):
                self._asked(self._display.xtest_fake_input, releases[kind], number)
            # Only what the server has done is done.
            self._asked(self._display.sync)
            if self._held:
                self._held.clear()
                self._last_release = time.monotonic()
                self._guard.tell("")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                self.release_all()
            except KeyboardError:
                pass  # the session is gone, and its keys with it
            self._closed = True
            self._guard.dismiss(released=True)
            try:
                if self._lent:
                    # Who was typed to may not have looked at the last keys yet.
                    time.sleep(max(0.0, self._last_release + _SETTLE_SECONDS - time.monotonic()))
                    for keycode in self._lent.values():
                        self._display.change_keyboard_mapping(keycode, [(0,)])
                self._display.sync()
                self._display.close()
            except Exception:  # noqa: BLE001, S110 - python-xlib raises what it likes when the server is gone, and we are leaving
                pass

    def _asked(self, request: Any, *arguments: Any) -> Any:
        """What the server answers. A server that is gone is a KeyboardUnavailable."""
        from Xlib import error

        if self._closed:
            raise KeyboardUnavailable(self.name, "the keyboard is closed")
        try:
            return request(*arguments)
        except (error.ConnectionClosedError, OSError) as failed:
            raise KeyboardUnavailable(self.name, "the X11 session has ended") from failed

    def _be_ready(self) -> None:
        self.release_all()
        if not self._guard.alive:
            self._guard = Guard(self.name, "-I", _GUARD, self._display_name)
        self._wait_until_free()

    def _wait_until_free(self) -> None:
        """Until nobody holds a modifier. Raises KeyboardBlocked."""
        deadline = time.monotonic() + _HELD_PATIENCE_SECONDS
        while True:
            state = self._asked(self._state.read)
            if state.caps_lock:
                raise KeyboardBlocked(
                    self.name, "Caps Lock is on in the session, letters would come out wrong", "press it there"
                )
            if not state.held:
                break
            if time.monotonic() > deadline:
                raise KeyboardBlocked(self.name, f"somebody holds {' and '.join(state.held)} in the session")
            time.sleep(0.02)
        while self._asked(self._display.pending_events):
            self._asked(self._display.next_event)  # of changed keys, unread they would pile up
        if state.group != self._group:
            self._read_keys()

    def _still(self, keycode: int, column: int, keysym: int) -> bool:
        """Has the key what it had when the keys were read? Somebody may have set another layout."""
        row = self._asked(self._display.get_keyboard_mapping, keycode, 1)[0]
        return column < len(row) and row[column] == keysym

    def _read_keys(self) -> None:
        """Which key and level has each keysym in the layout in force, and which keys have nothing."""
        info = self._display.display.info
        first, count = info.min_keycode, info.max_keycode - info.min_keycode + 1
        rows = self._asked(self._display.get_keyboard_mapping, first, count)
        self._group = self._asked(self._state.read).group
        if self._asked(self._state.groups) == 1:
            columns: tuple[int, ...] = (0, 1, 4, 5)
        else:
            # Of several layouts the core protocol tells two levels of the first two; what else there is in a row may
            # be of either. Further characters are put on spare keys, which are the same in all.
            columns = {0: (0, 1), 1: (2, 3)}.get(self._group, ())
        self._keys: dict[int, _Place] = {}
        self._modifier_keys: dict[int, int] = {}
        for level, column in enumerate(columns):
            for keycode, row in enumerate(rows, first):
                if column < len(row) and row[column]:
                    self._keys.setdefault(row[column], _Place(keycode, column, _LEVEL_MODIFIERS[level]))
        for keycode, row in enumerate(rows, first):
            for keysym in row:
                self._modifier_keys.setdefault(keysym, keycode)
        lent = set(self._lent.values())
        self._spare = [
            keycode
            for keycode, row in enumerate(rows, first)
            if keycode > first and not any(row) and keycode not in lent
        ]

    def _keycodes(self, stroke: SymbolStroke, upcoming: Callable[[], list[int]]) -> list[int]:
        """The keys of a stroke in the order they go down."""
        place = self._place(stroke.keysym)
        if place is None:
            return [*self._modifiers(stroke.modifiers), self._lend(stroke.keysym, upcoming)]
        level = tuple(each for each in place.modifiers if each not in stroke.modifiers)
        return [*self._modifiers((*stroke.modifiers, *level)), place.keycode]

    def _place(self, keysym: int) -> _Place | None:
        """Where the layout in force has a keysym; None where it has not, or not within reach."""
        for _ in range(2):
            found = self._keys.get(keysym)
            if found is None:
                return None
            if self._still(found.keycode, found.column, keysym):
                return found if all(each in self._modifier_keys for each in found.modifiers) else None
            self._read_keys()
        return None

    def _modifiers(self, wanted: tuple[int, ...]) -> list[int]:
        missing = [
            name for name, keysym in MODIFIER_KEYSYMS.items() if keysym in wanted and keysym not in self._modifier_keys
        ]
        if missing:
            raise KeyboardUnsupported(self.name, f"the session's layout has no {' and no '.join(missing)} key")
        return [self._modifier_keys[keysym] for keysym in wanted]

    def _lend(self, keysym: int, upcoming: Callable[[], list[int]]) -> int:
        """The spare key that has this keysym; with it, as many of the upcoming ones get theirs as there is room for."""
        if keysym in self._lent:
            if self._still(self._lent[keysym], 0, keysym):
                self._lent.move_to_end(keysym)
                return self._lent[keysym]
            self._lent.clear()
            self._read_keys()
        room = len(self._lent) + len(self._spare)
        if not room:
            raise KeyboardUnsupported(
                self.name, "the session's layout has no spare key for characters it lacks", "set another layout there"
            )
        wanted = list(dict.fromkeys([keysym, *(each for each in upcoming() if each not in self._keys)]))[:room]
        # A key that has another character now was pressed for it; whoever reads it must have had the time to.
        if len([each for each in wanted if each not in self._lent]) > len(self._spare):
            time.sleep(max(0.0, self._last_release + _SETTLE_SECONDS - time.monotonic()))
        for each in wanted:
            if each in self._lent:
                self._lent.move_to_end(each)
                continue
            keycode = self._spare.pop() if self._spare else self._lent.popitem(last=False)[1]
            # Twice: of a key with one letter the server makes a pair of small and capital.
            self._asked(self._display.change_keyboard_mapping, keycode, [(each, each)])
            self._lent[each] = keycode
        self._asked(self._display.sync)
        time.sleep(_SETTLE_SECONDS)
        return self._lent[keysym]

    def _press(self, kind: str, numbers: list[int]) -> None:
        """Keys or buttons down, in order."""
        from Xlib import X

        presses = {"key": X.KeyPress, "button": X.ButtonPress}
        self._held += [(kind, number) for number in numbers]
        # The guard knows before the server does.
        self._guard.tell(" ".join(f"{kind} {number}" for kind, number in reversed(self._held)))
        for number in numbers:
            self._asked(self._display.xtest_fake_input, presses[kind], number)
        self._asked(self._display.sync)


@dataclass(frozen=True)
class _Place:
    """A key that has a keysym: in which column of its row, and with which modifiers."""

    keycode: int
    column: int
    modifiers: tuple[int, ...]


class _KeyPort:
    """Strokes of one text or chord; it knows what is still to come, to lend spare keys for all of it at once."""

    def __init__(self, keyboard: X11Keyboard, keysyms_to_type: list[int]) -> None:
        self._keyboard = keyboard
        self._keysyms = keysyms_to_type
        self._position = 0

    def prepare(self) -> None:
        with self._keyboard._lock:
            self._keyboard._be_ready()
            # Once before the first key, so that what cannot be typed at all is known then.
            for keysym in dict.fromkeys(self._keysyms):
                if keysym not in self._keyboard._keys:
                    self._keyboard._keycodes(SymbolStroke((), keysym), self._upcoming)
                    break

    def down(self, stroke: SymbolStroke, hold_seconds: float) -> None:
        with self._keyboard._lock:
            self._keyboard._wait_until_free()
            keycodes = self._keyboard._keycodes(stroke, self._upcoming)
            self._position += 1
            self._keyboard._press("key", keycodes)

    def up(self, stroke: SymbolStroke) -> None:
        self._keyboard.release_all()

    def release_all(self) -> None:
        self._keyboard.release_all()

    def _upcoming(self) -> list[int]:
        return self._keysyms[self._position :]


class _ButtonPort:
    """Clicks."""

    def __init__(self, keyboard: X11Keyboard) -> None:
        self._keyboard = keyboard

    def prepare(self) -> None:
        with self._keyboard._lock:
            self._keyboard._be_ready()

    def down(self, stroke: int, hold_seconds: float) -> None:
        with self._keyboard._lock:
            self._keyboard._press("button", [stroke])

    def up(self, stroke: int) -> None:
        self._keyboard.release_all()

    def release_all(self) -> None:
        self._keyboard.release_all()
