"""From a signed request over a real broker to keys that a computer receives, whichever keyboard it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.typing.uinput import obstacle as uinput_obstacle
from tests.actuators.stage import ROOT, Stage
from tests.actuators.typing.x_session import TextWindow, XSession, x_session
from tests.actuators.typing.xkb_keyboard import XkbKeyboard
from tests.pseudo_terminal import need_terminals

evdev = pytest.importorskip("evdev", reason="python-evdev is not installed")

UMLAUTS = "Grüße, Zoë! ~^"
UNICODE = "Grüße, Zoë! ~^ 日本語 🦀"
LONG = "All work and no play makes Jack a dull boy. " * 20


class Computer(ABC):
    """One that is typed into. settings: of the actuator that does; only_keys: it knows no text, only the keys of a layout."""

    settings: dict[str, str]
    only_keys = True

    def attach(self) -> None:  # noqa: B027 - a window has nothing to do
        """Begin to take in keys; the actuator is there."""

    @abstractmethod
    def text(self) -> str:
        """All that arrived, once no more comes."""

    @abstractmethod
    def held(self) -> list[int]:
        """Keys that are down now."""


class Screen(Computer):
    """A window on an X server."""

    only_keys = False

    def __init__(self, session: XSession, window: TextWindow) -> None:
        self.settings = {"typing.backend": "x11", "typing.x11_display": session.display}
        self._session, self._window = session, window

    def text(self) -> str:
        return self._window.text()

    def held(self) -> list[int]:
        from tests.actuators.typing.test_x11 import keys_down

        return keys_down(self._session)


class Machine(Computer):
    """The keys of an event device: what any program there is given. name: part of the device's; bus: its bus type."""

    def __init__(self, backend: str, bus: int) -> None:
        self.settings = {"typing.backend": backend}
        self._bus = bus
        self._computer = XkbKeyboard("de")
        self._came_at = 0.0
        self._thread: threading.Thread | None = None

    def attach(self) -> None:
        if self._thread is not None:
            self._thread.join(2)
            if self._thread.is_alive():
                return  # the computer's side of a USB cable is still there
        device = self._find()
        device.grab()  # the text console of the machine must not get what is typed here
        self._thread = threading.Thread(target=self._read, args=(device,), daemon=True)
        self._thread.start()

    def _find(self) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for path in evdev.list_devices():
                with contextlib.suppress(OSError):
                    device = evdev.InputDevice(path)
                    keys = device.capabilities().get(evdev.ecodes.EV_KEY, [])
                    if device.info.bustype == self._bus and "edged" in device.name and evdev.ecodes.KEY_A in keys:
                        return device
                    device.close()
            time.sleep(0.2)
        raise AssertionError("there is no such keyboard")

    def _read(self, device: Any) -> None:
        with contextlib.suppress(OSError), contextlib.closing(device):  # gone with the process that made it
            for event in device.read_loop():
                if event.type == evdev.ecodes.EV_KEY and event.value in (0, 1):
                    self._came_at = time.monotonic()
                    (self._computer.press if event.value else self._computer.release)(event.code)

    def text(self) -> str:
        begun = time.monotonic()
        while time.monotonic() - max(begun, self._came_at) < 2.0:
            time.sleep(0.05)
        return self._computer.text

    def held(self) -> list[int]:
        return sorted(self._computer.held)


@contextmanager
def x11(folder: Path) -> Iterator[Computer]:
    pytest.importorskip("Xlib", reason="python-xlib is not installed")
    with x_session(folder) as session, session.window() as window:
        yield Screen(session, window)


@contextmanager
def uinput(_folder: Path) -> Iterator[Computer]:
    if obstacle := uinput_obstacle():
        pytest.skip(f"uinput cannot be used here: {obstacle[0]} (modprobe uinput, as root)")
    yield Machine("uinput", evdev.ecodes.BUS_VIRTUAL)


@contextmanager
def usb(_folder: Path) -> Iterator[Computer]:
    if os.geteuid() != 0 or shutil.which("modprobe") is None:
        pytest.skip("needs root and modprobe")
    if subprocess.run(["modprobe", "dummy_hcd"], capture_output=True, check=False).returncode:
        pytest.skip(
            "the kernel has no module dummy_hcd, a USB port with both ends (a Debian kernel in a virtual machine does)"
        )
    script = ROOT / "scripts" / "usb-keyboard"
    subprocess.run([script, "up"], check=True, capture_output=True)
    try:
        yield Machine("hid_gadget", evdev.ecodes.BUS_USB)
    finally:
        subprocess.run([script, "down"], check=True, capture_output=True)


@pytest.fixture
def typist(stage: Stage) -> Stage:
    """An actuator that types at once; nothing runs yet."""
    stage.name = "typing"
    stage.settings = {
        **{name: value for name, value in stage.settings.items() if not name.startswith("toy.")},
        "kind": "typing",
        "typing.layout": "de",
        "typing.keys_per_second": 100,
        "policy.type.confirm": "none",
    }
    return stage


@pytest.fixture
def computer(typist: Stage, tmp_path: Path) -> Iterator[Computer]:
    """A window, which knows Unicode."""
    with x11(tmp_path) as made:
        typist.settings |= made.settings
        yield made


@pytest.fixture(params=[x11, uinput, usb], ids=["x11", "uinput", "usb"])
def any_computer(request: pytest.FixtureRequest, typist: Stage, tmp_path: Path) -> Iterator[Computer]:
    with request.param(tmp_path) as made:
        typist.settings |= made.settings
        yield made


def test_a_request_arrives_as_exactly_its_letters_and_all_keys_are_up(typist: Stage, any_computer: Computer) -> None:
    typist.start(typing__keys_per_second=30)
    any_computer.attach()
    wanted = UMLAUTS if any_computer.only_keys else UNICODE
    told = typist.ends(typist.ask("type", wanted))
    assert told["state"] == "succeeded", told
    assert any_computer.text() == wanted
    assert any_computer.held() == []


