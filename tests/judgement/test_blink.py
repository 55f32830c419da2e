"""Blinks, winks and long closures; and what is none of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edged.events import Blink, Gaze, Presence
from edged.observations import Pair
from tests.judgement.scenarios import Scene, blink_curve, face, judge, settings


def only(told_blinks: list[Blink]) -> Blink:
    assert len(told_blinks) == 1, told_blinks
    return told_blinks[0]


@pytest.mark.parametrize("fps", [15, 25, 30, 60])
def test_a_single_blink_at_any_rate(fps: int) -> None:
    told = judge(Scene(fps).show(1.0).blink(0.25).show(1.5))
    blink = only(told.of(Blink))
    assert blink.gesture == "single"
    # Half of the way down to half of the way up, by straight line.
    assert blink.duration_ms == pytest.approx(130, abs=35)
    assert fps <= blink.first_frame <= blink.last_frame <= 1.25 * fps
    assert blink.lowest_openness < 0.3
    assert blink.image_side == "none"


@pytest.mark.parametrize("values", [[0.1], [0.3], [0.3, 0.2], [0.02, 0.6], [0.6, 0.02]])
def test_at_15_fps_a_blink_shows_on_one_or_two_frames(values: list[float]) -> None:
    scene = Scene(15).show(1.0)
    for value in values:
        scene.show(1 / 15, openness=value)
    told = judge(scene.show(1.0))
    assert told.gestures == ["single"]


def test_a_single_is_told_when_no_other_can_join_it() -> None:
    told = judge(Scene().show(1.0).blink(0.2).show(1.5), finish=False)
    assert 1.5 < told.at(Blink)[0] < 1.7
    told = judge(Scene().show(1.0).blink(0.2).show(1.5), settings("blink", group_seconds=0.1), finish=False)
    assert told.at(Blink)[0] < 1.3
    told = judge(Scene().show(1.0).blink(0.2).show(0.3), finish=True)
    assert told.gestures == ["single"], "the end of a recording tells what is waiting"


@pytest.mark.parametrize(("count", "told"), [(2, ["double"]), (3, ["triple"]), (4, ["triple", "single"])])
def test_blinks_close_together_are_one_gesture(count: int, told: list[str]) -> None:
    scene = Scene().show(1.0)
    for _ in range(count):
        scene.blink(0.2).show(0.2)
    found = judge(scene.show(1.0))
    assert found.gestures == told
    first = found.of(Blink)[0]
    blinks = min(count, 3)
    assert first.first_frame == pytest.approx(32, abs=2)
    assert first.last_frame == pytest.approx(30 + blinks * 12 - 9, abs=3)
    assert first.duration_ms == pytest.approx(400 * blinks - 300, abs=50)


def test_a_triple_is_told_at_once() -> None:
    scene = Scene().show(1.0)
    for _ in range(3):
        scene.blink(0.2).show(0.1)
    assert judge(scene, finish=False).gestures == ["triple"]


@pytest.mark.parametrize(("pause", "told"), [(0.35, ["double"]), (0.6, ["single", "single"])])
def test_edges_of_the_group_window(pause: float, told: list[str]) -> None:
    assert judge(Scene(60).show(1.0).blink(0.2).show(pause).blink(0.2).show(1.0)).gestures == told


def test_the_group_window_is_a_setting() -> None:
    scene = Scene().show(1.0).blink(0.2).show(0.8).blink(0.2).show(1.5)
    assert judge(scene, settings("blink", group_seconds=1.0)).gestures == ["double"]
    assert judge(scene, settings("blink", group_seconds=0)).gestures == ["single", "single"]


def test_a_long_closure_is_told_when_it_has_lasted_and_only_once() -> None:
    scene = Scene().show(1.0).show(3.0, openness=0.05).show(1.3)
    told = judge(scene)
    assert told.gestures == ["long"]
    assert told.at(Blink)[0] == pytest.approx(1.8, abs=0.05)
    assert only(told.of(Blink)).duration_ms == pytest.approx(800, abs=40)
    assert judge(scene, settings("blink", long_seconds=4)).gestures == ["single"]
    assert told.zones == ["at_screen", "eyes_closed", "at_screen"]
    assert told.dwells == ["at_screen"]


def test_blinks_before_and_after_a_long_closure_stand_for_themselves() -> None:
    scene = Scene().show(1.0).blink().show(0.2).show(1.5, openness=0.05).show(0.3).blink().show(0.2).blink()
    assert judge(scene.show(1.0)).gestures == ["single", "long", "double"]


@pytest.mark.parametrize(("side", "image_side"), [("left", "right"), ("right", "left")])
def test_winks_are_the_sitters_own_side(side: str, image_side: str) -> None:
    curve: dict[str, Callable[[float], float]] = {side: blink_curve(0.4)}
    told = judge(Scene().show(1.0).show(0.4, **curve).show(1.0))
    wink = only(told.of(Blink))
    assert wink.gesture == f"wink_{side}"
    assert wink.image_side == image_side
    assert wink.lowest_openness < 0.15


def test_in_a_wink_the_other_eye_narrows() -> None:
    scene = Scene().show(1.0).show(0.4, left=blink_curve(0.4, 0.0), right=blink_curve(0.4, 0.66)).show(1.0)
    assert judge(scene).gestures == ["wink_left"]
    assert judge(scene, settings("blink", wink_difference=0.7)).gestures == ["single"]
    # An eye that goes along further than that blinks.
    scene = Scene().show(1.0).show(0.4, left=blink_curve(0.4, 0.0), right=blink_curve(0.4, 0.4)).show(1.0)
    assert judge(scene).gestures == ["single"]


def test_a_held_wink_is_no_long_blink_and_no_closed_eyes() -> None:
    told = judge(Scene().show(1.0).show(2.0, left=0.05).show(1.0))
    assert told.gestures == ["wink_left"]
    assert "eyes_closed" not in told.zones


def test_a_blink_that_waits_is_told_before_the_wink_after_it() -> None:
    told = judge(Scene().show(1.0).blink().show(0.2).show(0.3, left=blink_curve(0.3)).show(1.0))
    assert told.gestures == ["single", "wink_left"]
    assert [one.first_frame for one in told.of(Blink)] == sorted(one.first_frame for one in told.of(Blink))


def test_an_eye_that_is_badly_seen_neither_winks_nor_hides_a_blink() -> None:
    """Glare on one lens, or a head half turned: that eye's figures are noise."""
    glare = Pair(0.2, 1.0)
    noise = [0.1, 0.9, 0.3, 1.2, 0.05]
    scene = Scene()
    for number in range(60):
        scene.add(face(left=noise[number % 5], right=1.0, seen=glare))
    assert judge(scene).gestures == []
    for number, right in enumerate([0.7, 0.3, 0.05, 0.1, 0.5, 0.9]):
        scene.add(face(left=noise[number % 5], right=right, seen=glare))
    for number in range(30):
        scene.add(face(left=noise[number % 5], right=1.0, seen=glare))
    assert judge(scene).gestures == ["single"]


