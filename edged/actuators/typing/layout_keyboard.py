"""What the back ends have in common that press keys by their place and leave it to the computer what they write."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Button, Pace, Typing, Unit
from edged.actuators.typing.keys import BUTTONS, Chord
from edged.actuators.typing.layout import Layout, Stroke
from edged.errors import KeyboardBlocked


class LayoutKeyboard(ABC):
    """A `Keyboard` and its own `Port[Stroke]`; `layout` must be the one that the computer has set."""

    name: str

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        # An emergency stop releases everything from another thread, perhaps in the middle of a stroke.
        self._lock = threading.RLock()

    def check(self, text: Text) -> None:
        self.layout.plan(text)

    def check_chord(self, chord: Chord) -> None:
        self.layout.chord(chord)

    @abstractmethod
    def check_click(self, button: Button) -> None: ...

    def type_text(self, text: Text, pace: Pace) -> Typing:
        return Typing(self.layout.plan(text), self, pace)

    def chord(self, chord: Chord, pace: Pace) -> Typing:
        return Typing([self.layout.chord(chord)], self, pace)

    def click(self, button: Button, pace: Pace) -> Typing:
        self.check_click(button)
        return Typing([Unit(0, (Stroke((), BUTTONS[button].place),))], self, pace)

    @abstractmethod
    def caps_lock(self) -> bool | None:
        """Is Caps Lock on at the computer? None where it cannot be told."""

    def prepare(self) -> None:
        self.release_all()
        if self.caps_lock():
            raise KeyboardBlocked(
                self.name, "Caps Lock is on at the computer, letters would come out wrong", "press it there"
            )

    @abstractmethod
    def down(self, stroke: Stroke, hold_seconds: float) -> None: ...

    @abstractmethod
    def up(self, stroke: Stroke) -> None: ...

    @abstractmethod
    def release_all(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...