def test_what_the_keyboard_cannot_type_is_refused_by_name_before_the_first_key(
    typist: Stage, any_computer: Computer
) -> None:
    if not any_computer.only_keys:
        pytest.skip("a window takes any character")
    typist.start()
    any_computer.attach()
    told = typist.ends(typist.ask("type", "abc 日"))
    assert told["state"] == "rejected"
    assert "日" in told["reason"]
    assert any_computer.text() == ""


def test_cancelled_in_the_middle_of_a_word_it_stops_and_all_keys_are_up(typist: Stage, computer: Computer) -> None:
    typist.start(typing__keys_per_second=20)
    job = typist.ask("type", LONG)
    typist.reaches(job, "running")
    time.sleep(1.0)
    typist.ask("cancel", job=job)
    told = typist.ends(job)
    assert told["state"] == "cancelled"
    typed = computer.text()
    assert 0 < len(typed) < len(LONG) / 2
    assert LONG.startswith(typed)
    assert computer.held() == []
    # The next one is typed as if nothing had been.
    typist.ends(typist.ask("type", "next"))
    assert computer.text() == typed + "next"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_of_a_word_it_leaves_no_key_down_and_does_not_type_it_again(
    typist: Stage, any_computer: Computer, number: signal.Signals
) -> None:
    process = typist.start(typing__keys_per_second=20, typing__hold_seconds=0.04)
    any_computer.attach()
    job = typist.ask("type", LONG.upper())  # with Shift down most of the time
    typist.reaches(job, "running")
    time.sleep(1.5)
    process.send_signal(number)
    process.wait(20)
    typed = any_computer.text()
    assert 0 < len(typed) < len(LONG) / 2
    assert LONG.upper().startswith(typed)
    assert any_computer.held() == []
    typist.heard.clear()
    typist.start()
    any_computer.attach()
    assert typist.ends(job)["state"] in ("failed", "cancelled")
    assert any_computer.text() == typed


def test_what_must_be_confirmed_is_typed_only_then(typist: Stage, computer: Computer) -> None:
    typist.start()
    job = typist.ask("type", "hunter2", sensitive=True)
    typist.until(lambda: any(told["waits_for_confirmation"] for told in typist.told(job)))
    assert computer.text() == ""
    typist.ask("confirm", job=job)
    assert typist.ends(job)["state"] == "succeeded"
    assert computer.text() == "hunter2"
    everything = (typist.log() + str(typist.heard)).encode() + b"".join(
        path.read_bytes() for path in Path(typist.settings["store.directory"]).iterdir() if path.is_file()
    )
    assert b"hunter2" not in everything


def test_two_actuators_of_one_machine_type_one_after_the_other(typist: Stage, computer: Computer) -> None:
    typist.start(typing__keys_per_second=40)
    typist.start("second", typing__keys_per_second=40)
    typist.until(lambda: typist.all("availability", "second")[-1:] == ["online"])
    first = typist.ask("type", "a" * 30)
    typist.name = "second"
    second = typist.ask("type", "b" * 30)
    assert typist.ends(second)["state"] == "succeeded"
    typist.name = "typing"
    assert typist.ends(first)["state"] == "succeeded"
    assert computer.text() in ("a" * 30 + "b" * 30, "b" * 30 + "a" * 30)


def test_a_blink_types_a_snippet_and_a_look_away_stops_the_countdown(typist: Stage, computer: Computer) -> None:
    folder = Path(typist.settings["store.directory"]).parent
    config = folder / "typing.toml"
    config.write_text(
        """
        kind = "typing"
        [typing.snippets]
        hello = "Grüße! "
        [[bindings]]
        name = "greet"
        topic = "edged/camera/front/event/blink"
        when = [{ field = "gesture", equals = "double" }]
        action = "snippet"
        options = { name = "hello" }
        cooldown_seconds = 0
        [policy.snippet]
        countdown_seconds = 2
        [cancel]
        camera = "front"
        zones = ["away"]
        """,
        encoding="utf-8",
    )
    typist.start(config=config)

    def event(kind: str, **fields: Any) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z"
        body = {"id": os.urandom(8).hex(), "at": at, "camera": "front", "kind": kind, **fields}
        typist.publish(f"edged/camera/front/event/{kind}", body)

    def last(*states: str) -> Any:
        found = [told for leaf, told in typist.heard if leaf.startswith("typing/job/") and told["state"] in states]
        return found[-1] if found else None

    event("blink", gesture="single")
    event("blink", gesture="double")
    assert typist.until(lambda: last("succeeded"))["source"] == "binding greet"
    assert computer.text() == "Grüße! "
    event("blink", gesture="double")
    typist.until(lambda: last("countdown"))
    event("gaze", zone="away")
    assert "by the sitter" in typist.until(lambda: last("cancelled"))["reason"]
    assert computer.text() == "Grüße! "


@pytest.mark.slow
def test_a_double_blink_of_the_sitter_ends_in_a_window_and_each_step_is_timed(models_directory: Path) -> None:
    """The whole way: pictures, judgement, broker, binding, keys."""
    if missing := [program for program in ("Xvfb", "xterm", "mosquitto") if shutil.which(program) is None]:
        pytest.skip(f"{', '.join(missing)} is not installed")
    need_terminals()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "measure-typing", "--blinks", "2", "--json"],
        env={**os.environ, "EDGED_MODELS_DIR": str(models_directory)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["blinks"] == 2
    # That nothing is negative shows that the moments are those they are called.
    assert all(0 <= each["p50"] <= each["worst"] for each in figures["milliseconds"].values())