def test_eyes_that_cannot_be_seen_do_not_blink() -> None:
    assert judge(Scene().show(1.0).blink(seen=Pair(0.1, 0.1)).show(1.0)).gestures == []
    assert judge(Scene().show(1.0).blink(seen=None).show(1.0)).gestures == []


def test_a_blink_that_begins_the_recording_is_told_once_somebody_is_there() -> None:
    told = judge(Scene().show(0.1, openness=0.05).show(2.0))
    assert told.gestures == ["single"]
    assert [type(one.body) for one in told.happenings[:2]] == [Presence, Gaze]


def test_nothing_is_told_of_a_face_that_never_arrived() -> None:
    told = judge(Scene().empty(1.0).blink(0.2).empty(2.0))
    assert told.happenings == []


@pytest.mark.parametrize("lowest", [0.6, 0.5, 0.4, 0.35])
@pytest.mark.parametrize("seconds", [0.8, 5.0])
def test_a_look_downwards_is_no_blink_and_no_closed_eyes(lowest: float, seconds: float) -> None:
    told = judge(Scene().show(1.0).show(seconds, openness=lowest, pitch=-30.0).show(1.0))
    assert told.gestures == []
    assert "eyes_closed" not in told.zones


def test_how_long_a_shallow_blink_may_last_is_a_setting() -> None:
    scene = Scene().show(1.0).show(0.3, openness=0.35).show(1.0)
    assert judge(scene).gestures == ["single"]
    assert judge(scene, settings("blink", shallow_seconds=0.2)).gestures == []


def test_a_blink_on_the_way_into_a_look_downwards_is_one_short_blink() -> None:
    """People blink as they look down: the lids come up again half way only, and stay there for seconds."""
    scene = Scene().show(1.0).show(0.2, openness=0.05).show(4.0, openness=0.4, pitch=-30.0).show(1.0)
    told = judge(scene)
    assert told.gestures == ["single"]
    assert only(told.of(Blink)).duration_ms < 400
    assert told.at(Blink)[0] < 2.2, "the look downwards does not hold it back"
    assert "eyes_closed" not in told.zones


def test_a_blink_during_a_look_downwards_is_as_long_as_itself() -> None:
    scene = Scene().show(1.0).show(2.0, openness=0.42, pitch=-30.0).show(0.15, openness=0.05)
    told = judge(scene.show(2.0, openness=0.42, pitch=-30.0).show(1.0))
    assert told.gestures == ["single"]
    blink = only(told.of(Blink))
    assert blink.duration_ms < 300
    assert blink.first_frame == 90
    assert "eyes_closed" not in told.zones


def test_a_blink_before_a_look_downwards_is_not_held_back_by_it() -> None:
    told = judge(Scene().show(1.0).blink().show(0.2).show(5.0, openness=0.42, pitch=-30.0).show(1.0))
    assert told.gestures == ["single"]
    assert told.at(Blink)[0] < 2.5


def test_lids_that_flutter_while_shut_stay_shut() -> None:
    def flutter(now: float) -> float:
        return 0.38 if round(now * 30) % 5 == 0 else 0.08

    assert judge(Scene().show(1.0).show(2.0, openness=flutter).show(1.0)).gestures == ["long"]


