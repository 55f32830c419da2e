"""Typing as an actuator: texts, snippets, chords and clicks through the keyboard that can be had here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from edged.actuators.performer import ActionSpec, Control, Wish
from edged.actuators.sensitive import Text
from edged.actuators.settings import ActuatorSettings
from edged.actuators.templates import has_fields
from edged.actuators.typing.choosing import KeyboardOptions, choose, open_keyboard
from edged.actuators.typing.keyboard import Button, Keyboard, Pace, Typing
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.layout import load_layout
from edged.actuators.typing.settings import SnippetSettings, TypingSettings
from edged.actuators.typing.turn import turn
from edged.errors import ActionFailed, Cancelled, EdgedError, RequestRefused, SettingProblem, SettingsError, TypingError

log = logging.getLogger(__name__)

# A keyboard that is not there is looked for this often, for health.
_LOOK_SECONDS = 10.0


class SnippetOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: of a snippet in the settings."""

    name: str


class KeyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """chord: `ctrl+c`, `enter`, …"""

    chord: str


class ClickOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """button: left, middle or right, where the pointer is."""

    button: Button = "left"


ACTIONS: Mapping[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec("type", "Types the text.", "countdown", needs_text=True, timeout_seconds=600),
        ActionSpec(
            "snippet", "Types a named text.", "countdown", options=SnippetOptions, takes_text=False, timeout_seconds=600
        ),
        ActionSpec("key", "Presses a key or a chord.", "countdown", options=KeyOptions, takes_text=False),
        ActionSpec("click", "Clicks where the pointer is.", "countdown", options=ClickOptions, takes_text=False),
    )
}


class TypingPerformer:
    """One keyboard, opened when it is needed and kept."""

    kind = "typing"
    actions = ACTIONS

    def __init__(self, settings: ActuatorSettings) -> None:
        """Raises SettingsError for a layout, pace or snippet file that is none."""
        own: TypingSettings = getattr(settings, self.kind)
        self._options = KeyboardOptions(
            own.backend, own.layout, own.hid_device, own.hid_mouse, own.x11_display, own.wayland_display
        )
        self._pace = Pace(own.keys_per_second, own.hold_seconds)
        self._layout = load_layout(own.layout)
        self._snippets = {name: _snippet(name, each) for name, each in own.snippets.items()}
        self._check_bindings(settings)
        self._guard = threading.Lock()
        self._keyboard: Keyboard | None = None
        self._problem = ""
        self._looked_steady = float("-inf")

    def check(self, wish: Wish) -> None:
        try:
            self._check(wish)
        except TypingError as error:
            raise RequestRefused(str(error)) from None

    def sensitive(self, wish: Wish) -> bool:
        return wish.action == "snippet" and self._named(wish).sensitive

    def perform(self, wish: Wish, control: Control) -> str:
        with turn(control):
            try:
                keyboard = self._open()
                with self._typing(keyboard, wish) as typing:
                    stopped = any(control.wait(pause_seconds) for pause_seconds in typing)
            except TypingError as error:
                self._drop()
                raise ActionFailed(str(error)) from None
        if stopped:
            raise Cancelled(_so_far(typing))
        return _done(wish, typing, keyboard.name)

    def release(self) -> None:
        keyboard = self._keyboard
        if keyboard is not None:
            try:
                keyboard.release_all()
            except EdgedError as error:
                log.error("keys may still be down: %s", error)

    def problems(self) -> list[str]:
        if self._keyboard is None and time.monotonic() - self._looked_steady >= _LOOK_SECONDS:
            self._looked_steady = time.monotonic()
            try:
                # Now, not with the first job: whoever waits for the first word should not wait for the keyboard, too.
                self._open()
            except EdgedError as error:
                self._problem = str(error)
        return [self._problem] if self._problem else []

    def close(self) -> None:
        self._drop()

    def _check_bindings(self, settings: ActuatorSettings) -> None:
        """Raises SettingsError for a snippet that there is not: nobody is there when it is called for."""
        problems = []
        for binding in settings.bindings:
            name = binding.options.get("name")
            if binding.action != "snippet" or not isinstance(name, str) or has_fields(name) or name in self._snippets:
                continue
            known = f"there are {', '.join(self._snippets)}" if self._snippets else "none are set"
            problems.append(
                SettingProblem(f"bindings.{binding.name}.options.name", name, "there is no such snippet", known)
            )
        if problems:
            raise SettingsError(problems, f"the settings of {settings.actuator}")

    def _check(self, wish: Wish) -> None:
        keyboard = self._keyboard
        places = keyboard is None and choose(self._options) in ("uinput", "hid_gadget")
        if wish.action in ("type", "snippet"):
            text = self._text(wish)
            if not text.value:
                raise RequestRefused("the text is empty: there is nothing to type")
            if keyboard is not None:
                keyboard.check(text)
            elif places:
                self._layout.plan(text)
        elif wish.action == "key":
            chord = parse_chord(wish.options["chord"])
            if keyboard is not None:
                keyboard.check_chord(chord)
            elif places:
                self._layout.chord(chord)
        elif keyboard is not None:
            keyboard.check_click(wish.options["button"])

    def _typing(self, keyboard: Keyboard, wish: Wish) -> Typing:
        if wish.action == "key":
            return keyboard.chord(parse_chord(wish.options["chord"]), self._pace)
        if wish.action == "click":
            return keyboard.click(wish.options["button"], self._pace)
        return keyboard.type_text(self._text(wish), self._pace)

    def _text(self, wish: Wish) -> Text:
        if wish.action == "snippet":
            return self._named(wish)
        assert wish.text is not None
        return wish.text

    def _named(self, wish: Wish) -> Text:
        name: Any = wish.options["name"]
        if name not in self._snippets:
            known = ", ".join(self._snippets) or "none are set"
            raise RequestRefused(f"there is no snippet {name[:64]!r} (there are: {known})")
        return self._snippets[name]

    def _open(self) -> Keyboard:
        with self._guard:
            if self._keyboard is None:
                self._keyboard = open_keyboard(self._options)
                self._problem = ""
            return self._keyboard

    def _drop(self) -> None:
        with self._guard:
            keyboard, self._keyboard = self._keyboard, None
            self._looked_steady = float("-inf")
        if keyboard is not None:
            keyboard.close()


def _snippet(name: str, given: str | SnippetSettings) -> Text:
    if isinstance(given, str):
        return Text(given)
    if given.file is None:
        return Text(given.text, sensitive=given.sensitive)
    try:
        content = given.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        problem = SettingProblem(f"typing.snippets.{name}.file", str(given.file), f"cannot be read: {reason}")
        raise SettingsError([problem], "typing") from None
    return Text(content.removesuffix("\n"), sensitive=given.sensitive)


def _so_far(typing: Typing) -> str:
    if not typing.total:
        return "stopped in the middle of a key"
    return f"{typing.typed} of {typing.total} characters were typed"


def _done(wish: Wish, typing: Typing, keyboard: str) -> str:
    if wish.action == "key":
        return f"pressed {parse_chord(wish.options['chord'])} ({keyboard})"
    if wish.action == "click":
        return f"clicked {wish.options['button']} ({keyboard})"
    return f"typed {typing.total} characters ({keyboard})"
