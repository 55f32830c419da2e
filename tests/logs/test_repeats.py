"""Repeats are told once and then counted; in simulated time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edged.logs.repeats import Repeats, Summary


def take(
    repeats: Repeats[str], text: str, now: float, *, kind: str = "k", times: int = 1, alike: int | None = None
) -> bool:
    told, _ = repeats.take(text, now, text=text, kind=kind, times=times, alike=alike)
    return told


def test_the_same_message_is_told_once_and_counted() -> None:
    repeats: Repeats[str] = Repeats()
    assert take(repeats, "the disk is full", 100.0)
    assert not any(take(repeats, "the disk is full", 100.0 + second / 10) for second in range(1, 313))
    assert repeats.due(159.9) == []
    assert repeats.next_due() == 160.0
    assert repeats.due(160.0) == [Summary("the disk is full", 312, 60.0, same=True)]
    assert repeats.due(161.0) == []
    assert repeats.next_due() is None


def test_what_goes_on_for_hours_is_told_once_a_minute() -> None:
    repeats: Repeats[str] = Repeats()
    told = 0
    summaries: list[Summary[str]] = []
    for second in range(3600):
        summaries += repeats.due(float(second))
        told += take(repeats, "no camera", float(second))
    assert told == 1
    assert len(summaries) == 59
    assert 1 + sum(each.count for each in summaries) + repeats.rest(3600.0)[0].count == 3600


def test_a_message_that_comes_seldom_is_told_each_time() -> None:
    repeats: Repeats[str] = Repeats()
    for now in (0.0, 60.0, 121.0, 500.0):
        assert repeats.due(now) == []
        assert take(repeats, "again", now)


def test_after_a_quiet_minute_a_message_is_told_anew() -> None:
    repeats: Repeats[str] = Repeats()
    assert take(repeats, "again", 0.0)
    assert not take(repeats, "again", 1.0)
    assert [each.count for each in repeats.due(60.0)] == [1]
    assert repeats.due(120.0) == []
    assert take(repeats, "again", 120.5)


def test_different_messages_do_not_hold_each_other_back() -> None:
    repeats: Repeats[str] = Repeats()
    assert all(take(repeats, f"job {number}", 0.0) for number in range(200))


def test_many_texts_of_one_kind_are_counted_beyond_the_limit() -> None:
    repeats: Repeats[str] = Repeats()
    told = [take(repeats, f"refused {number}", 1.0, kind="refused %s", alike=120) for number in range(1000)]
    assert sum(told) == 120
    assert take(repeats, "all is well", 1.0, kind="well", alike=120)
    assert repeats.due(61.0) == [Summary("refused 999", 880, 60.0, same=False)]


def test_what_comes_in_pairs_is_told_more_often() -> None:
    repeats: Repeats[str] = Repeats()
    told = [take(repeats, text, 0.0, times=10) for _ in range(15) for text in ("lost", "back")]
    assert sum(told) == 20


def test_the_newest_of_what_was_held_back_is_told_last() -> None:
    repeats: Repeats[str] = Repeats()
    for now, text in enumerate(("lost", "back", "lost", "back", "lost")):
        take(repeats, text, float(now))
    assert [each.line for each in repeats.due(100.0)] == ["back", "lost"]


def test_what_makes_room_is_told_before_it_is_forgotten() -> None:
    repeats: Repeats[str] = Repeats(most_kept=2)
    for _ in range(3):
        take(repeats, "one", 0.0)
    take(repeats, "two", 1.0)
    told, before = repeats.take("three", 5.0, text="three", kind="k")
    assert told
    assert before == [Summary("one", 2, 5.0, same=True)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0.0, 40.0)), max_size=120))
def test_every_line_is_told_or_counted_within_a_minute(lines: list[tuple[int, float]]) -> None:
    """Nothing is lost, whatever comes when, also where there is little room."""
    repeats: Repeats[str] = Repeats(most_kept=4)
    now, told, counted = 0.0, 0, 0
    for number, pause in lines:
        # As the thread does that waits for it.
        while (due := repeats.next_due()) is not None and due <= now + pause:
            counted += sum(each.count for each in repeats.due(due))
        now += pause
        counted += sum(each.count for each in repeats.due(now))
        one, before = repeats.take(f"text {number}", now, text=number, kind=number % 3, alike=3)
        counted += sum(each.count for each in before)
        told += one
        assert len(repeats._texts) <= 4
        assert len(repeats._kinds) <= 4
        earliest = repeats.next_due()
        assert earliest is None or now < earliest <= now + 60.0
    counted += sum(each.count for each in repeats.rest(now))
    assert told + counted == len(lines)
