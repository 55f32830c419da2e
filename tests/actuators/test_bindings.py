"""What an actuator does by itself, as scenarios in simulated time."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edged.actuators.bindings import Bindings, Fired, holds, local_minute, matches, unix_seconds
from edged.actuators.effects import Now
from edged.actuators.settings import BindingSettings, ConditionSettings
from edged.bus.message import Message
from edged.events import iso_utc

NOON = 1_700_000_000.0
TOPIC = "home/hall"


def binding(**more: Any) -> BindingSettings:
    given: dict[str, Any] = {"name": "b", "topic": TOPIC, "action": "type", "cooldown_seconds": 0, **more}
    return BindingSettings.model_validate(given)


def message(payload: Any, *, topic: str = TOPIC, retain: bool = False, duplicate: bool = False) -> Message:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, body, 1, retain, duplicate=duplicate)


class Scene:
    """Bindings and a clock. Both clocks run alike unless `jump` sets the wall clock."""

    def __init__(self, *settings: BindingSettings, minute: Callable[[float], int] | None = None, **more: Any) -> None:
        self.bindings = Bindings(settings, minute or (lambda unix: int(unix // 60) % 1440), **more)
        self.now = Now(NOON, 50.0)

    def wait(self, seconds: float) -> list[Fired]:
        """Time passes; what fired by it, at its moment."""
        end = self.now.steady + seconds
        found = []
        while (pause := self.bindings.next_seconds(self.now)) is not None and self.now.steady + pause <= end:
            self._later(max(pause, 1e-3))
            found += self.bindings.tick(self.now)
        self._later(max(0.0, end - self.now.steady))
        return found

    def jump(self, seconds: float) -> None:
        self.now = Now(self.now.unix + seconds, self.now.steady)

    def _later(self, seconds: float) -> None:
        self.now = Now(self.now.unix + seconds, self.now.steady + seconds)

    def hear(self, payload: Any, **more: Any) -> list[Fired]:
        return self.bindings.hear(message(payload, **more), self.now)

    def event(self, number: int, *, age_seconds: float = 0.0, **fields: Any) -> dict[str, Any]:
        return {"id": f"event-{number}", "at": iso_utc(int((self.now.unix - age_seconds) * 1e9)), **fields}


def orders(fired: list[Fired]) -> int:
    return sum(each.order is not None for each in fired)


def reasons(fired: list[Fired]) -> list[str]:
    return [each.reason for each in fired if each.order is None]


# -- conditions -----------------------------------------------------------------------------------------------------


def condition(**more: Any) -> ConditionSettings:
    return ConditionSettings.model_validate({"field": "value", **more})


@pytest.mark.parametrize(
    ("wanted", "true", "false"),
    [
        ({"equals": 1}, [1, 1.0], [True, "1", None, [1], {"value": 1}, 2]),
        ({"equals": True}, [True], [1, 1.0, "true", None, False]),
        ({"equals": False}, [False], [0, "", None, [], True]),
        ({"equals": "ON"}, ["ON"], ["on", True, ["ON"]]),
        ({"one_of": ["a", 2, True]}, ["a", 2, 2.0, True], ["b", 1, "True", None]),
        ({"at_least": 1}, [1, 1.5, 10**400], [0.999, True, "2", None, [2]]),
        ({"at_most": 1}, [1, 0, -5, -(10**400)], [1.001, False, "0", None]),
        ({"at_least": 1, "at_most": 2}, [1, 1.5, 2], [0.9, 2.1]),
        ({"equals": 5, "at_most": 3}, [], [5, 3]),
    ],
)  # fmt: skip
def test_a_condition_holds_for_values_of_its_own_type_only(wanted: Any, true: list[Any], false: list[Any]) -> None:
    for value in true:
        assert holds(condition(**wanted), {"value": value}), value
    for value in false:
        assert not holds(condition(**wanted), {"value": value}), value
    assert not holds(condition(**wanted), {})


def test_fields_lie_in_each_other() -> None:
    wanted = condition(field="a.b.c", equals=1)
    assert holds(wanted, {"a": {"b": {"c": 1}}})
    for other in ({"a": {"b": 1}}, {"a": [{"b": {"c": 1}}]}, {"a.b.c": 1}, {"a": None}):
        assert not holds(wanted, other)


@pytest.mark.parametrize("wrong", [{}, {"at_least": 2, "at_most": 1}, {"equals": [1]}, {"equals": {"a": 1}}])
def test_a_condition_that_says_nothing_or_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        condition(**wrong)


@pytest.mark.parametrize(
    ("topic_filter", "true", "false"),
    [
        ("a/b", ["a/b"], ["a", "a/b/c", "A/b", "a/b/"]),
        ("a/+", ["a/b", "a/"], ["a", "a/b/c"]),
        ("a/#", ["a", "a/b", "a/b/c"], ["b", "ab"]),
        ("#", ["a", "a/b", "/a"], ["$SYS/a"]),
        ("+/b", ["a/b", "/b"], ["$SYS/b", "a/c"]),
        ("+", ["a"], ["/a", "a/"]),
        ("$SYS/#", ["$SYS/a"], ["a"]),
    ],
)
def test_a_filter_covers_what_a_broker_would_send_for_it(topic_filter: str, true: list[str], false: list[str]) -> None:
    assert [each for each in true + false if matches(topic_filter, each)] == true


@pytest.mark.parametrize("topic", ["", "a/#/b", "a#", "a/b+", "+a/b", "$share/group/a", "a\0b", "##", "a/##"])
def test_what_is_no_filter_is_refused(topic: str) -> None:
    with pytest.raises(ValidationError):
        binding(topic=topic)


# -- events, states, messages ---------------------------------------------------------------------------------------


def test_each_event_fires_and_the_same_event_has_the_same_id() -> None:
    scene = Scene(binding(when=[{"field": "gesture", "equals": "double"}]))
    first = scene.event(1, gesture="double")
    found = scene.hear(first) + scene.hear(first) + scene.hear(scene.event(2, gesture="double"))
    ids = [each.order.id for each in found if each.order]
    assert (len(ids), ids[0] == ids[1], len(set(ids))) == (3, True, 2)
    assert scene.hear(scene.event(3, gesture="single")) == []


def test_a_device_that_always_sends_its_own_id_fires_more_than_once() -> None:
    scene = Scene(binding(every_message=True))
    found = [scene.hear({"id": "0x00158d", "action": "double"})[0] for _ in range(2)]
    found += [scene.hear({"id": "0x00158d", "at": iso_utc(int((NOON + each) * 1e9))})[0] for each in range(2)]
    assert len({each.order.id for each in found if each.order}) == 4


def test_a_state_fires_when_it_begins_to_hold_once() -> None:
    scene = Scene(binding(when=[{"field": "value", "at_least": 30}]))
    assert [orders(scene.hear(value)) for value in (20, 31, 35, 31, 29, 30, 30)] == [0, 1, 0, 0, 0, 1, 0]


def test_with_every_message_or_without_conditions_each_message_fires() -> None:
    scene = Scene(binding(when=[{"field": "value", "at_least": 30}], every_message=True), binding(name="all"))
    assert [orders(scene.hear(value)) for value in (20, 31, 35)] == [1, 2, 2]


def test_topics_are_kept_apart() -> None:
    scene = Scene(binding(topic="home/+", when=[{"field": "value", "equals": "ON"}]))
    assert orders(scene.hear(b"ON", topic="home/a")) == 1
    assert orders(scene.hear(b"ON", topic="home/b")) == 1
    assert orders(scene.hear(b"ON", topic="home/a")) == 0
    assert scene.hear(b"ON", topic="home/a/b") == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"null", b"[1,2]", b"NaN", b'{"value":NaN}',
     b"x" * 10_000_000, b'{"id": 5, "at": 5}', b'{"id": [], "at": {}}', b'{"id": "a", "at": "never"}', b'"\\ud800"'],
)  # fmt: skip
def test_rubbish_fires_nothing_that_has_a_condition_and_harms_nothing(payload: bytes) -> None:
    scene = Scene(binding(when=[{"field": "value", "equals": "ON"}]))
    assert scene.hear(payload) == []
    assert orders(scene.hear(b"ON")) == 1


def test_bare_words_and_numbers_are_the_field_value() -> None:
    for payload, wanted in ((b"ON", "ON"), (b"21.5", 21.5), (b"true", True), (b'"ON"', "ON")):
        scene = Scene(binding(when=[{"field": "value", "equals": wanted}]))
        assert orders(scene.hear(payload)) == 1


# -- what the broker repeats ----------------------------------------------------------------------------------------


def test_what_the_broker_kept_is_no_news_until_it_has_not_held() -> None:
    scene = Scene(binding(when=[{"field": "value", "equals": "ON"}]))
    assert scene.hear(b"ON", retain=True) == []
    assert scene.hear(b"ON") == []
    assert scene.hear(b"OFF") == []
    assert orders(scene.hear(b"ON")) == 1
    assert scene.hear(b"ON", retain=True) == []  # after a reconnect


def test_a_kept_event_fires_nothing_and_the_next_one_does() -> None:
    scene = Scene(binding())
    assert scene.hear(scene.event(1), retain=True) == []
    assert orders(scene.hear(scene.event(2))) == 1


def test_a_state_sent_again_by_the_broker_is_acted_on_only_if_it_can_be_told_from_another() -> None:
    scene = Scene(binding())
    assert "may have been acted on" in reasons(scene.hear({"value": 1}, duplicate=True))[0]
    one = scene.hear({"value": 1, "since": "2026-01-01T00:00:00Z"}, duplicate=True)[0].order
    two = scene.hear({"value": 1, "since": "2026-01-01T00:00:00Z"}, duplicate=True)[0].order
    assert one is not None
    assert two is not None
    assert one.id == two.id


def test_an_old_event_does_nothing_and_says_so() -> None:
    scene = Scene(binding(event_age_seconds=10))
    assert orders(scene.hear(scene.event(1, age_seconds=9.9))) == 1
    assert "11.0 s old (event_age_seconds = 10)" in reasons(scene.hear(scene.event(2, age_seconds=11)))[0]


def test_its_own_words_fire_nothing() -> None:
    scene = Scene(binding(topic="#"), own_topics="edged/actuator/typing/")
    assert scene.hear({"state": "failed"}, topic="edged/actuator/typing/job/12345678") == []
    assert orders(scene.hear({"state": "failed"}, topic="edged/actuator/twilio/job/12345678")) == 1


# -- for so long ----------------------------------------------------------------------------------------------------


def empty(**more: Any) -> BindingSettings:
    return binding(when=[{"field": "faces", "equals": 0, "for_seconds": 60}], **more)


def test_a_state_must_stay_for_its_time() -> None:
    scene = Scene(empty())
    assert scene.hear({"faces": 0}) == []
    assert scene.wait(59.9) == []
    assert orders(scene.wait(0.2)) == 1
    assert scene.wait(1000) == []
    assert scene.hear({"faces": 0}) == []
    assert scene.hear({"faces": 1}) == []
    assert scene.hear({"faces": 0}) == []
    assert orders(scene.wait(61)) == 1


def test_a_state_that_is_sent_again_and_again_counts_from_its_beginning() -> None:
    scene = Scene(empty())
    found = 0
    for _ in range(13):
        found += orders(scene.hear({"faces": 0})) + orders(scene.wait(5))
    assert found == 1
    scene = Scene(empty())
    for faces in (0, 1) * 20:  # it never stays
        assert scene.hear({"faces": faces}) + scene.wait(40 if faces else 50) == []


def test_with_a_kept_state_time_begins_to_count() -> None:
    scene = Scene(empty())
    assert scene.hear({"faces": 0}, retain=True) == []
    assert orders(scene.wait(60)) == 1


@pytest.mark.parametrize("payload", [b"", b"x" * 300_000, {"other": 1}, b"gone"])
def test_a_state_that_is_taken_back_or_says_nothing_of_it_holds_no_more(payload: Any) -> None:
    scene = Scene(empty())
    scene.hear({"faces": 0})
    scene.wait(30)
    assert scene.hear(payload) == []
    assert scene.wait(100) == []


def test_the_wall_clock_does_not_make_a_wait_longer_or_shorter() -> None:
    scene = Scene(empty())
    scene.hear({"faces": 0})
    scene.jump(86400)
    assert scene.wait(59) == []
    scene.jump(-2 * 86400)
    assert orders(scene.wait(2)) == 1


def test_all_conditions_must_have_held_for_their_own_time() -> None:
    scene = Scene(
        binding(when=[{"field": "a", "equals": 1, "for_seconds": 10}, {"field": "b", "equals": 1, "for_seconds": 20}])
    )
    scene.hear({"a": 1, "b": 0})
    scene.wait(30)
    assert scene.hear({"a": 1, "b": 1}) == []
    assert scene.wait(19) == []
    assert orders(scene.wait(1.1)) == 1


# -- pauses, limits, hours ------------------------------------------------------------------------------------------


def test_it_pauses_and_says_for_how_long_it_did() -> None:
    scene = Scene(binding(cooldown_seconds=60))
    assert orders(scene.hear(scene.event(1))) == 1
    scene.wait(20)
    assert reasons(scene.hear(scene.event(2))) == ["it fired 20.0 s ago (cooldown_seconds = 60)"]
    scene.jump(-86400)  # the clock is set back: it must not be silent for a day
    scene.wait(39.9)
    assert orders(scene.hear(scene.event(3))) == 0
    scene.wait(0.2)
    assert orders(scene.hear(scene.event(4))) == 1


def test_a_limit_is_of_every_stretch_of_its_length() -> None:
    scene = Scene(binding(limit=2, limit_seconds=100))
    fired = []
    for number in range(30):
        found = scene.hear(scene.event(number))
        fired += [scene.now.steady] * orders(found)
        assert reasons(found) in ([], ["it fired 2 times in 100 s (limit = 2)"])
        scene.wait(10)
    assert fired == [50, 60, 150, 160, 250, 260]


def test_pauses_and_limits_count_over_a_restart() -> None:
    scene = Scene(binding(cooldown_seconds=60, limit=2, limit_seconds=3600))
    for ago_seconds in (1800, 30):
        scene.bindings.remember("b", ago_seconds, scene.now)
    scene.bindings.remember("gone", 1, scene.now)  # a binding that is no longer in the settings
    assert "it fired 30.0 s ago" in reasons(scene.hear(scene.event(1)))[0]
    scene.wait(40)
    assert "2 times" in reasons(scene.hear(scene.event(2)))[0]
    scene.wait(1800)
    assert orders(scene.hear(scene.event(3))) == 1


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("08:00-22:00", [480, 1319], [479, 1320, 0]),
        ("22:00-06:00", [1320, 1439, 0, 359], [360, 1319]),
        ("08:00-00:00", [480, 1439], [0, 479]),
    ],
)
def test_hours_include_their_beginning_and_not_their_end_and_may_go_over_midnight(
    hours: str, inside: list[int], outside: list[int]
) -> None:
    for minute in [*inside, *outside]:
        found = Scene(binding(hours=hours), minute={NOON: minute}.__getitem__).hear({"value": 1})
        assert (orders(found), reasons(found)) == ((1, []) if minute in inside else (0, [f"it is not within {hours}"]))


@pytest.mark.parametrize("hours", ["8:00-22:00", "08:00", "24:00-01:00", "08:00-08:00", "08:60-09:00", "x"])
def test_hours_that_cannot_be_read_or_never_are_are_refused(hours: str) -> None:
    with pytest.raises(ValidationError):
        binding(hours=hours)


def test_hours_are_of_the_local_clock_also_when_it_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        # 2026-03-29: from 02:00 on it is 03:00. 2026-10-25: at 03:00 it is 02:00 again.
        for at, minute in (
            ("2026-03-29T00:59:00+00:00", 119), ("2026-03-29T01:00:00+00:00", 180),
            ("2026-10-25T00:30:00+00:00", 150), ("2026-10-25T01:30:00+00:00", 150),
        ):  # fmt: skip
            seconds = unix_seconds(at)
            assert seconds is not None
            assert local_minute(seconds) == minute
    finally:
        monkeypatch.undo()
        time.tzset()


# -- the request ----------------------------------------------------------------------------------------------------


def test_text_and_options_are_filled_and_say_whence_they_come() -> None:
    scene = Scene(
        binding(
            text="{who.name} is {there} at {topic}, {{really}}",
            options={"list": ["{who.name}", 5], "table": {"x": "{level}"}}, expires_seconds=20,
        )
    )  # fmt: skip
    found = scene.hear({"who": {"name": "Zoë"}, "there": True, "level": 21.50})[0].order
    assert found is not None
    assert found.text is not None
    assert found.text.value == f"Zoë is yes at {TOPIC}, {{really}}"
    assert found.options == {"list": ["Zoë", 5], "table": {"x": "21.5"}}
    assert (found.source, found.issued_at, found.expires_at) == ("binding b", NOON, NOON + 20)


@pytest.mark.parametrize("template", ["{who}", "{who.name}", "{a.b.c}"])
def test_a_field_that_is_not_there_is_named_and_nothing_fires(template: str) -> None:
    scene = Scene(binding(text=template))
    assert reasons(scene.hear({"a": 1})) == [f"the message has no field {template.strip('{}')}"]
    scene = Scene(binding(options={"x": [template]}))
    assert reasons(scene.hear({"a": 1})) == [f"the message has no field {template.strip('{}')}"]


def test_memory_is_bounded_and_forgets_the_topic_not_heard_for_longest() -> None:
    scene = Scene(binding(topic="home/#", when=[{"field": "value", "equals": "ON"}]), memory=10)
    for number in range(1000):
        assert orders(scene.hear(b"ON", topic=f"home/{number}")) == 1
    assert orders(scene.hear(b"ON", topic="home/999")) == 0
    assert orders(scene.hear(b"ON", topic="home/5")) == 1


PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    ).map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(st.tuples(PAYLOADS, st.booleans(), st.booleans(), st.floats(0, 5)), max_size=30))
def test_whatever_comes_it_fires_no_oftener_than_it_may(steps: list[tuple[bytes, bool, bool, float]]) -> None:
    scene = Scene(
        binding(when=[{"field": "a", "one_of": [0, 1, True]}], cooldown_seconds=2, limit=3, limit_seconds=20),
        binding(name="c", when=[{"field": "a", "equals": 1, "for_seconds": 3}], text="{b}", cooldown_seconds=1),
    )
    times = []
    for payload, retain, duplicate, pause in steps:
        found = scene.hear(payload, retain=retain, duplicate=duplicate)
        times += [scene.now.steady for each in found if each.order is not None and each.binding == "b"]
        for each in [*found, *scene.wait(pause)]:
            assert (each.order is None) == bool(each.reason)
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(times))
    assert all(later - earlier >= 20 for earlier, later in zip(times, times[3:], strict=False))
