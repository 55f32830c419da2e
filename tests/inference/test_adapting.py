"""What follows slowly: the smoothing of what is shown, a person's own open eye, the pace of looking."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from edged.inference.openness import OpenLevel
from edged.inference.pacing import Pacer
from edged.inference.smoothing import MINIMUM_CUTOFF_HERTZ, OneEuro
from edged.settings import InferenceSettings


def smoothed(raws: list[float], fps: float = 30.0) -> list[float]:
    state = OneEuro(raws[0], 0.0, 0.0)
    values = [state.value]
    for number, raw in enumerate(raws[1:], 1):
        state = state.step(raw, number / fps)
        values.append(state.value)
    return values


def test_a_still_value_stays() -> None:
    assert smoothed([7.0] * 50) == [7.0] * 50


def test_noise_is_damped() -> None:
    noise = random.Random(5)
    raws = [noise.gauss(0, 1) for _ in range(600)]
    shown = smoothed(raws)
    assert sum(value * value for value in shown[50:]) < 0.25 * sum(raw * raw for raw in raws[50:])


def test_a_step_is_reached_and_never_overshot() -> None:
    shown = smoothed([0.0] * 10 + [30.0] * 60)
    assert shown == sorted(shown)
    assert shown[-1] == pytest.approx(30, abs=0.1)
    assert shown[13] > 15, "a saccade shows within four frames"


def test_faster_moves_are_followed_more_closely() -> None:
    """The point of the filter: lag, as a time, sinks as speed rises."""

    def lag_seconds(speed: float) -> float:
        raws = [speed * number / 30 for number in range(120)]
        return (raws[-1] - smoothed(raws)[-1]) / speed

    assert lag_seconds(1) > lag_seconds(10) > lag_seconds(100) > 0


def test_without_speed_it_is_the_low_pass_of_its_cutoff() -> None:
    state = OneEuro(0.0, 0.0, 0.0).step(0.01, 1 / 30)
    time_constant = 1 / (2 * math.pi * MINIMUM_CUTOFF_HERTZ)
    assert state.value == pytest.approx(0.01 * (1 / 30) / (1 / 30 + time_constant), rel=0.05)


@pytest.mark.parametrize("at", [1.0, 0.5])
def test_time_that_does_not_run_on_changes_nothing(at: float) -> None:
    state = OneEuro(3.0, 0.0, 1.0)
    assert state.step(99.0, at) is state


def learned(level: OpenLevel, aspect_ratio: float, seconds: float, fps: float = 30.0) -> OpenLevel:
    for _ in range(round(seconds * fps)):
        level = level.learn(aspect_ratio, 1 / fps)
    return level


@pytest.mark.parametrize("own", [0.17, 0.3, 0.45])
@pytest.mark.parametrize("fps", [5, 15, 60])
def test_openness_is_one_at_each_persons_own_level(own: float, fps: float) -> None:
    level = learned(OpenLevel(0.1), own, 2.0, fps)
    assert level.openness(own) == pytest.approx(1.0, abs=0.06)
    assert level.openness(0.12 * own) == pytest.approx(0.0, abs=0.02)


def test_openness_lies_between_shut_and_wide() -> None:
    level = OpenLevel(0.3, 10)
    assert level.openness(0.0) == 0
    assert level.openness(0.02) == 0
    assert 0.4 < level.openness(0.17) < 0.6
    assert level.openness(0.36) > 1
    assert level.openness(3.0) == 1.5
    assert OpenLevel(0.0).openness(0.0) == 0


def test_a_recording_that_begins_with_shut_eyes_finds_the_level_soon() -> None:
    level = learned(OpenLevel(0.04), 0.3, 0.5)
    assert level.openness(0.3) < 1.3
    assert level.openness(0.04) < 0.2


def test_a_blink_leaves_the_level_alone() -> None:
    level = learned(OpenLevel(0.3), 0.3, 5)
    after = learned(level, 0.03, 0.3)
    assert after.level == pytest.approx(level.level, rel=0.01)


def test_a_long_closure_does_not_sink_the_level() -> None:
    level = learned(OpenLevel(0.3), 0.3, 5)
    after = learned(level, 0.03, 5)
    assert after.level > 0.9 * level.level
    assert after.openness(0.03) < 0.1


def test_glasses_put_on_are_learned_within_half_a_minute() -> None:
    """The eye measures a quarter less from then on; it is not closing."""
    level = learned(OpenLevel(0.3), 0.3, 5)
    assert level.openness(0.225) < 0.75
    assert learned(level, 0.225, 30).openness(0.225) > 0.97


def test_time_that_runs_back_unlearns_nothing() -> None:
    level = OpenLevel(0.3, 5.0)
    assert level.learn(0.03, 0.0).level == 0.3


SETTINGS = InferenceSettings(busy_fraction=0.5, idle_frames_per_second=7)


def paced(pacer: Pacer, begin: float, seconds: float, cost: float, *, empty: bool = False) -> list[float]:
    """Intervals asked for while frames cost so much processor time each."""
    intervals = []
    at = begin
    while at < begin + seconds:
        interval = pacer.step(at, cost, empty=empty)
        intervals.append(interval)
        at += max(1 / 30, interval)
    return intervals


def test_a_board_that_can_bear_it_takes_every_frame() -> None:
    pacer = Pacer(SETTINGS, 30)
    assert set(paced(pacer, 0, 5, 0.010)) == {0.0}
    assert not pacer.slowed


def test_a_board_that_is_too_slow_lowers_its_rate_smoothly() -> None:
    pacer = Pacer(SETTINGS, 30)
    paced(pacer, 0, 3, 0.010)
    intervals = paced(pacer, 3, 10, 0.050)
    assert pacer.slowed
    assert intervals[-1] == pytest.approx(0.050 / 0.5, rel=0.05)
    asked = [one for one in intervals if one]
    assert asked == sorted(asked)
    assert all(after - before < 0.02 for before, after in itertools.pairwise(asked))


def test_a_board_that_has_time_again_takes_every_frame_again() -> None:
    pacer = Pacer(SETTINGS, 30)
    paced(pacer, 0, 10, 0.050)
    assert pacer.slowed
    assert paced(pacer, 10, 10, 0.010)[-1] == 0
    assert not pacer.slowed


def test_one_slow_frame_is_no_slow_board() -> None:
    pacer = Pacer(SETTINGS, 30)
    paced(pacer, 0, 3, 0.010)
    pacer.step(3.0, 0.1, empty=False)
    assert not pacer.slowed


def test_an_empty_still_scene_is_looked_at_at_the_idle_rate() -> None:
    pacer = Pacer(SETTINGS, 30)
    paced(pacer, 0, 1, 0.010)
    intervals = paced(pacer, 1, 4, 0.001, empty=True)
    assert intervals[0] == 0, "not at once"
    assert intervals[-1] == pytest.approx(1 / 7)
    assert pacer.idle
    assert not pacer.slowed
    assert pacer.step(5.2, 0.010, empty=False) == 0, "whoever walks in ends it at once"
    assert not pacer.idle


def test_a_scene_that_is_empty_from_the_start_is_not_idle_at_once() -> None:
    """The clock is the machine's and does not begin at nought."""
    pacer = Pacer(SETTINGS, 30)
    assert pacer.step(86_400.0, 0.001, empty=True) == 0
    assert not pacer.idle


def test_what_an_idle_frame_costs_says_nothing_of_a_busy_one() -> None:
    pacer = Pacer(SETTINGS, 30)
    paced(pacer, 0, 10, 0.050)
    paced(pacer, 10, 10, 0.0005, empty=True)
    assert pacer.step(20, 0.050, empty=False) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("idle", [5, 20])
def test_the_idle_rate_is_a_setting(idle: int) -> None:
    pacer = Pacer(InferenceSettings(idle_frames_per_second=idle), 30)
    assert paced(pacer, 0, 5, 0.001, empty=True)[-1] == pytest.approx(1 / idle)
