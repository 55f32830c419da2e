"""The real uinput, read back from its event device. Needs a kernel with uinput and the right to use it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing import uinput
from edged.actuators.typing.keyboard import Pace, finish
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.layout import load_layout
from edged.errors import KeyboardBlocked, KeyboardUnavailable
from tests.actuators.typing.xkb_keyboard import XkbKeyboard

pytest.importorskip("evdev", reason="python-evdev is not installed")

from evdev import InputDevice, ecodes, list_devices

FAST = Pace(keys_per_second=200, hold_seconds=0.002)
needs_uinput = pytest.mark.skipif(
    bool(uinput.obstacle()), reason=f"uinput cannot be used here: {uinput.obstacle()} (modprobe uinput, as root)"
)


@pytest.fixture
def keyboard() -> Iterator[uinput.UinputKeyboard]:
    opened = uinput.UinputKeyboard(load_layout("de"), settle_seconds=0.5)
    yield opened
    opened.close()


def reader(path: str | None) -> InputDevice[Any]:
    assert path is not None
    device = InputDevice(path)
    device.grab()  # the text console of the machine must not get what is typed here
    return device


def slowly(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def key_events(device: InputDevice[Any], quiet_seconds: float = 0.5) -> list[tuple[int, int]]:
    events = []
    while select.select([device.fd], [], [], quiet_seconds)[0]:
        try:
            events += [(event.code, event.value) for event in device.read() if event.type == ecodes.EV_KEY]
        except OSError:
            return events  # the device is gone
    return events


def text_of(events: list[tuple[int, int]], layout: str) -> str:
    computer = XkbKeyboard(layout)
    for code, value in events:
        assert value in {0, 1}, "a key was repeated"
        (computer.press if value else computer.release)(code)
    assert not computer.held
    return computer.text


@needs_uinput
def test_a_reader_of_the_device_sees_exactly_the_keys_and_all_released(keyboard: uinput.UinputKeyboard) -> None:
    device = reader(keyboard.device_path)
    events = []
    for pause in keyboard.type_text(Text("Grüße, Zoë! ~^"), FAST):
        events += key_events(device, quiet_seconds=pause)  # its buffer is small
    events += key_events(device)
    assert text_of(events, "de") == "Grüße, Zoë! ~^"
    names = [
        *["+LEFTSHIFT +G -G -LEFTSHIFT +R -R +LEFTBRACE -LEFTBRACE +MINUS -MINUS +E -E +COMMA -COMMA +SPACE -SPACE"],
        *["+LEFTSHIFT +Y -Y -LEFTSHIFT +O -O +RIGHTALT +LEFTBRACE -LEFTBRACE -RIGHTALT +E -E"],
        *["+LEFTSHIFT +1 -1 -LEFTSHIFT +SPACE -SPACE +RIGHTALT +RIGHTBRACE -RIGHTBRACE -RIGHTALT"],
        *["+GRAVE -GRAVE +SPACE -SPACE"],
    ]
    wanted = [(ecodes.ecodes[f"KEY_{name[1:]}"], int(name[0] == "+")) for name in " ".join(names).split()]
    assert events == wanted
    assert device.active_keys() == []


@needs_uinput
@pytest.mark.parametrize("layout", ["us", "gb", "de", "fr", "es"])
def test_every_character_of_the_layout_arrives(layout: str) -> None:
    keyboard = uinput.UinputKeyboard(load_layout(layout), settle_seconds=0.5)
    device = reader(keyboard.device_path)
    everything = "".join(load_layout(layout).characters)
    events = []
    for _ in keyboard.type_text(Text(everything), FAST):
        events += key_events(device, quiet_seconds=0)
    events += key_events(device)
    keyboard.close()
    assert text_of(events, layout) == everything


@needs_uinput
def test_a_chord_and_a_stop_in_the_middle_leave_nothing_down(keyboard: uinput.UinputKeyboard) -> None:
    device = reader(keyboard.device_path)
    finish(keyboard.chord(parse_chord("ctrl+c"), FAST), lambda _: False)
    assert key_events(device) == [(29, 1), (46, 1), (46, 0), (29, 0)]
    with keyboard.type_text(Text("AB"), FAST) as typing:
        next(typing)
        assert sorted(device.active_keys()) == [30, 42]
    assert device.active_keys() == []


@needs_uinput
def test_a_click_is_seen_on_the_mouse(keyboard: uinput.UinputKeyboard) -> None:
    device = reader(keyboard._pointer.device.path)
    finish(keyboard.click("right", FAST), lambda _: False)
    assert key_events(device) == [(ecodes.BTN_RIGHT, 1), (ecodes.BTN_RIGHT, 0)]


@needs_uinput
def test_caps_lock_at_the_computer_is_seen_and_nothing_is_typed(keyboard: uinput.UinputKeyboard) -> None:
    device = reader(keyboard.device_path)
    device.set_led(ecodes.LED_CAPSL, 1)
    with pytest.raises(KeyboardBlocked, match="Caps Lock is on"):
        finish(keyboard.type_text(Text("a"), FAST), lambda _: False)
    assert key_events(device) == []
    device.set_led(ecodes.LED_CAPSL, 0)
    assert finish(keyboard.type_text(Text("a"), FAST), lambda _: False)


@needs_uinput
def test_a_closed_keyboard_says_so(keyboard: uinput.UinputKeyboard) -> None:
    keyboard.close()
    with pytest.raises(KeyboardUnavailable, match="closed"):
        finish(keyboard.type_text(Text("a"), FAST), lambda _: False)


PROGRAM = """
import time
from edged.actuators.typing.keyboard import Pace
from edged.actuators.typing.layout import load_layout
from edged.actuators.sensitive import Text
from edged.actuators.typing.uinput import UinputKeyboard
keyboard = UinputKeyboard(load_layout("de"), settle_seconds=0)
print(keyboard.device_path, flush=True)
input()
typing = keyboard.type_text(Text("Wort"), Pace())
next(typing)
print("down", flush=True)
time.sleep(600)
"""


TIOCLINUX, GET_SHIFT_STATE, SHIFT = 0x541C, 6, 1


def shift_is_down_on_the_console() -> bool:
    """What the kernel's own text console knows, which joins all keyboards as a desktop does."""
    with Path("/dev/tty0").open("rb") as console:
        answer = bytearray([GET_SHIFT_STATE])
        fcntl.ioctl(console, TIOCLINUX, answer)
        return bool(answer[0] & SHIFT)


@needs_uinput
@pytest.mark.skipif(not Path("/dev/tty0").exists(), reason="there is no text console here")
def test_a_process_that_is_killed_in_the_middle_of_a_word_leaves_no_key_down() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None
    assert process.stdout is not None
    path = process.stdout.readline().decode().strip()
    device: InputDevice[Any] = InputDevice(path)  # not grabbed: the console is to see the keys
    process.stdin.write(b"\n")
    assert process.stdout.readline() == b"down\n"
    assert [code for code, value in key_events(device) if value] == [ecodes.KEY_LEFTSHIFT, ecodes.KEY_W]
    assert shift_is_down_on_the_console()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while path in list_devices() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path not in list_devices()
    assert not shift_is_down_on_the_console()
    with pytest.raises(OSError, match="No such device"):
        os.read(device.fd, 24)
    device.close()


def test_a_machine_without_uinput_says_how_to_get_it() -> None:
    found = uinput.obstacle()
    if found is None:
        pytest.skip("uinput is here")
    with pytest.raises(KeyboardUnavailable, match="uinput: "):
        uinput.UinputKeyboard(load_layout("us"))
