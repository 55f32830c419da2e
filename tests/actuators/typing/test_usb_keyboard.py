"""Both ends of a USB cable in one kernel: `scripts/usb-keyboard` on dummy_hcd, read where the computer reads it.

Needs root, configfs and dummy_hcd: the VM rig.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.typing.hid_gadget import DEVICE, MOUSE_DEVICE, HidGadgetKeyboard, connection
from edged.actuators.typing.keyboard import Pace, finish
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.layout import load_layout
from edged.actuators.typing.text import Text
from edged.errors import KeyboardBlocked, KeyboardError, KeyboardUnavailable
from tests.actuators.typing.xkb_keyboard import XkbKeyboard

pytest.importorskip("evdev", reason="python-evdev is not installed")

from evdev import InputDevice, ecodes, list_devices

SCRIPT = Path(__file__).parents[3] / "scripts" / "usb-keyboard"
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
        pytest.skip("the kernel has no module dummy_hcd, a USB port with both ends (the VM rig has)")
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


def computers_device(button: bool = False) -> InputDevice[Any]:
    """The event device of the gadget on the side of the computer."""

    def find() -> list[InputDevice[Any]]:
        devices = [InputDevice(path) for path in list_devices()]
        code = ecodes.BTN_LEFT if button else ecodes.KEY_A
        return [each for each in devices if "edged" in each.name and code in each.capabilities()[ecodes.EV_KEY]]

    assert wait_until(find)
    device = find()[0]
    device.grab()
    return device


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


def test_the_text_arrives_at_the_computer_and_all_keys_are_up(gadget: None) -> None:
    device = computers_device()
    keyboard = HidGadgetKeyboard(load_layout("de"), MOUSE_DEVICE.with_name("hidg0"), MOUSE_DEVICE)
    assert finish(keyboard.type_text(Text("Grüße, Zoë! ~^"), PACE), slowly)
    assert text_of(key_events(device), "de") == "Grüße, Zoë! ~^"
    assert finish(keyboard.chord(parse_chord("ctrl+alt+f24"), PACE), slowly)
    assert [code for code, value in key_events(device) if value] == [
        *[ecodes.KEY_LEFTCTRL, ecodes.KEY_LEFTALT, ecodes.KEY_F24]
    ]
    assert device.active_keys() == []
    keyboard.close()


@pytest.mark.parametrize("layout", ["us", "gb", "de", "fr", "es"])
def test_every_character_of_the_layout_arrives(gadget: None, layout: str) -> None:
    device = computers_device()
    keyboard = HidGadgetKeyboard(load_layout(layout))
    everything = "".join(load_layout(f"{layout}-windows").characters)
    events = []
    for _ in keyboard.type_text(Text(everything), Pace(keys_per_second=1000, hold_seconds=0)):
        events += key_events(device, quiet_seconds=0)
    events += key_events(device)
    keyboard.close()
    assert text_of(events, layout) == everything


def test_a_click_arrives_at_the_computer(gadget: None) -> None:
    device = computers_device(button=True)
    keyboard = HidGadgetKeyboard(load_layout("us"), DEVICE, MOUSE_DEVICE)
    assert finish(keyboard.click("middle", PACE), slowly)
    assert key_events(device) == [(ecodes.BTN_MIDDLE, 1), (ecodes.BTN_MIDDLE, 0)]
    keyboard.close()


def test_caps_lock_of_the_computer_is_seen_through_the_cable(gadget: None) -> None:
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
from edged.actuators.typing.text import Text
keyboard = HidGadgetKeyboard(load_layout("de"))
next(keyboard.type_text(Text("Wort"), Pace()))
print("down", flush=True)
time.sleep(600)
"""


def test_a_process_that_is_killed_in_the_middle_of_a_word_leaves_no_key_down(gadget: None) -> None:
    device = computers_device()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"down\n"
    assert wait_until(lambda: sorted(device.active_keys()) == [ecodes.KEY_W, ecodes.KEY_LEFTSHIFT])
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert wait_until(lambda: device.active_keys() == [])


def test_the_script_says_the_same_when_asked_again(gadget: None) -> None:
    assert "is up already" in usb_keyboard("up")
    assert "configured" in usb_keyboard("status")


def test_a_computer_that_is_unplugged_is_named_and_typing_goes_on_when_it_is_back(gadget: None) -> None:
    keyboard = HidGadgetKeyboard(load_layout("us"))
    controller = Path("/sys/kernel/config/usb_gadget/edged-keyboard/UDC")
    name = controller.read_text().strip()
    soft_connect = Path(f"/sys/class/udc/{name}/soft_connect")
    soft_connect.write_text("disconnect\n")
    assert wait_until(lambda: connection() != "configured")
    with pytest.raises(KeyboardError, match=r"no computer is connected|the computer has not read") as caught:
        finish(keyboard.type_text(Text("a"), PACE), slowly)
    assert isinstance(caught.value, (KeyboardBlocked, KeyboardUnavailable))
    soft_connect.write_text("connect\n")
    assert wait_until(lambda: connection() == "configured")
    time.sleep(1)
    device = computers_device()
    assert finish(keyboard.type_text(Text("back"), PACE), slowly)
    assert text_of(key_events(device), "us").endswith("back")
    keyboard.close()


def test_down_takes_everything_away_and_up_makes_it_again(gadget: None) -> None:
    usb_keyboard("down")
    assert not DEVICE.exists()
    assert "is down already" in usb_keyboard("down")
    assert not Path("/sys/kernel/config/usb_gadget/edged-keyboard").exists()
    usb_keyboard("up")
    assert DEVICE.exists()
    assert not MOUSE_DEVICE.exists()
    assert wait_until(lambda: connection() == "configured")
