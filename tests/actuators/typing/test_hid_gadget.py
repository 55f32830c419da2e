"""The USB keyboard with a pseudo terminal in the place of `/dev/hidg0`: a character device with both ends here."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing.hid_gadget import HidGadgetKeyboard
from edged.actuators.typing.keyboard import Pace, finish
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.layout import load_layout
from edged.errors import KeyboardBlocked, KeyboardUnavailable, KeyboardUnsupported, Untypeable
from tests.actuators.typing.xkb_keyboard import XkbKeyboard
from tests.pseudo_terminal import open_terminal

pytest.importorskip("evdev", reason="python-evdev is not installed")

from tests.actuators.typing.usb_host import UsbHost

FAST = Pace(keys_per_second=1000, hold_seconds=0)


@dataclass
class Cable:
    """Both ends: `device` is what the keyboard opens, `computer` a descriptor that reads reports and writes lamps."""

    device: Path
    computer: int
    host: UsbHost = field(default_factory=UsbHost)
    received: bytes = b""

    def read_along(self, quiet_seconds: float = 0) -> None:
        """Take what was sent, until nothing comes for this long."""
        while select.select([self.computer], [], [], quiet_seconds)[0]:
            self.received += os.read(self.computer, 4096)

    def reports(self, quiet_seconds: float = 0.2) -> list[bytes]:
        """Everything sent until it is quiet, in reports of 8 bytes."""
        self.read_along(quiet_seconds)
        received, self.received = self.received, b""
        assert len(received) % 8 == 0
        return [received[start : start + 8] for start in range(0, len(received), 8)]

    def text(self, layout: str) -> str:
        """What a computer with this layout reads."""
        try:
            keyboard = XkbKeyboard(layout)
        except (OSError, ValueError) as error:
            pytest.skip(f"libxkbcommon, xkb-data or libx11-data are not here: {error}")
        for report in self.reports():
            for code, pressed in self.host.take(report):
                (keyboard.press if pressed else keyboard.release)(code)
        assert not keyboard.held
        return keyboard.text


@pytest.fixture
def cable() -> Iterator[Cable]:
    computer, device = open_terminal()
    tty.setraw(device)
    yield Cable(Path(os.ttyname(device)), computer)
    os.close(device)
    os.close(computer)


@pytest.fixture
def keyboard(cable: Cable) -> Iterator[HidGadgetKeyboard]:
    opened = HidGadgetKeyboard(load_layout("de"), cable.device, patience_seconds=0.3)
    yield opened
    opened.close()


@pytest.mark.parametrize("layout", ["us", "gb", "de", "fr", "es"])
def test_the_computer_reads_every_character_of_the_layout(cable: Cable, layout: str) -> None:
    everything = "".join(load_layout(layout).characters)
    keyboard = HidGadgetKeyboard(load_layout(layout), cable.device)
    try:
        typing = keyboard.type_text(Text(everything), FAST)
        for _ in typing:
            cable.read_along()
        assert typing.typed == len(everything)
    finally:
        keyboard.close()
    assert cable.text(layout) == everything


def test_the_first_report_and_the_last_have_all_keys_up(cable: Cable) -> None:
    keyboard = HidGadgetKeyboard(load_layout("de"), cable.device)
    assert cable.reports() == [bytes(8)]
    assert finish(keyboard.type_text(Text("A"), FAST), lambda _: False)
    reports = cable.reports()
    assert reports[0] == bytes(8)
    assert reports[-1] == bytes(8)
    assert bytes([2, 0, 4, 0, 0, 0, 0, 0]) in reports
    keyboard.close()
    assert cable.reports()[-1] == bytes(8)


def test_modifiers_go_down_before_their_key_and_up_after_it(cable: Cable, keyboard: HidGadgetKeyboard) -> None:
    cable.reports()
    finish(keyboard.chord(parse_chord("ctrl+alt+del"), FAST), lambda _: False)
    assert [report[:3].hex() for report in cable.reports()] == [
        *["000000", "010000", "050000", "05004c", "050000", "010000", "000000", "000000"]
    ]


def test_a_text_is_stopped_in_the_middle(cable: Cable, keyboard: HidGadgetKeyboard) -> None:
    typing = keyboard.type_text(Text("Grüße, Zoë"), FAST)
    with typing:
        while typing.typed < 3:
            next(typing)
    assert cable.text("de") == "Grü"


def test_what_cannot_be_typed_is_refused_before_the_first_report(cable: Cable, keyboard: HidGadgetKeyboard) -> None:
    cable.reports()
    with pytest.raises(Untypeable, match=r"character 2 \('日' U\+65E5\) cannot be typed with layout de"):
        keyboard.type_text(Text("a日"), FAST)
    assert cable.reports() == []


def test_caps_lock_at_the_computer_is_seen_and_nothing_is_typed(cable: Cable, keyboard: HidGadgetKeyboard) -> None:
    cable.reports()
    os.write(cable.computer, b"\x02")
    with pytest.raises(KeyboardBlocked, match="Caps Lock is on"):
        finish(keyboard.type_text(Text("a"), FAST), lambda _: False)
    assert set(cable.reports()) == {bytes(8)}
    os.write(cable.computer, b"\x00")
    assert finish(keyboard.type_text(Text("a"), FAST), lambda _: False)
    assert cable.text("de") == "a"


def test_a_computer_that_does_not_read_is_an_error_in_bounded_time(cable: Cable, keyboard: HidGadgetKeyboard) -> None:
    typing = keyboard.type_text(Text("a" * 100_000), FAST)
    with pytest.raises(KeyboardBlocked, match=r"the computer has not read a key for 0.3 s.*\(wake it up"):
        for _ in typing:
            pass
    assert 0 < typing.typed < 100_000
    # When it reads again, whatever was in the queue is released.
    for report in cable.reports(quiet_seconds=1.0):
        cable.host.take(report)
    assert cable.host.held == []
    # And the next text is typed as if nothing had been.
    assert finish(keyboard.type_text(Text("b"), FAST), lambda _: False)
    assert cable.text("de") == "b"


def test_a_mouse_that_is_not_set_up_is_refused(keyboard: HidGadgetKeyboard) -> None:
    with pytest.raises(KeyboardUnsupported, match="cannot click the left button: no USB mouse is set up"):
        keyboard.click("left", FAST)


def test_a_click_is_pressed_and_released_on_the_mouse(cable: Cable) -> None:
    computer, device = open_terminal()
    tty.setraw(device)
    keyboard = HidGadgetKeyboard(load_layout("us"), cable.device, Path(os.ttyname(device)))
    finish(keyboard.click("right", FAST), lambda _: False)
    keyboard.close()
    received = os.read(computer, 100)
    os.close(computer)
    os.close(device)
    reports = [received[start : start + 3] for start in range(0, len(received), 3)]
    assert b"\x02\0\0" in reports
    assert reports[-1] == bytes(3)
    assert set(reports) == {bytes(3), b"\x02\0\0"}


def test_a_device_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardUnavailable, match=r"hid_gadget: .*(dtoverlay=dwc2|scripts/usb-keyboard up)"):
        HidGadgetKeyboard(load_layout("us"), tmp_path / "hidg0")


def test_a_device_that_goes_away_is_an_error_and_close_raises_nothing(cable: Cable) -> None:
    keyboard = HidGadgetKeyboard(load_layout("us"), cable.device, patience_seconds=0.3)
    descriptor = keyboard._descriptors[cable.device]
    os.close(descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), descriptor)  # writing fails from now on, as with a gadget taken down
    with pytest.raises(KeyboardUnavailable, match="takes no keys"):
        finish(keyboard.type_text(Text("a"), FAST), lambda _: False)
    keyboard.close()
    keyboard.close()


PROGRAM = """
import sys, time
from pathlib import Path
from edged.actuators.typing.hid_gadget import HidGadgetKeyboard
from edged.actuators.typing.keyboard import Pace
from edged.actuators.typing.layout import load_layout
from edged.actuators.sensitive import Text
keyboard = HidGadgetKeyboard(load_layout("de"), Path(sys.argv[1]))
typing = keyboard.type_text(Text("AB"), Pace())
next(typing)
print("down", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGABRT])
def test_a_process_that_is_killed_with_keys_down_leaves_none_down(cable: Cable, number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(cable.device)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"down\n"
    for report in cable.reports():
        cable.host.take(report)
    assert len(cable.host.held) == 2  # Shift and A
    process.send_signal(number)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while cable.host.held and time.monotonic() < deadline:
        for report in cable.reports():
            cable.host.take(report)
    assert cable.host.held == []


def test_a_keyboard_that_is_closed_leaves_no_program_behind(cable: Cable) -> None:
    keyboard = HidGadgetKeyboard(load_layout("us"), cable.device)
    guard = keyboard._guard
    assert guard is not None
    keyboard.close()
    assert not guard.alive
