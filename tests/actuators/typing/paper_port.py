"""A port that writes down what it is told, and can be told to fail."""

from __future__ import annotations

from edged.actuators.typing.layout import Stroke
from edged.errors import KeyboardBlocked


class PaperPort:
    """`log` is what happened, in words: `prepare`, `down KeyA`, `up KeyA`, `release`; `held` is what is down."""

    def __init__(self, fails_at: str = "", then_cannot_release: bool = False) -> None:
        self.log: list[str] = []
        self.held: list[str] = []
        self._fails_at = fails_at
        self._then_cannot_release = then_cannot_release
        self._failed = False

    def prepare(self) -> None:
        self._say("prepare")

    def down(self, stroke: Stroke, hold_seconds: float) -> None:
        for place in stroke.places:
            self.held.append(place)
            self._say(f"down {place}")

    def up(self, stroke: Stroke) -> None:
        for place in reversed(stroke.places):
            self._say(f"up {place}")
            self.held.remove(place)

    def release_all(self) -> None:
        if self._failed and self._then_cannot_release:
            raise KeyboardBlocked("paper", "cannot release")
        self.held.clear()
        self.log.append("release")

    def _say(self, words: str) -> None:
        self.log.append(words)
        if words == self._fails_at:
            self._failed = True
            raise KeyboardBlocked("paper", f"fails at {words}")
