"""Things in view: what counts as a phone, and when it is there or gone."""

from __future__ import annotations

from typing import Any

import pytest

from edged.events import Object
from edged.judgement.phones import PhonesMemory, step
from edged.observations import Box, Thing
from edged.settings import JudgementSettings
from edged.settings.verdicts import ObjectJudgementSettings
from tests.judgement.scenarios import face
from tests.judgement.seats import PHONE, Seated, person

FACE = Box(300.0, 100.0, 100.0, 120.0)


def told(*looks: list[Thing] | None, **changed: Any) -> list[tuple[int, str, str, int]]:
    """What is told at which look, one a second, with the face in view."""
    memory, found = PhonesMemory(), list[tuple[int, str, str, int]]()
    for number, things in enumerate(looks):
        memory, events = step(
            ObjectJudgementSettings(**changed), memory, things, [face(box=FACE)], at_ms=number * 1000.0, wall_ns=1
        )
        found += [(number, each.thing, each.change, each.count) for each in events]
    return found


def phone(x: float, y: float, score: float = 0.8, track: int | None = None, label: str = "cell phone") -> Thing:
    return Thing(label, score, Box(x - 15, y - 25, 30.0, 50.0), track)


@pytest.mark.parametrize(
    ("thing", "counts"),
    [
        (phone(350, 260), True),  # before the breast
        (phone(440, 150), True),  # beside the cheek
        (phone(350, 500), False),  # on the desk
        (phone(350, 500, track=1), True),  # the detector says that it is at the face
        (phone(700, 150), False),  # at the wall
        (phone(350, 260, score=0.3), False),
        (phone(350, 260, label="remote"), False),
        (phone(350, -60), False),
    ],
)
def test_a_phone_counts_when_it_is_held_up(thing: Thing, counts: bool) -> None:
    assert bool(told([thing], [thing])) == counts


def test_a_phone_anywhere_counts_where_the_owner_says_so() -> None:
    desk = phone(350, 500)
    assert told([desk], [desk], phone_where="anywhere") == [(1, "phone", "appeared", 1)]


def test_one_look_is_none_and_a_look_that_misses_it_does_not_end_it() -> None:
    held, nothing = [phone(350, 260)], list[Thing]()
    assert told(held, nothing, nothing, held, nothing) == []
    assert told(held, held, nothing, held, None, None, nothing) == [(1, "phone", "appeared", 1)]
    gone = told(held, held, nothing, nothing, nothing)
    assert gone == [(1, "phone", "appeared", 1), (4, "phone", "gone", 0)]


def test_where_nobody_looks_any_more_it_is_gone_in_time() -> None:
    held = [phone(350, 260)]
    assert told(held, held, *[None] * 20) == [(1, "phone", "appeared", 1), (12, "phone", "gone", 0)]


def test_two_phones_are_counted() -> None:
    one, two = [phone(350, 260)], [phone(350, 260), phone(440, 150)]
    assert told(one, one, two, two, one, one, one) == [
        (1, "phone", "appeared", 1), (3, "phone", "count", 2), (5, "phone", "count", 1),
    ]  # fmt: skip


def test_a_person_without_a_face_is_told_and_one_with_a_face_is_not() -> None:
    sitter, other = Thing("person", 0.9, Box(200.0, 50.0, 300.0, 400.0)), Thing("person", 0.7, Box(500, 50, 100, 400))
    assert told([sitter], [sitter]) == []
    assert told([sitter, other], [sitter, other]) == [(1, "person", "appeared", 1)]
    assert told([sitter, other], [sitter, other], person_score=0.8) == []


def test_event_and_state_say_where_it_is() -> None:
    seated = Seated(JudgementSettings()).show(1.0, person()).show(1.0, person(), things=[PHONE])
    (event,) = seated.of(Object)
    assert (event.change, event.thing, event.score, event.near_face, event.track) == ("appeared", "phone", 0.8, True, 1)
    assert seated.states["objects"] == {
        "phone": True, "persons": 1, "persons_without_face": 0, "since": "2023-11-14T22:13:21.100Z",
    }  # fmt: skip
    assert "objects" not in Seated().show(1.0, person()).states
