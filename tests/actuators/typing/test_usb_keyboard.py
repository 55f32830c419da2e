"""Both ends of a USB cable in one kernel: `scripts/usb-keyboard` on dummy_hcd, read where the computer reads it.

Needs root, configfs and dummy_hcd: a Debian kernel in a virtual machine has them.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing.hid_gadget import DEVICE, MOUSE_DEVICE, HidGadgetKeyboard, connection
from edged.actuators.typing.keyboard import Pace, finish
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.layout import load_layout
from edged.errors import KeyboardBlocked, KeyboardError
from tests.actuators.typing.xkb_keyboard import XkbKeyboard

pytest.importorskip("evdev", reason="python-evdev is not installed")

from evdev import InputDevice, ecodes, list_devices

SCRIPT = Path(__file__).parents[3] / "scripts" / "usb-keyboard"
Device = Callable[..., "InputDevice[Any]"]
PACE = Pace(keys_per_second=50, hold_seconds=0.01)


def usb_keyboard(*arguments: str) -> str:
    shown = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return shown.stdout


@pytest.fixture(scope="module")
def gadget() -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("modprobe") is None:
        pytest.skip("needs root and modprobe")
    if subprocess.run(["modprobe", "dummy_hcd"], capture_output=True, check=False).returncode:
        pytest.skip(
            "the kernel has no module dummy_hcd, a USB port with both ends (a Debian kernel in a virtual machine does)"
        )
    assert "keyboard" in usb_keyboard("up", "--mouse")
    assert wait_until(lambda: connection() == "configured")
    yield
    usb_keyboard("down")
    assert not DEVICE.exists()


def wait_until(what: object, seconds: float = 20) -> bool:
    assert callable(what)
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def computers_device() -> Iterator[Callable[..., InputDevice[Any]]]:
    """Opens the event device of the gadget on the side of the computer; what was opened is closed afterwards."""
    opened = []

    def open_it(button: bool = False) -> InputDevice[Any]:
        assert wait_until(lambda: find(button))
        device = find(button)[0]
        device.grab()
        opened.append(device)
        return device

    yield open_it
    for device in opened:
        device.close()


def find(button: bool) -> list[InputDevice[Any]]:
    code = ecodes.BTN_LEFT if button else ecodes.KEY_A
    found = []
    for path in list_devices():
        device = InputDevice(path)
        if (
            device.info.bustype == ecodes.BUS_USB
            and "edged" in device.name
            and code in device.capabilities().get(ecodes.EV_KEY, [])
        ):
            found.append(device)
        else:
            device.close()
    return found


def key_events(device: InputDevice[Any], quiet_seconds: float = 0.5) -> list[tuple[int, int]]:
    events = []
    while select.select([device.fd], [], [], quiet_seconds)[0]:
        events += [(event.code, event.value) for event in device.read() if event.type == ecodes.EV_KEY]
    return [event for event in events if event[1] != 2]


def text_of(events: list[tuple[int, int]], layout: str) -> str:
    computer = XkbKeyboard(layout)
    for code, value in events:
        (computer.press if value else computer.release)(code)
    assert not computer.held
    return computer.text


def slowly(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def test_the_text_arrives_at_the_computer_and_all_keys_are_up(gadget: None, computers_device: Device) -> None:
    device = computers_device()
    keyboard = HidGadgetKeyboard(load_layout("de"), MOUSE_DEVICE.with_name("hidg0"), MOUSE_DEVICE)
    events = []
    for pause in keyboard.type_text(Text("Grüße, Zoë! ~^"), PACE):
        events += key_events(device, quiet_seconds=pause)  # its buffer is small
    events += key_events(device)
    assert text_of(events, "de") == "Grüße, Zoë! ~^"
    assert finish(keyboard.chord(parse_chord("ctrl+alt+f24"), PACE), slowly)
    assert [code for code, value in key_events(device) if value] == [
        *[ecodes.KEY_LEFTCTRL, ecodes.KEY_LEFTALT, ecodes.KEY_F24]
    ]
    assert device.active_keys() == []
    keyboard.close()


@pytest.mark.parametrize("layout", ["us", "gb", "de", "fr", "es"])
def test_every_character_of_the_layout_arrives(gadget: None, computers_device: Device, layout: str) -> None:
    device = computers_device()
    keyboard = HidGadgetKeyboard(load_layout(layout))
    # Of several hundred, those that Windows types as well: the machine is emulated, and slow.
    layout_has = load_layout(layout).characters
    everything = "".join(each for each in load_layout(f"{layout}-windows").characters if each in layout_has)
    events = []
    for _ in keyboard.type_text(Text(everything), Pace(keys_per_second=1000, hold_seconds=0)):
        events += key_events(device, quiet_seconds=0)
    events += key_events(device)
    keyboard.close()
    assert text_of(events, layout) == everything


def test_a_click_arrives_at_the_computer(gadget: None, computers_device: Device) -> None:
    device = computers_device(button=True)
    keyboard = HidGadgetKeyboard(load_layout("us"), DEVICE, MOUSE_DEVICE)
    assert finish(keyboard.click("middle", PACE), slowly)
    assert key_events(device) == [(ecodes.BTN_MIDDLE, 1), (ecodes.BTN_MIDDLE, 0)]
    keyboard.close()


def test_caps_lock_of_the_computer_is_seen_through_the_cable(gadget: None, computers_device: Device) -> None:
    device = computers_device()
    keyboard = HidGadgetKeyboard(load_layout("us"))
    device.set_led(ecodes.LED_CAPSL, 1)
    time.sleep(1)
    with pytest.raises(KeyboardBlocked, match="Caps Lock is on"):
        finish(keyboard.type_text(Text("a"), PACE), slowly)
    device.set_led(ecodes.LED_CAPSL, 0)
    time.sleep(1)
    assert finish(keyboard.type_text(Text("a"), PACE), slowly)
    assert text_of(key_events(device), "us") == "a"
    keyboard.close()


PROGRAM = """
import time
from edged.actuators.typing.hid_gadget import HidGadgetKeyboard
from edged.actuators.typing.keyboard import Pace
from edged.actuators.typing.layout import load_layout
from edged.actuators.sensitive import Text
keyboard = HidGadgetKeyboard(load_layout("de"))
typing = keyboard.type_text(Text("Wort"), Pace())
next(typing)
print("down", flush=True)
time.sleep(600)
"""


def test_a_process_that_is_killed_in_the_middle_of_a_word_leaves_no_key_down(
    gadget: None, computers_device: Device
) -> None:
    device = computers_device()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"down\n"
    assert wait_until(lambda: sorted(device.active_keys()) == [ecodes.KEY_W, ecodes.KEY_LEFTSHIFT])
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert wait_until(lambda: device.active_keys() == [])


def test_the_script_says_the_same_when_asked_again(gadget: None, computers_device: Device) -> None:
    assert "is up already" in usb_keyboard("up")
    assert "configured" in usb_keyboard("status")


def test_a_computer_that_lets_go_of_the_keyboard_is_named_and_typing_goes_on_when_it_takes_it_again(
    gadget: None, computers_device: Device
) -> None:
    # For the gadget a computer that forbids the device is one that was unplugged; that can be done from here.
    [plug] = [
        path.parent / "authorized"
        for path in Path("/sys/bus/usb/devices").glob("*/product")
        if path.read_text().strip() == "edged keyboard"
    ]
    with closing(HidGadgetKeyboard(load_layout("us"))) as keyboard:
        plug.write_text("0\n")
        assert wait_until(lambda: not find(button=False))
        with pytest.raises(KeyboardError, match=r"no computer is connected|the computer has not read"):
            finish(keyboard.type_text(Text("a"), PACE), slowly)
        plug.write_text("1\n")
        device = computers_device()
        time.sleep(1)
        assert finish(keyboard.type_text(Text("back"), PACE), slowly)
        assert text_of(key_events(device), "us") == "back"


def test_down_takes_everything_away_and_up_makes_it_again(gadget: None, computers_device: Device) -> None:
    usb_keyboard("down")
    assert not DEVICE.exists()
    assert "is down already" in usb_keyboard("down")
    assert not Path("/sys/kernel/config/usb_gadget/edged-keyboard").exists()
    usb_keyboard("up")
    assert DEVICE.exists()
    assert not MOUSE_DEVICE.exists()
    assert wait_until(lambda: connection() == "configured")
