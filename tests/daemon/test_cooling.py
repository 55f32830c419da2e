"""The pace of a board that gets hot, in simulated time, on boards of simulated heat."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.cooling import Pace, frames_per_second, paced, steps_to

WANTED, LEAST, MARGIN, LIMIT = 15.0, 2.0, 5.0, 80.0
STEPS = steps_to(WANTED, LEAST)
LOOK_SECONDS = 5.0


@dataclass
class Board:
    """A chip on a heat sink: two heat capacities in a row (°C, W, J/K, K/W). The firmware's own throttling is left out, so
    that nothing helps the pace.
    """

    ambient: float
    watts_idle: float
    watts_per_frame: float
    chip: float = 40.0
    sink: float = 40.0
    chip_capacity: float = 4.0
    sink_capacity: float = 40.0
    chip_to_sink: float = 2.0
    sink_to_air: float = 8.0

    def pass_time(self, rate: float, seconds: float) -> None:
        for _ in range(int(seconds)):
            through = (self.chip - self.sink) / self.chip_to_sink
            self.chip += (self.watts_idle + self.watts_per_frame * rate - through) / self.chip_capacity
            self.sink += (through - (self.sink - self.ambient) / self.sink_to_air) / self.sink_capacity

    def settled(self, rate: float) -> float:
        return self.ambient + (self.watts_idle + self.watts_per_frame * rate) * (self.chip_to_sink + self.sink_to_air)


class Run:
    """Two parts of one system: the board heats by the pace, the pace follows the board."""

    def __init__(self, board: Board) -> None:
        self.board, self.pace, self.now = board, Pace(), 1000.0
        self.rates: list[tuple[float, float]] = []
        self.hottest = 0.0

    def go(self, hours: float) -> None:
        end = self.now + hours * 3600
        while self.now < end:
            self.pace = paced(self.pace, LIMIT - self.board.chip, self.now, margin_celsius=MARGIN, steps=STEPS)
            rate = frames_per_second(self.pace, WANTED, LEAST) or WANTED
            if not self.rates or self.rates[-1][1] != rate:
                self.rates.append((self.now, rate))
            self.board.pass_time(rate, LOOK_SECONDS)
            self.hottest = max(self.hottest, self.board.chip)
            self.now += LOOK_SECONDS

    def changes_since(self, hours_ago: float) -> int:
        return sum(at > self.now - hours_ago * 3600 for at, _ in self.rates)

    @property
    def rate(self) -> float:
        return self.rates[-1][1]


def test_a_cool_board_takes_all_frames() -> None:
    run = Run(Board(ambient=25, watts_idle=2, watts_per_frame=0.1))
    run.go(2)
    assert run.rates == [(1000.0, WANTED)]


@pytest.mark.parametrize("ambient", [30.0, 38.0, 46.0])
@pytest.mark.parametrize("watts_per_frame", [0.15, 0.25, 0.4])
@pytest.mark.parametrize("sink_capacity", [15.0, 40.0, 150.0])
def test_a_hot_board_never_reaches_the_limit_and_settles(
    ambient: float, watts_per_frame: float, sink_capacity: float
) -> None:
    board = Board(ambient=ambient, watts_idle=2, watts_per_frame=watts_per_frame, sink_capacity=sink_capacity)
    assert board.settled(LEAST) < LIMIT - MARGIN
    run = Run(board)
    run.go(8)
    assert run.hottest < LIMIT
    # One more look upwards an hour, and back, is the most there is to see.
    assert run.changes_since(3.0) <= 6
    # It is not slower than need be: a step or two up would be too hot.
    assert run.rate == WANTED or board.settled(min(WANTED, run.rate / 0.8**2)) > LIMIT - MARGIN - 4


def test_it_recovers_by_itself_when_the_sun_has_gone() -> None:
    run = Run(Board(ambient=45, watts_idle=2, watts_per_frame=0.25))
    run.go(6)
    assert run.rate < WANTED
    slow = run.rate
    run.board.ambient = 10
    run.go(0.1)
    assert slow <= run.rate < WANTED
    run.go(2)
    assert run.rate == WANTED


def test_a_board_that_is_hot_by_itself_is_left_with_the_least() -> None:
    run = Run(Board(ambient=70, watts_idle=2, watts_per_frame=0.25))
    run.go(1)
    assert run.rate == LEAST
    assert run.changes_since(0.5) == 0


def test_at_the_limit_it_goes_down_with_every_look() -> None:
    pace = Pace()
    for look in range(4):
        pace = paced(pace, -1.0, 5.0 * look, margin_celsius=MARGIN, steps=STEPS)
    assert pace.step == 4


def test_what_is_not_known_changes_nothing() -> None:
    pace = Pace(step=3, changed_at=0.0)
    assert paced(pace, None, 1e6, margin_celsius=MARGIN, steps=STEPS) == pace


def test_steps_reach_the_least_and_no_further() -> None:
    assert steps_to(15, 15) == 0
    assert steps_to(2, 15) == 0
    assert frames_per_second(Pace(step=STEPS), WANTED, LEAST) == LEAST
    assert (frames_per_second(Pace(step=STEPS - 1), WANTED, LEAST) or 0) > LEAST
    assert frames_per_second(Pace(), WANTED, LEAST) is None


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.floats(-50, 100)), st.floats(0, 5000)), max_size=60), st.integers(0, 12)
)
def test_whatever_is_measured_the_pace_stays_within_its_bounds(
    looks: list[tuple[float | None, float]], steps: int
) -> None:
    pace, now = Pace(), 0.0
    for headroom, passed in looks:
        now += passed
        before = pace.step
        pace = paced(pace, headroom, now, margin_celsius=MARGIN, steps=steps)
        assert 0 <= pace.step <= steps
        assert abs(pace.step - before) <= 1
        assert 120 <= pace.patience_seconds <= 3600
