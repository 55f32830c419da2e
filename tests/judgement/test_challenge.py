"""Asked for a sign of life: what counts as one, and what does not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.events import Alive, Challenge
from edged.judgement.challenge import draw
from edged.settings import JudgementSettings
from tests.judgement.seats import Seated, person


def seed_for(*steps: str) -> bytes:
    return next(seed for number in range(10_000) if draw(seed := number.to_bytes(16, "big"), len(steps)) == steps)


def asked(*steps: str, fps: float = 20.0, **changed: Any) -> Seated:
    settings = JudgementSettings.model_validate({"liveness": {"challenge_steps": len(steps), **changed}})
    return Seated(settings, fps).show(1.0, person()).ask(seed_for(*steps), person())


def blink(seated: Seated) -> Seated:
    return seated.show(0.15, person(left=0.05, right=0.05)).show(1.0, person())


def turn(seated: Seated, degrees: float) -> Seated:
    return seated.show(0.5, person(head_yaw=degrees / 2)).show(0.5, person(head_yaw=degrees)).show(0.5, person())


def statuses(seated: Seated) -> list[tuple[str, str | None]]:
    return [(one.status, one.step) for one in seated.of(Challenge)]


def test_who_does_all_in_order_is_live() -> None:
    seated = asked("turn_left", "blink", "turn_right")
    turn(blink(turn(seated, 30.0)), -30.0)
    assert statuses(seated) == [
        ("asked", "turn_left"), ("step_done", "blink"), ("step_done", "turn_right"), ("passed", None),
    ]  # fmt: skip
    (alive,) = seated.of(Alive)
    assert (alive.verdict, alive.witnesses) == ("live", ["challenge", "blinks"])


def test_only_the_next_step_is_told() -> None:
    seated = asked("turn_left", "blink")
    assert [one.step for one in seated.of(Challenge)] == ["turn_left"]
    assert seated.states.get("liveness", {}).get("challenge") in (None, "turn_left")


@pytest.mark.parametrize(("first", "degrees"), [("turn_left", -30.0), ("turn_right", 30.0)])
def test_the_wrong_side_fails_at_once(first: str, degrees: float) -> None:
    seated = turn(asked(first, "blink"), degrees)
    assert statuses(seated)[-1] == ("failed", first)
    assert "the other way" in seated.of(Challenge)[-1].reason
    assert not seated.of(Alive)


def test_a_small_turn_is_none() -> None:
    assert statuses(turn(asked("turn_left", "blink"), 12.0)) == [("asked", "turn_left")]


def test_it_must_be_done_in_time() -> None:
    seated = asked("blink", "turn_left").show(20.5, person())
    assert statuses(seated)[-1] == ("failed", "blink")
    assert seated.of(Challenge)[-1].reason == "not done within 20 s"
    assert statuses(blink(seated))[-1] == ("failed", "blink")


def test_a_blink_from_before_the_asking_does_not_count() -> None:
    settings = JudgementSettings.model_validate({"liveness": {"challenge_steps": 2}})
    seated = Seated(settings, 20.0).show(1.0, person())
    seated.show(0.2, person(left=0.05, right=0.05)).ask(seed_for("blink", "turn_left"), person()).show(2.0, person())
    assert statuses(seated) == [("asked", "blink")]


def test_another_face_cannot_answer_for_it() -> None:
    seated = asked("blink", "turn_left")
    seated.show(0.15, person(track=2, left=0.05, right=0.05)).show(1.5, person(track=2))
    assert statuses(seated)[-1] == ("failed", "blink")
    assert seated.of(Challenge)[-1].reason == "the face was lost"


def test_a_still_picture_passes_nothing() -> None:
    for number in range(20):
        seed = number.to_bytes(16, "big")
        seated = Seated(fps=10.0).show(1.0, person()).ask(seed, person()).show(25.0, person())
        assert statuses(seated)[-1][0] == "failed"


def test_nobody_is_asked_where_nobody_is() -> None:
    assert Seated().show(1.0).ask(b"0" * 16).told == []


def test_a_film_of_another_challenge_does_not_pass() -> None:
    # The answers to "left, blink, right", played to whoever asks for anything else.
    passed = 0
    for number in range(60):
        seed = number.to_bytes(16, "big")
        if draw(seed, 3) == ("turn_left", "blink", "turn_right"):
            continue
        seated = Seated(fps=20.0).show(1.0, person()).ask(seed, person())
        turn(blink(turn(seated, 30.0)), -30.0).show(20.0, person())
        passed += statuses(seated)[-1][0] == "passed"
    assert passed == 0


@given(st.binary(min_size=16, max_size=64), st.integers(1, 10))
def test_steps_follow_from_the_seed_and_never_come_twice_in_a_row(seed: bytes, count: int) -> None:
    steps = draw(seed, count)
    assert len(steps) == count
    assert steps == draw(seed, count)
    assert all(one != two for one, two in itertools.pairwise(steps))
    assert count == 1 or "blink" in steps


def test_all_orders_come() -> None:
    drawn = [draw(number.to_bytes(16, "big"), 3) for number in range(2000)]
    counts = {each: drawn.count(each) for each in set(drawn)}
    assert len(counts) >= 8
    assert max(counts.values()) < 500
