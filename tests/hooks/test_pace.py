"""What a hook is called with, and when, in simulated time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.hooks.pace import MOST_WAITING, Allowance, EventItem, Pace, Wishes, wishes
from edged.messages import HookReady
from edged.observations import Observation
from edged.settings.hooks import HookSettings


def event(kind: str, number: int = 0) -> dict[str, Any]:
    return {"kind": kind, "frame": number, "at_ms": 0.0}


def observation(sequence: int) -> Observation:
    return Observation(sequence, sequence, 0.0, 0, 0, 64, 64)


def pace(
    event_cooldown: float = 0.0, observation_cooldown: float = 0.0, *, events: frozenset[str] | None = None
) -> Pace:
    return Pace(Wishes(events, True, event_cooldown, observation_cooldown, 5.0))


def taken(one: Pace, now: float) -> tuple[str, int] | None:
    item = one.take(now)
    if isinstance(item, EventItem):
        return item.kind, item.payload["frame"]
    return None if item is None else ("observation", item.frame)


def test_events_come_in_order_and_before_observations() -> None:
    one = pace()
    one.offer_observation(observation(9), 0.0)
    for number, kind in enumerate(("presence", "gaze", "presence")):
        one.offer_event(event(kind, number), 0.0)
    assert [taken(one, 0.0) for _ in range(5)] == [
        ("presence", 0), ("gaze", 1), ("presence", 2), ("observation", 9), None,
    ]  # fmt: skip


def test_only_the_newest_observation_waits() -> None:
    one = pace()
    for number in range(5):
        one.offer_observation(observation(number), number / 10)
    assert taken(one, 0.5) == ("observation", 4)
    assert taken(one, 0.5) is None
    assert one.skipped == 0


def test_events_within_the_cooldown_are_skipped_and_counted() -> None:
    one = pace(event_cooldown=10.0)
    one.offer_event(event("blink", 1), 0.0)
    assert taken(one, 0.0) == ("blink", 1)
    one.offer_event(event("blink", 2), 9.99)
    assert taken(one, 30.0) is None
    assert one.skipped == 1
    one.offer_event(event("blink", 3), 30.0)
    assert taken(one, 30.0) == ("blink", 3)


def test_the_cooldown_of_one_kind_skips_no_other() -> None:
    one = pace(event_cooldown=10.0, observation_cooldown=10.0)
    one.offer_event(event("blink"), 0.0)
    one.offer_event(event("presence"), 0.0)
    one.offer_observation(observation(1), 0.0)
    assert [taken(one, 0.1) for _ in range(4)] == [("blink", 0), ("presence", 0), ("observation", 1), None]
    one.offer_observation(observation(2), 5.0)
    assert taken(one, 5.0) is None


def test_two_of_a_kind_that_waited_are_one_call() -> None:
    one = pace(event_cooldown=1.0)
    one.offer_event(event("blink", 1), 0.0)
    one.offer_event(event("blink", 2), 0.5)
    assert [taken(one, 3.0), taken(one, 3.0)] == [("blink", 1), None]
    assert one.skipped == 1


def test_the_oldest_goes_when_too_many_wait() -> None:
    one = pace()
    for number in range(MOST_WAITING + 3):
        one.offer_event(event("gaze", number), 0.0)
    assert taken(one, 0.0) == ("gaze", 3)
    assert one.skipped == 3


def test_kinds_that_were_not_asked_for_are_not_skipped_but_nobodys() -> None:
    one = pace(events=frozenset({"blink"}))
    one.offer_event(event("gaze"), 0.0)
    one.offer_event(event("hook"), 0.0)
    assert taken(one, 0.0) is None
    assert one.skipped == 0


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["blink", "gaze", "observation"]), st.booleans()), max_size=60)
)
def test_no_two_calls_of_a_kind_are_closer_than_the_cooldown(steps: list[tuple[float, str, bool]]) -> None:
    one = pace(event_cooldown=2.0, observation_cooldown=1.0)
    now = 0.0
    called: dict[str, float] = {}
    for passed, kind, free in steps:
        now += passed
        if kind == "observation":
            one.offer_observation(observation(1), now)
        else:
            one.offer_event(event(kind), now)
        if free and (found := taken(one, now)) is not None:
            least = 1.0 if found[0] == "observation" else 2.0
            assert now - called.get(found[0], -10.0) >= least
            called[found[0]] = now


READY = HookReady("package 1", ["blink"], True, 3.0, 4.0)
SILENT = HookReady("package 1", [], True, None, None)


@pytest.mark.parametrize(
    ("ready", "owner", "wanted"),
    [
        (SILENT, {}, Wishes(None, True, 0.0, 1.0, 5.0)),
        (READY, {}, Wishes(frozenset({"blink"}), True, 3.0, 3.0, 4.0)),
        (READY, {"cooldown_seconds": 0, "timeout_seconds": 9}, Wishes(frozenset({"blink"}), True, 0.0, 0.0, 9.0)),
        (READY, {"events": ["gaze"], "observations": False}, Wishes(frozenset({"gaze"}), False, 3.0, 3.0, 4.0)),
        (SILENT, {"events": ["gaze"]}, Wishes(frozenset({"gaze"}), True, 0.0, 1.0, 5.0)),
        (HookReady("p", None, True, None, None), {"events": ["gaze"]}, Wishes(frozenset(), True, 0.0, 1.0, 5.0)),
        (HookReady("p", [], False, None, None), {"observations": True}, Wishes(None, False, 0.0, 1.0, 5.0)),
    ],
)
def test_the_owners_settings_win_over_what_the_hook_says(
    ready: HookReady, owner: dict[str, Any], wanted: Wishes
) -> None:
    assert wishes(ready, HookSettings.model_validate(owner)) == wanted


def test_a_hook_may_say_ten_things_at_once_and_then_one_a_second() -> None:
    allowance = Allowance(0.0)
    assert [allowance.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not allowance.take(0.5)
    assert allowance.take(1.1)
    assert not allowance.take(1.2)
    assert [allowance.take(100.0) for _ in range(11)] == [True] * 10 + [False]
