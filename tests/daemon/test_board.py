"""What boards say of heat and power: the files of several, and what edged makes of them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edged.daemon import board
from edged.daemon.board_care import BoardCare
from edged.daemon.board_throttling import Throttling, ThrottlingWatch, cure
from edged.settings import Settings

BOARDS = Path(__file__).with_name("boards")


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


def lay_out(name: str, root: Path) -> Path:
    """The files of a board."""
    for line in (BOARDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            path, _, value = line.rpartition(":")
            put(root / path, value)
    return root


def test_a_pi_4_on_a_weak_supply(tmp_path: Path) -> None:
    root = lay_out("pi4", tmp_path)
    assert board.zones(root) == [board.Zone("cpu-thermal", 61.342, None)]
    assert board.headroom_celsius(root=root) == pytest.approx(80 - 61.342)
    found = ThrottlingWatch(root).look()
    assert found == Throttling(("under-voltage", "throttled"), ("under-voltage", "throttled"))
    assert cure(found.now).startswith("use a better power supply")


def test_a_pi_5_at_its_soft_limit_whose_fan_runs(tmp_path: Path) -> None:
    root = lay_out("pi5", tmp_path)
    found = ThrottlingWatch(root).look()
    assert found == Throttling(("soft temperature limit",), ("soft temperature limit",))
    assert cure(found.now).startswith("cool the board")
    assert (board.headroom_celsius(root=root) or 0) < 0


def test_a_pi_3_plus_under_ubuntu_has_a_lower_limit_and_the_kernels_alarm(tmp_path: Path) -> None:
    root = lay_out("pi3plus_ubuntu", tmp_path)
    assert board.headroom_celsius(root=root) == pytest.approx(60 - 53.692)
    watch = ThrottlingWatch(root)
    assert watch.look() == Throttling((), ())
    put(root / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1")
    assert watch.look() == Throttling(("under-voltage",), ("under-voltage",))
    put(root / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0")
    assert watch.look() == Throttling((), ("under-voltage",))


def test_a_jetson_tells_its_limits_itself_and_counts_over_currents(tmp_path: Path) -> None:
    root = lay_out("orin_nano", tmp_path)
    assert [zone.name for zone in board.zones(root)] == ["cpu-thermal", "gpu-thermal", "tj-thermal"]
    assert board.temperature_celsius(root) == 53.5
    assert board.headroom_celsius(root=root) == pytest.approx(99 - 53.5)
    watch = ThrottlingWatch(root)
    assert watch.look() == Throttling((), ("over-current",))
    put(root / "sys/class/hwmon/hwmon4/oc3_event_cnt", "3")
    assert watch.look() == Throttling(("over-current",), ("over-current",))
    assert watch.look() == Throttling((), ("over-current",))
    put(root / "sys/class/thermal/cooling_device2/cur_state", "1")
    now = watch.look()
    assert now is not None
    assert now.now == ("clock lowered by the kernel",)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert board.temperature_celsius(tmp_path) is None
    assert board.headroom_celsius(root=tmp_path) is None
    assert ThrottlingWatch(tmp_path).look() is None
    assert board.model(tmp_path) == ""


@pytest.mark.parametrize(
    ("bit", "words"),
    [(0, "under-voltage"), (1, "frequency capped"), (2, "throttled"), (3, "soft temperature limit")],
)
def test_each_bit_of_the_firmware_now_and_since_boot(tmp_path: Path, bit: int, words: str) -> None:
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    put(firmware, f"{1 << bit:x}")
    assert ThrottlingWatch(tmp_path).look() == Throttling((words,), (words,))
    put(firmware, f"0x{1 << (bit + 16):x}")
    assert ThrottlingWatch(tmp_path).look() == Throttling((), (words,))


def test_nonsense_of_the_firmware_is_no_throttling(tmp_path: Path) -> None:
    put(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "error=1")
    assert ThrottlingWatch(tmp_path).look() is None


def test_a_fan_at_work_is_no_throttling(tmp_path: Path) -> None:
    put(tmp_path / "sys/class/thermal/cooling_device0/type", "pwm-fan")
    put(tmp_path / "sys/class/thermal/cooling_device0/cur_state", "3")
    assert ThrottlingWatch(tmp_path).look() is None


def test_an_owner_may_set_the_limit(tmp_path: Path) -> None:
    assert board.headroom_celsius(70.0, lay_out("orin_nano", tmp_path)) == pytest.approx(16.5)


class Watched:
    """A board that is looked after, in simulated time."""

    def __init__(self, root: Path, **cooling: object) -> None:
        self.root = root
        self.intervals: list[float] = []
        self.care = BoardCare(self.intervals.append, root)
        self.settings = Settings.model_validate({"capture": {"frames_per_second": 15}, "cooling": cooling})
        self.now = 100.0

    def at(self, celsius: float, seconds: float) -> None:
        put(self.root / "sys/class/thermal/thermal_zone0/temp", str(int(celsius * 1000)))
        end = self.now + seconds
        while self.now < end:
            self.care.tick(self.settings, self.now)
            self.now += 1.0


def test_a_board_that_heats_up_is_slowed_step_by_step_and_left_alone_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched(lay_out("pi4", tmp_path))
    put(watched.root / "sys/devices/platform/soc/soc:firmware/get_throttled", "0")
    watched.at(60, 600)
    assert watched.intervals == []
    watched.at(76, 65)
    assert watched.care.slowed_to == pytest.approx(15 * 0.8**3, abs=0.05)
    watched.at(74, 600)  # between: neither up nor down
    assert len(watched.intervals) == 3
    watched.at(60, 1500)
    assert watched.care.slowed_to is None
    assert watched.intervals[-1] == 0.0
    notices = [getattr(record, "EDGED_NOTICE", "") for record in caplog.records]
    assert notices[0] == "board_hot"
    assert notices[-1] == "board_cool"
    assert "at most 12.0 frames a second" in caplog.records[0].message


def test_at_the_firmwares_soft_limit_it_slows_whatever_the_thermometer_says(tmp_path: Path) -> None:
    watched = Watched(lay_out("pi5", tmp_path))
    watched.at(62, 30)
    assert watched.care.slowed_to is not None


def test_cooling_that_is_switched_off_does_nothing(tmp_path: Path) -> None:
    watched = Watched(lay_out("pi5", tmp_path), enabled=False)
    watched.at(85, 300)
    assert watched.intervals == []
    assert watched.care.celsius == 85


def test_cooling_that_is_switched_off_on_a_hot_board_gives_all_frames_back_and_calls_it_not_cool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched(lay_out("pi4", tmp_path))
    put(watched.root / "sys/devices/platform/soc/soc:firmware/get_throttled", "0")
    watched.at(78, 100)
    assert watched.intervals[-1] > 0.0
    watched.settings = Settings.model_validate({"capture": {"frames_per_second": 15}, "cooling": {"enabled": False}})
    watched.at(78, 10)
    assert watched.intervals[-1] == 0.0
    assert "board_cool" not in [getattr(record, "EDGED_NOTICE", "") for record in caplog.records]
    assert "cooling is off" in caplog.records[-1].message


def test_what_slows_the_board_is_logged_once_with_its_cure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(lay_out("pi4", tmp_path))
    watched.at(50, 60)
    assert [record.message for record in caplog.records] == [
        "the board slows itself down: under-voltage, throttled (use a better power supply, and a short, thick cable)"
    ]
