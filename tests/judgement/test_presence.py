"""Somebody there or nobody, and how many: debounced both ways."""

from __future__ import annotations

import pytest

from edged.events import Presence
from tests.judgement.scenarios import Scene, face, judge, settings


def people(scene: Scene, seconds: float, count: int) -> Scene:
    for _ in scene.frames(seconds):
        scene.add(*(face(track=number + 1) for number in range(count)))
    return scene


@pytest.mark.parametrize("fps", [5, 15, 30, 60])
def test_somebody_arrives_and_leaves_after_the_waits_at_any_rate(fps: int) -> None:
    told = judge(Scene(fps).empty(1.0).show(3.0).empty(3.0))
    assert told.changes == [("arrived", 1), ("left", 0)]
    arrived, left = told.at(Presence)
    assert arrived == pytest.approx(1.3, abs=1 / fps + 1e-3)
    assert left == pytest.approx(5.5, abs=1 / fps + 1e-3)
    assert [one.first_frame for one in told.of(Presence)] == [fps, 4 * fps]
    assert told.last["presence"] == {"someone": False, "people": 0, "since": "2023-11-14T22:13:24.000Z"}


def test_the_waits_are_settings() -> None:
    scene = Scene().show(0.6).empty(1.0)
    assert judge(scene).changes == [("arrived", 1)]
    assert judge(scene, settings("presence", arrive_seconds=0.7)).changes == []
    assert judge(scene, settings("presence", leave_seconds=0.5)).changes == [("arrived", 1), ("left", 0)]
    at_once = judge(Scene().show(0.1).empty(0.1), settings("presence", arrive_seconds=0, leave_seconds=0))
    assert at_once.changes == [("arrived", 1), ("left", 0)]
    assert at_once.at(Presence) == [0.0, 0.1]


def test_a_face_that_flickers_in_an_empty_scene_is_nobody() -> None:
    scene = Scene().empty(1.0)
    for _ in range(20):
        scene.show(0.2).empty(0.1)
    told = judge(scene)
    assert told.happenings == []
    assert told.last["gaze"]["zone"] is None


def test_a_face_that_is_lost_now_and_then_stays() -> None:
    scene = Scene().show(1.0)
    for _ in range(5):
        scene.empty(1.4).show(0.1)
    told = judge(scene)
    assert told.changes == [("arrived", 1)]


def test_the_number_of_people_is_told_with_the_same_waits() -> None:
    scene = people(people(people(Scene(), 1.0, 1), 1.0, 3), 3.0, 2)
    told = judge(people(scene, 3.0, 0))
    assert told.changes == [("arrived", 1), ("count", 3), ("count", 2), ("left", 0)]
    assert [one.first_frame for one in told.of(Presence)] == [0, 30, 60, 150]


def test_the_number_told_was_true_throughout_the_wait() -> None:
    """Of two people one goes and the other flickers: somebody was seen all the time, so nobody left."""
    scene = people(Scene(), 1.0, 2)
    for _ in range(20):
        people(people(scene, 0.1, 1), 0.1, 0)
    assert ("left", 0) not in judge(scene).changes
    rising = people(Scene(), 1.0, 1)
    for _ in range(2):
        people(people(rising, 0.1, 3), 0.1, 2)
    assert judge(rising).changes == [("arrived", 1), ("count", 2)]


def test_since_is_kept_while_somebody_is_there() -> None:
    told = judge(people(people(Scene().empty(1.0), 1.0, 1), 1.0, 2))
    assert told.changes[-1] == ("count", 2)
    assert told.last["presence"]["since"] == "2023-11-14T22:13:21.000Z"


def test_two_sightings_with_a_pause_between_are_no_arrival() -> None:
    told = judge(Scene().empty(1.0).show(0.1).pause(3600.0).show(0.1).empty(1.0))
    assert told.changes == []


def test_who_was_there_before_a_pause_leaves_only_after_it() -> None:
    told = judge(Scene().show(1.0).pause(3600.0).empty(1.0))
    assert told.changes == [("arrived", 1)]
    told = judge(Scene().show(1.0).pause(3600.0).empty(2.0))
    assert told.changes == [("arrived", 1), ("left", 0)]
