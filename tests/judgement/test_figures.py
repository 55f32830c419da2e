"""PERCLOS, blink rate, drowsiness, and the summary of a window."""

from __future__ import annotations

import pytest

from edged.events import Drowsy, Happening
from edged.judgement import judge as judging
from edged.settings import JudgementSettings
from edged.states import Summary
from tests.judgement.scenarios import WALL_NS, Scene, judge, settings


def nodding(scene: Scene, seconds: float, shut: float, period: float = 4.0) -> Scene:
    """Eyes that are shut for so many seconds of every period."""
    return scene.show(seconds, openness=lambda now: 0.05 if now % period < shut else 1.0)


def test_drowsy_begins_at_its_threshold_and_ends_below_another() -> None:
    scene = nodding(nodding(nodding(Scene(10).show(40.0), 60.0, 1.0), 60.0, 0.4), 120.0, 0.0)
    told = judge(scene)
    drowsy, awake = told.of(Drowsy)
    assert (drowsy.drowsy, awake.drowsy) == (True, False)
    assert drowsy.perclos_percent == pytest.approx(15, abs=0.5)
    assert awake.perclos_percent == pytest.approx(7.5, abs=0.6)
    assert drowsy.window_seconds == 60
    states = [state.drowsiness.drowsy for state in told.states]
    assert states.index(True) == next(one.frame for one in told.happenings if isinstance(one.body, Drowsy)) + 1
    assert not told.last["eyes"]["drowsy"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [True]),
        ({"perclos_percent": 40}, []),
        ({"recover_percent": 13}, [True, False]),
        ({"window_seconds": 600}, []),
    ],
)
def test_when_somebody_is_drowsy_is_a_setting(changed: dict[str, float], expected: list[bool]) -> None:
    scene = nodding(nodding(Scene(10).show(40.0), 60.0, 1.0), 62.0, 0.5)
    assert [one.drowsy for one in judge(scene, settings("drowsiness", **changed)).of(Drowsy)] == expected


def test_a_recovery_above_the_threshold_does_not_flutter() -> None:
    scene = nodding(nodding(Scene(10).show(40.0), 60.0, 1.0), 120.0, 0.1)
    told = judge(scene, settings("drowsiness", recover_percent=90))
    assert [one.drowsy for one in told.of(Drowsy)] == [True, False]


def test_nothing_is_said_before_half_of_the_window_was_seen() -> None:
    told = judge(nodding(Scene(10), 29.0, 2.0))
    assert told.of(Drowsy) == []
    assert all(one.perclos_percent is None and one.blinks_per_minute is None for one in told.summaries)
    assert judge(nodding(Scene(10), 31.0, 2.0)).of(Drowsy)


def test_blinking_is_not_drowsy() -> None:
    scene = Scene(30)
    for _ in range(40):
        scene.show(1.8).blink(0.2)
    assert judge(scene).of(Drowsy) == []


def test_time_in_which_eyes_cannot_be_seen_does_not_count() -> None:
    seen = nodding(Scene(10), 40.0, 1.0)
    assert judge(seen).of(Drowsy)
    scene = nodding(Scene(10), 40.0, 1.0)
    unseen = [
        one if number % 40 < 10 else Scene(10).show(0.1, seen=None).observations[0]
        for number, one in enumerate(scene.observations)
    ]
    assert judge(unseen).of(Drowsy) == []


def test_who_leaves_is_no_longer_drowsy() -> None:
    told = judge(nodding(Scene(10), 40.0, 1.0).empty(3.0))
    assert [one.drowsy for one in told.of(Drowsy)] == [True, False]
    assert told.changes[-1] == ("left", 0)
    assert told.last["eyes"] == {"closed": None, "drowsy": False, "since": "2023-11-14T22:14:01.500Z"}


def test_blink_rate_per_minute() -> None:
    scene = Scene(30)
    for _ in range(20):
        scene.show(2.8).blink(0.2)
    rates = [one.blinks_per_minute for one in judge(scene).summaries]
    assert rates[:2] == [None, None]
    assert rates[-1] == pytest.approx(20, abs=1.5)
    # Doubles are two blinks, triples three, winks none.
    scene = Scene(30)
    for _ in range(20):
        scene.show(1.6).blink(0.2).show(0.2).blink(0.2).show(0.6).show(0.2, left=0.05)
    assert judge(scene).summaries[-1].blinks_per_minute == pytest.approx(40, abs=3)