def test_a_slow_opening_is_part_of_its_blink() -> None:
    scene = Scene().show(1.0).show(0.2, openness=0.05)
    scene.show(0.5, openness=lambda now: 0.1 + 1.8 * now).show(1.0)
    assert judge(scene).gestures == ["single"]


def test_eyes_that_do_not_open_all_the_way_between_blinks_are_counted() -> None:
    scene = Scene().show(1.0)
    for _ in range(2):
        scene.show(0.1, openness=0.05).show(0.2, openness=0.62)
    assert judge(scene.show(1.0)).gestures == ["double"]


@pytest.mark.parametrize(
    ("name", "value", "lowest"),
    [("close_openness", 0.3, 0.4), ("shut_openness", 0.35, 0.4)],
)
def test_how_far_lids_must_sink_is_a_setting(name: str, value: float, lowest: float) -> None:
    scene = Scene().show(1.0).show(0.2, openness=lowest).show(1.0)
    changed = {name: value, "shut_openness": min(value, 0.45), "deep_openness": min(value, 0.3)}
    assert judge(scene).gestures == ["single"]
    assert judge(scene, settings("blink", **changed)).gestures == []


def test_how_far_lids_must_rise_is_a_setting() -> None:
    # Between two dips the lids rise to 0.65: open again, or still on their way.
    scene = Scene().show(1.0)
    for _ in range(2):
        scene.show(0.1, openness=0.35).show(0.1, openness=0.65)
    scene.show(1.0)
    assert judge(scene, settings("blink", open_openness=0.6)).gestures == ["double"]
    assert judge(scene, settings("blink", open_openness=0.9)).gestures == ["single"]


def test_lids_that_stay_half_open_after_a_blink_do_not_prolong_it() -> None:
    scene = Scene().show(1.0).show(0.2, openness=0.35).show(1.0, openness=0.65).show(0.5)
    blink = only(judge(scene).of(Blink))
    assert blink.duration_ms < 250
    assert blink.last_frame == 35


def test_the_depth_that_tells_a_blink_from_a_look_is_a_setting() -> None:
    scene = Scene().show(1.0).show(0.6, openness=0.25).show(1.0)
    assert judge(scene).gestures == ["single"]
    assert judge(scene, settings("blink", deep_openness=0.2)).gestures == []


def test_shorter_closures_than_the_minimum_are_noise() -> None:
    scene = Scene(120).show(1.0).show(2 / 120, openness=0.1).show(1.0)
    assert judge(scene).gestures == []
    assert judge(scene, settings("blink", minimum_seconds=0)).gestures == ["single"]


def test_another_face_becomes_primary_in_the_middle_of_a_blink() -> None:
    scene = Scene().show(1.0).blink().show(0.2).show(0.1, openness=0.1)
    for _ in range(45):
        scene.add(face(track=1, left=0.1, right=0.1), face(track=2, size=200.0))
    told = judge(scene)
    assert told.gestures == ["single"], "the finished one is told, the one that was cut off is not"
    assert only(told.of(Blink)).track == 1


def test_the_primary_face_stays_while_it_is_in_view() -> None:
    scene = Scene().show(1.0)
    for now in scene.frames(0.3):
        scene.add(face(track=2, size=115.0), face(track=1, left=blink_curve(0.3)(now), right=blink_curve(0.3)(now)))
    for _ in scene.frames(1.0):
        scene.add(face(track=2, size=115.0), face(track=1))
    assert only(judge(scene).of(Blink)).track == 1


def test_a_departure_in_the_middle_of_a_blink() -> None:
    told = judge(Scene().show(2.0).blink().show(0.1).show(0.1, openness=0.1).empty(3.0))
    assert told.gestures == ["single"]
    assert told.changes == [("arrived", 1), ("left", 0)]


def test_who_leaves_at_once_is_told_last() -> None:
    used = settings("presence", leave_seconds=0)
    told = judge(Scene().show(2.0).blink().show(0.1).empty(3.0), used)
    assert told.gestures == ["single"]
    assert isinstance(told.happenings[-1].body, Presence)


def test_a_pause_in_the_middle_of_a_closure_ends_it_unsaid() -> None:
    told = judge(Scene().show(1.0).show(0.1, openness=0.05).pause(10.0).show(1.0))
    assert told.gestures == []
    told = judge(Scene().show(1.0).show(0.1, openness=0.05).pause(10.0).show(0.1, openness=0.05).show(1.0))
    assert all(one.duration_ms < 1000 for one in told.of(Blink))


def test_where_a_closure_begins_and_ends_is_a_setting() -> None:
    """Durations run from where the lids sink below it to where they rise above it."""
    scene = Scene(60).show(1.0).blink(0.5, 0.0).show(1.0)
    narrow = only(judge(scene).of(Blink))
    wide = only(judge(scene, settings("blink", close_openness=0.68)).of(Blink))
    assert narrow.duration_ms == pytest.approx(250, abs=5)
    # It ends when they have risen by 0.45 of an open eye, though that is below so high a threshold.
    assert wide.duration_ms == pytest.approx(320, abs=5)
    assert wide.first_frame < narrow.first_frame
