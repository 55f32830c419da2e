"""What the sitter's scripts mean, told as scenarios."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.capture.sitter_script import LOOKS, Happened, Script, load, parse
from edged.errors import SettingsError

DEMO = Path("edged/capture/sitter_demo.toml")


def script(*acts: dict[str, Any], **sitter: Any) -> Script:
    return parse({"sitter": {"duration_seconds": 10.0, "present": True, **sitter}, "do": list(acts)})


def named(made: Script, kind: str, rate: float = 30.0, until: float | None = None) -> list[tuple[str, int, int]]:
    return [(one.name, one.first_frame, one.last_frame) for one in made.happenings(rate, until) if one.kind == kind]


def test_a_blink_closes_both_eyes_and_opens_them_again() -> None:
    made = script({"at": 2.0, "what": "blink"})
    assert named(made, "blink") == [("single", 61, 65)]
    assert made.truth_at(1.99).lid_left == pytest.approx(made.truth_at(2.3).lid_left)
    shut = made.truth_at(2.1)
    assert (shut.closure_left, shut.closure_right) == (1.0, 1.0)
    assert shut.lid_left == shut.lid_right == 0.0
    assert 0 < made.truth_at(2.035).lid_left < 1
    assert named(made, "gaze") == [("at_screen", 0, 599)]  # a blink is no look


@pytest.mark.parametrize(("times", "name"), [(1, "single"), (2, "double"), (3, "triple")])
def test_blinks_close_together_are_one_gesture(times: int, name: str) -> None:
    made = script({"at": 1.0, "what": "blink", "times": times})
    ((told, first, last),) = named(made, "blink")
    assert told == name
    assert first == 31
    assert last == pytest.approx(35 + (times - 1) * 11.1, abs=1)


def test_eyes_held_shut_are_a_long_blink_and_a_gaze_zone() -> None:
    made = script({"at": 3.0, "what": "blink", "shut_seconds": 1.2})
    assert [name for name, _, _ in named(made, "blink")] == ["long"]
    assert [name for name, _, _ in named(made, "gaze", until=10)] == ["at_screen", "eyes_closed", "at_screen"]
    assert made.truth_at(3.5).zone == "eyes_closed"


def test_a_length_between_a_blink_and_a_long_blink_is_drawn_and_not_asked_for() -> None:
    made = script({"at": 3.0, "what": "blink", "shut_seconds": 0.6})
    assert named(made, "blink") == []
    assert made.truth_at(3.3).lid_left == 0


def test_a_slow_close_is_slow() -> None:
    made = script({"at": 2.0, "what": "blink", "closing_seconds": 1.0, "shut_seconds": 1.0})
    assert made.truth_at(2.5).closure_left == pytest.approx(0.5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_wink_closes_the_sitters_own_eye(side: str) -> None:
    made = script({"at": 2.0, "what": "wink", "side": side})
    truth = made.truth_at(2.2)
    assert (truth.lid_left == 0, truth.lid_right == 0) == (side == "left", side == "right")
    assert [name for name, _, _ in named(made, "blink")] == [f"wink_{side}"]
    assert truth.zone == "at_screen"


@pytest.mark.parametrize("zone", list(LOOKS))
def test_a_look_takes_the_eyes_to_the_zone_at_once_and_the_head_a_little(zone: str) -> None:
    made = script({"at": 2.0, "what": "look", "zone": zone})
    truth = made.truth_at(2.5)
    assert (truth.gaze_yaw_degrees, truth.gaze_pitch_degrees) == LOOKS[zone]
    assert truth.zone == zone
    if zone != "at_screen":
        assert named(made, "gaze", until=10.1) == [("at_screen", 0, 60), (zone, 61, 299), ("at_screen", 300, 360)]
        assert abs(truth.head_yaw_degrees) + abs(truth.head_pitch_degrees) > 3
        assert abs(made.truth_at(2.06).head_pitch_degrees) < abs(truth.head_pitch_degrees) or zone in ("left", "right")


def test_left_is_the_sitters_own() -> None:
    assert LOOKS["left"][0] > 0 > LOOKS["right"][0]
    assert LOOKS["up"][1] > 0 > LOOKS["down"][1]


def test_looking_down_lowers_the_lids_but_is_no_blink() -> None:
    made = script({"at": 2.0, "what": "look", "zone": "down"})
    truth = made.truth_at(3)
    assert 0.6 < truth.lid_left < 0.9
    assert truth.closure_left == 0
    assert named(made, "blink") == []


def test_angles_of_ones_own_fall_into_the_zone_they_point_at() -> None:
    made = script(
        {"at": 1.0, "what": "look", "yaw_degrees": 25.0},
        {"at": 2.0, "what": "look", "yaw_degrees": 5.0},
        {"at": 3.0, "what": "look", "yaw_degrees": 0.0, "pitch_degrees": -28},
    )
    assert [name for name, _, _ in named(made, "gaze", until=10)] == ["at_screen", "left", "at_screen", "down"]


def test_the_sitter_arrives_and_leaves_whole() -> None:
    made = script(
        {"at": 2.0, "what": "arrive", "from": "left", "seconds": 1.0},
        {"at": 6.0, "what": "leave", "to": "right", "seconds": 1.0},
        present=False,
    )
    (arrived, left) = (one for one in made.happenings(30, 10) if one.kind == "presence")
    assert (arrived.name, left.name) == ("arrived", "left")
    assert 2.0 < arrived.at_seconds < 3.0
    assert 6.0 < left.at_seconds < 7.0
    assert arrived.until_seconds == left.at_seconds
    assert left.until_seconds == pytest.approx(10 + arrived.at_seconds)
    for seconds, present, in_view in (
        (1, False, False),
        (2.1, False, True),
        (4, True, True),
        (6.9, False, True),
        (8, False, False),
    ):
        truth = made.truth_at(seconds)
        assert (truth.present, truth.in_view) == (present, in_view), seconds
        assert (truth.zone is None) == (not present)
    at_edge = made.truth_at(arrived.at_seconds)
    assert at_edge.x - at_edge.width / 2 == pytest.approx(0, abs=0.01)
    assert made.truth_at(2.0).x + 1.1 * made.truth_at(2.0).width < 0.02  # shoulders and all


def test_head_and_light_move_smoothly_and_stay() -> None:
    made = script(
        {"at": 1.0, "what": "move", "x": 0.3, "width": 0.2, "seconds": 1.0},
        {"at": 3.0, "what": "turn", "yaw_degrees": 20, "roll_degrees": -10, "seconds": 0.5},
        {"at": 5.0, "what": "light", "level": 0.3, "seconds": 1.0},
        sway=0,
    )
    assert made.truth_at(0.5).x == 0.5
    assert made.truth_at(1.5).x == pytest.approx(0.4)
    later = made.truth_at(9)
    assert (later.x, later.width) == (0.3, 0.2)
    assert (later.head_yaw_degrees, later.head_roll_degrees, later.light) == pytest.approx((20, -10, 0.3))


def test_time_goes_round() -> None:
    made = script({"at": 2.0, "what": "blink"})
    here, there = dataclasses.astuple(made.truth_at(2.1)), dataclasses.astuple(made.truth_at(22.1))
    assert [value if isinstance(value, str) else pytest.approx(value) for value in here] == list(there)
    assert named(made, "blink", until=30) == [("single", 61, 65), ("single", 361, 365), ("single", 661, 665)]


def test_what_begins_after_the_end_is_not_listed() -> None:
    made = script({"at": 2.0, "what": "blink"})
    assert named(made, "blink", until=2.0) == []
    assert made.happenings(30, 0) == ()


@given(st.floats(0, 100), st.integers(0, 1000))
def test_truth_is_always_sane(seconds: float, seed: int) -> None:
    made = script(
        {"at": 1, "what": "blink"},
        {"at": 2, "what": "look", "zone": "up"},
        {"at": 4, "what": "leave"},
        {"at": 7, "what": "arrive"},
        seed=seed,
    )
    truth = made.truth_at(seconds)
    assert 0 <= truth.lid_left <= 1.15
    assert 0 <= truth.closure_left <= 1
    assert truth.present <= truth.in_view


def test_the_demo_shows_everything_once_and_starts_over_without_a_jump() -> None:
    made = load(DEMO)
    assert made.duration_seconds == 30
    told = [one.name for one in made.happenings(15) if one.kind == "blink"]
    assert sorted(told) == [
        "double",
        "long",
        "single",
        "single",
        "single",
        "single",
        "triple",
        "wink_left",
        "wink_right",
    ]
    gaze = [one for one in made.happenings(15) if one.kind == "gaze"]
    assert {one.name for one in gaze} == {"at_screen", "left", "right", "up", "down", "eyes_closed"}
    assert all(one.until_seconds - one.at_seconds >= 1.2 for one in gaze)
    presence = [one.name for one in made.happenings(15) if one.kind == "presence"]
    assert presence == ["arrived", "left", "arrived", "left"]
    assert not made.truth_at(0).in_view
    assert not made.truth_at(29.99).in_view


@pytest.mark.parametrize("rate", [7, 10, 15, 24, 30, 60])
def test_happenings_are_in_order_and_frames_agree_with_seconds(rate: float) -> None:
    made = load(DEMO)
    told = made.happenings(rate, 65)
    assert list(told) == sorted(told, key=lambda one: one.at_seconds)
    for one in told:
        assert 0 <= one.first_frame <= one.last_frame
        assert (one.first_frame - 1) / rate < one.at_seconds <= one.first_frame / rate + 1e-6


def test_every_blink_of_the_demo_is_seen_by_at_least_two_frames_at_15_a_second() -> None:
    made = load(DEMO)
    for one in made.happenings(15):
        if one.kind == "blink":
            shut = [made.truth_at(frame / 15) for frame in range(one.first_frame, one.last_frame + 1)]
            assert sum(max(truth.closure_left, truth.closure_right) > 0.5 for truth in shut) >= 2


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"sitter": {"widht": 0.3}}, r"sitter\.widht: is unknown \(did you mean width\?\)"),
        ({"sitter": {"width": 3}}, "must be from 0.02 to 0.9"),
        ({"sitter": {"seed": True}}, "wrong type"),
        ({"sitter": 3}, "must be a table"),
        ({"do": {}}, "must be a list"),
        ({"do": [3]}, "nothing the sitter can do"),
        ({"do": [{"at": 1, "what": "blonk"}]}, r"do\[0\]\.what = 'blonk'.*did you mean blink\?"),
        ({"do": [{"what": "blink"}]}, r"do\[0\]\.at: is missing"),
        ({"do": [{"at": 1, "what": "look", "zone": "sideways"}]}, "must be one of at_screen, left"),
        ({"do": [{"at": 1, "what": "blink"}, {"at": 1.1, "what": "wink"}]}, "lids of an earlier act"),
        ({"do": [{"at": 1, "what": "leave"}]}, "leaves though not there"),
        ({"sitter": {"present": True}, "do": [{"at": 1, "what": "arrive"}]}, "already there"),
        ({"do": [{"at": 29.9, "what": "blink"}]}, "not over when the script starts again"),
    ],
)
def test_a_wrong_script_is_refused_with_the_reason(table: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse(table)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        parse({"sitter": {"widht": 1, "noise": -3}, "do": [{"at": 1, "what": "blonk"}]})
    assert len(raised.value.problems) == 3


def test_what_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[sitter\n")
    with pytest.raises(SettingsError, match=r"wrong\.toml"):
        load(path)


def test_a_happening_says_when_and_on_which_frames() -> None:
    made = script({"at": 2.0, "what": "blink"})
    blink = next(one for one in made.happenings(10) if one.kind == "blink")
    assert blink == Happened("blink", "single", 21, 21, blink.at_seconds, blink.until_seconds)
    assert 2.0 < blink.at_seconds < blink.until_seconds < 2.23
