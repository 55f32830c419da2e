from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Pace, Typing, finish
from edged.actuators.typing.layout import load_layout
from edged.errors import KeyboardBlocked, SettingsError
from tests.actuators.typing.paper_port import PaperPort

PACE = Pace(keys_per_second=20, hold_seconds=0.02)


def typing_of(text: str, port: PaperPort, layout: str = "de") -> Typing:
    return Typing(load_layout(layout).plan(Text(text)), port, PACE)


def test_keys_go_down_and_up_in_order_with_the_pauses_of_the_pace() -> None:
    port = PaperPort()
    typing = typing_of("Ab", port)
    pauses = list(typing)
    assert port.log == [
        *["prepare", "down ShiftLeft", "down KeyA", "up KeyA", "up ShiftLeft"],
        *["down KeyB", "up KeyB", "release"],
    ]
    assert pauses == pytest.approx([0.02, 0.03, 0.02, 0.03])
    assert (typing.typed, typing.total) == (2, 2)


def test_nothing_is_pressed_before_the_first_step_nor_by_a_typing_that_is_never_asked() -> None:
    port = PaperPort()
    typing_of("Ab", port).close()
    assert port.log == []


def test_progress_counts_code_points_that_are_typed_completely() -> None:
    port = PaperPort()
    typing = typing_of("e\u0302x\r\n", port)
    seen = [typing.typed for _ in typing]
    # ê is dead key and letter: hold, rest, hold, and only then two code points at once.
    assert seen == [0, 0, 0, 2, 2, 3, 3, 5]
    assert typing.total == 5


def test_stopped_between_two_characters_it_types_no_more() -> None:
    port = PaperPort()
    typing = typing_of("abc", port)
    with typing:
        for _ in itertools.islice(typing, 2):
            pass
    assert port.log == ["prepare", "down KeyA", "up KeyA", "release"]
    assert typing.typed == 1


def test_stopped_while_a_key_and_its_modifiers_are_down_it_releases_them() -> None:
    port = PaperPort()
    typing = typing_of("AB", port)
    with typing:
        next(typing)
        assert port.held == ["ShiftLeft", "KeyA"]
    assert port.held == []
    assert port.log[-3:] == ["up KeyA", "up ShiftLeft", "release"]
    assert typing.typed == 1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_stopped_between_a_dead_key_and_its_letter_it_types_the_letter(steps: int) -> None:
    port = PaperPort()
    typing = typing_of("êx", port)
    with typing:
        for _ in range(steps):
            next(typing)
    assert port.log == ["prepare", "down Backquote", "up Backquote", "down KeyE", "up KeyE", "release"]
    assert typing.typed == 1


@given(text=st.text(st.sampled_from("aÄê~^@ 1\n"), max_size=8), steps=st.integers(0, 40))
def test_wherever_it_is_stopped_all_keys_are_up_and_no_accent_waits(text: str, steps: int) -> None:
    port = PaperPort()
    typing = typing_of(text, port)
    with typing:
        for _ in itertools.islice(typing, steps):
            pass
    assert port.held == []
    downs = sum(line.startswith("down") for line in port.log)
    typed = load_layout("de").plan(Text(text[: typing.typed]))
    assert downs == sum(len(stroke.places) for unit in typed for stroke in unit.strokes)
    typing.close()
    assert list(typing) == []


@pytest.mark.parametrize("where", ["prepare", "down ShiftLeft", "down KeyB", "up KeyB", "up ShiftLeft"])
def test_when_a_step_fails_the_error_is_its_own_and_everything_is_released(where: str) -> None:
    port = PaperPort(fails_at=where)
    with typing_of("aB", port) as typing, pytest.raises(KeyboardBlocked, match=f"fails at {where}"):
        list(typing)
    assert port.held == []


def test_when_release_fails_too_the_first_error_is_told() -> None:
    port = PaperPort(fails_at="down KeyB", then_cannot_release=True)
    with pytest.raises(KeyboardBlocked, match="fails at down KeyB"):
        list(typing_of("aB", port))


def test_no_variable_of_the_traceback_of_a_failed_stroke_shows_what_was_typed() -> None:
    port = PaperPort(fails_at="down KeyB")
    with pytest.raises(KeyboardBlocked) as caught:
        list(typing_of("aB", port))
    trace = caught.tb.tb_next
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    # The innermost frames, where the stroke is known, are empty; those above hold it in objects that do not show it.
    assert len(frames) >= 4
    assert all(not frame.f_locals for frame in frames[2:])
    assert "KeyB" not in "".join(repr(frame.f_locals) for frame in frames)


def test_an_exception_of_the_caller_releases_everything() -> None:
    port = PaperPort()
    with pytest.raises(ZeroDivisionError), typing_of("AB", port) as typing:
        assert 1 / (next(typing) * 0)
    assert port.held == []


def test_a_typing_that_is_dropped_releases_everything() -> None:
    port = PaperPort()
    typing = typing_of("AB", port)
    next(typing)
    del typing
    assert port.held == []


def test_finish_types_all_of_it_or_stops_when_it_is_told_to() -> None:
    stop = threading.Event()
    port = PaperPort()
    assert finish(typing_of("a", port), lambda seconds: stop.wait(0))
    stop.set()
    typing = typing_of("abc", port)
    assert not finish(typing, stop.wait)
    assert typing.typed == 1


@pytest.mark.parametrize(
    ("field", "value", "cure"),
    [
        ("keys_per_second", 0.0, "between 0.1 and 1000"),
        ("keys_per_second", float("nan"), "between 0.1 and 1000"),
        ("keys_per_second", 5000.0, "between 0.1 and 1000"),
        ("hold_seconds", -0.1, "between 0 and 0.2"),
        ("hold_seconds", 0.5, "repeat a key that is held longer"),
    ],
)
def test_a_pace_that_cannot_be_is_refused(field: str, value: float, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as caught:
        Pace(**{field: value})
    assert caught.value.problems[0].path == field


def test_a_hold_longer_than_the_pace_slows_it_down() -> None:
    assert Pace(keys_per_second=100, hold_seconds=0.1).rest_seconds == 0
