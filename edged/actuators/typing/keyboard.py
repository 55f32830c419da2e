"""What every typing back end is: the contract, the pace, and a typing that can be stopped between any two keys.

A back end hands out a `Typing`. The caller asks it for the next step, waits as long as it says, asks again::

    with keyboard.type_text(Text("Grüße"), pace) as typing:
        for pause_seconds in typing:
            if stop.wait(pause_seconds):   # a threading.Event, a selector with a time limit, …
                break

Leaving the `with` releases every key, however it is left. `finish(typing, stop.wait)` is the same in one line.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Literal, Protocol, TypeVar

from edged.actuators.sensitive import Text
from edged.actuators.typing.keys import Chord
from edged.errors import SettingProblem, SettingsError, TypingError

Button = Literal["left", "middle", "right"]
# A key that is held longer is repeated by the computer: Windows may begin after 250 ms.
LONGEST_HOLD_SECONDS = 0.2


@dataclass(frozen=True)
class Pace:
    """How fast: strokes in a second (1/s) and how long each key stays down (s). Raises SettingsError."""

    keys_per_second: float = 25.0
    hold_seconds: float = 0.01

    def __post_init__(self) -> None:
        problems = []
        if not (math.isfinite(self.keys_per_second) and 0.1 <= self.keys_per_second <= 1000):
            problems.append(
                SettingProblem("keys_per_second", self.keys_per_second, "must be between 0.1 and 1000", "25 is quick")
            )
        if not (math.isfinite(self.hold_seconds) and 0 <= self.hold_seconds <= LONGEST_HOLD_SECONDS):
            problems.append(
                SettingProblem(
                    "hold_seconds",
                    self.hold_seconds,
                    f"must be between 0 and {LONGEST_HOLD_SECONDS}",
                    "computers repeat a key that is held longer",
                )
            )
        if problems:
            raise SettingsError(problems, "typing")

    @property
    def rest_seconds(self) -> float:
        """The pause after a key is up."""
        return max(0.0, 1.0 / self.keys_per_second - self.hold_seconds)


StrokeT_contra = TypeVar("StrokeT_contra", contravariant=True)
AnyStroke = TypeVar("AnyStroke")


class Port(Protocol[StrokeT_contra]):
    """Where strokes go. Every method raises KeyboardError when the other end does not take them."""

    def prepare(self) -> None:
        """Asked once before the first stroke: is the other end as it must be?"""
        ...

    def down(self, stroke: StrokeT_contra, hold_seconds: float) -> None:
        """Press modifiers and key. A port that can have them released by the other end after `hold_seconds` does."""
        ...

    def up(self, stroke: StrokeT_contra) -> None:
        """Release key and modifiers, in the opposite order."""
        ...

    def release_all(self) -> None:
        """Release whatever is down, in bounded time."""
        ...


@dataclass(frozen=True)
class Unit(Generic[AnyStroke]):
    """Strokes that only make sense together, such as a dead key and its letter.

    `length` is how many code points of the text they are; 0 for a chord.
    """

    length: int
    strokes: tuple[AnyStroke, ...]

    def __repr__(self) -> str:
        # Strokes tell the text; a unit may be printed by whatever prints the variables of a traceback.
        return f"<{len(self.strokes)} strokes for {self.length} characters>"


class Typing:
    """One text, chord or click on its way. Iterating it presses keys and gives the pause (s) before the next step.

    `typed` counts the code points that have been typed completely, `total` those there are. Closed between two
    characters it just ends; closed between a dead key and its letter it types the letter first, at once, for else the
    next key of whoever sits there would get the accent. All keys are up afterwards, also when a step raises.
    """

    def __init__(self, units: Sequence[Unit[AnyStroke]], port: Port[AnyStroke], pace: Pace) -> None:
        self.total = sum(unit.length for unit in units)
        self._progress = _Progress()
        # The generator knows nothing of this object: one that is dropped half done is closed at once, not by chance.
        self._steps = _run(units, port, pace, self._progress)

    @property
    def typed(self) -> int:
        """How many code points have been typed completely."""
        return self._progress.typed

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        return next(self._steps)

    def __enter__(self) -> Typing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop. Keys that are down are released; asked again it does nothing."""
        self._steps.close()


@dataclass
class _Progress:
    typed: int = 0


def _run(
    units: Sequence[Unit[AnyStroke]], port: Port[AnyStroke], pace: Pace, progress: _Progress
) -> Generator[float, None, None]:
    port.prepare()
    try:
        for unit in units:
            yield from _type_unit(unit, port, pace, progress)
    except GeneratorExit:
        port.release_all()
        raise
    except BaseException as error:
        _release_quietly(port)
        _forget_variables(error)
        raise
    port.release_all()


def _type_unit(
    unit: Unit[AnyStroke], port: Port[AnyStroke], pace: Pace, progress: _Progress
) -> Generator[float, None, None]:
    left = list(unit.strokes)
    down = False
    try:
        while left:
            port.down(left[0], pace.hold_seconds)
            down = True
            yield pace.hold_seconds
            port.up(left[0])
            down = False
            del left[0]
            if not left:
                progress.typed += unit.length
            yield pace.rest_seconds
    except GeneratorExit:
        begun = bool(left)
        if down:
            port.up(left.pop(0))
        for stroke in left:
            port.down(stroke, 0.0)
            port.up(stroke)
        if begun:
            progress.typed += unit.length
        raise


def _forget_variables(error: BaseException | None) -> None:
    """What was to be typed is in the variables of every frame on the way down; whoever prints those must find none."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _release_quietly(port: Port[AnyStroke]) -> None:
    try:
        port.release_all()
    except TypingError:
        pass  # what went wrong first is on its way to the caller


def finish(typing: Typing, wait: Callable[[float], bool]) -> bool:
    """Type all of it; `wait(seconds)` returns true to stop, as `threading.Event.wait` does. False when stopped."""
    with typing:
        return not any(wait(pause_seconds) for pause_seconds in typing)


class Keyboard(Protocol):
    """A back end. One `Typing` at a time; `release_all` and `close` may be called from another thread beside it."""

    @property
    def name(self) -> str:
        """`uinput`, `hid_gadget`, `x11`, `wayland`."""
        ...

    def check(self, text: Text) -> None:
        """Raises Untypeable, naming every character that cannot be typed. Presses nothing."""
        ...

    def check_chord(self, chord: Chord) -> None:
        """Raises ChordError when the chord names a character that is no key here. Presses nothing."""
        ...

    def check_click(self, button: Button) -> None:
        """Raises KeyboardUnsupported where there is no mouse. Presses nothing."""
        ...

    def type_text(self, text: Text, pace: Pace) -> Typing:
        """Checks, then types as the caller steps."""
        ...

    def chord(self, chord: Chord, pace: Pace) -> Typing:
        """Checks, then presses modifiers and key together, once."""
        ...

    def click(self, button: Button, pace: Pace) -> Typing:
        """Checks, then clicks where the pointer is."""
        ...

    def release_all(self) -> None:
        """Release whatever this keyboard holds down, in bounded time."""
        ...

    def close(self) -> None:
        """Release everything and let go of the device. Asked again it does nothing; it raises nothing."""
        ...