def test_perclos_is_the_share_of_time_with_lids_four_fifths_shut() -> None:
    half = nodding(Scene(10), 60.0, 2.0)
    assert judge(half).summaries[-1].perclos_percent == pytest.approx(50, abs=2)
    drooping = Scene(10).show(60.0, openness=0.3)
    assert judge(drooping).summaries[-1].perclos_percent == 0


def test_a_window_says_how_it_was() -> None:
    scene = Scene(30).empty(2.0).show(6.0, head_yaw=10.0, head_pitch=-4.0).show(2.1, yaw=30.0)
    summary = judge(scene).summaries[0]
    assert summary.at == "2023-11-14T22:13:30.000Z"
    assert summary.window_seconds == 10.0
    assert summary.frames == 301
    assert summary.frames_per_second == pytest.approx(30, abs=0.2)
    assert summary.people_max == 1
    assert summary.presence_percent == pytest.approx(77, abs=0.5)
    # Arrived at 2.3 s, at the screen until the look to the left has settled at 8.15 s.
    assert summary.attention_percent == pytest.approx(100 * 5.85 / 7.7, abs=1)
    assert summary.yaw_degrees == pytest.approx((5.7 * 10 + 2 * 0) / 7.7, abs=0.3)
    assert summary.pitch_degrees is not None
    assert summary.pitch_degrees < 0


def test_windows_follow_each_other_and_their_length_is_a_setting() -> None:
    scene = Scene(10).show(35.0)
    assert [one.window_seconds for one in judge(scene).summaries] == [10.0] * 3
    assert [one.window_seconds for one in judge(scene, settings("summary", window_seconds=2)).summaries] == [2.0] * 17


def test_an_empty_window() -> None:
    summary = judge(Scene(10).empty(11.0)).summaries[0]
    assert (summary.people_max, summary.presence_percent, summary.attention_percent) == (0, 0.0, None)
    assert (summary.blinks, summary.blinks_per_minute, summary.perclos_percent) == (0, None, None)
    assert (summary.yaw_degrees, summary.pitch_degrees, summary.roll_degrees) == (None, None, None)


def test_a_pause_is_neither_presence_nor_absence() -> None:
    summary = judge(Scene(10).show(5.0).pause(3600.0).show(0.1)).summaries[0]
    assert summary.window_seconds == pytest.approx(3605, abs=0.2)
    assert summary.presence_percent == pytest.approx(100 * 5.1 / 5.4, abs=3)
    assert summary.frames == 51


def test_when_the_camera_is_lost_time_passes_all_the_same() -> None:
    """Nobody is there after the wait, what was waiting is told, and windows go on."""
    used = JudgementSettings()
    scene = Scene(30).show(9.0).blink(0.2)
    told = judge(scene, finish=False)
    state = told.states[-1]
    happenings: list[Happening] = []
    summaries: list[Summary] = []
    for turn in range(1, 45):
        at_ms = 9200 + 250.0 * turn
        at_ns = round(at_ms * 1e6)
        outcome = judging.elapse(used, state, at_ms=at_ms, captured_ns=at_ns, wall_ns=WALL_NS + at_ns)
        state = outcome.state
        happenings += outcome.happenings
        summaries += [outcome.summary] if outcome.summary else []
        assert outcome.faces == ()
    assert [one.body.__struct_config__.tag for one in happenings] == ["blink", "presence"]
    assert all(one.frame == -1 for one in happenings)
    assert [one.people_max for one in summaries] == [1, 1]
    assert summaries[0].frames == 276
    assert summaries[1].frames == 0
    assert summaries[1].frames_per_second == 0
    assert summaries[0].blinks == 1
    after = judging.states(state)
    assert after["presence"].since == "2023-11-14T22:13:29.450Z"
    assert after["gaze"].zone is None  # type: ignore[union-attr]
    # And when it is back, somebody arrives.
    for observation in scene.pause(20.0).show(1.0).observations[-30:]:
        outcome = judging.observe(used, state, observation)
        state = outcome.state
        happenings += outcome.happenings
    assert [one.body.__struct_config__.tag for one in happenings[2:]] == ["presence", "gaze"]
