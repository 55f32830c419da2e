from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing import uinput
from edged.actuators.typing.choosing import BACKENDS, KeyboardOptions, choose, open_keyboard, survey
from edged.actuators.typing.keyboard import Pace, finish
from edged.errors import KeyboardUnavailable, SettingsError
from tests.actuators.typing.wayland_session import wayland_session
from tests.actuators.typing.x_session import x_session
from tests.pseudo_terminal import open_terminal


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyboardOptions:
    """A machine where nothing is possible."""
    monkeypatch.setattr(uinput, "DEVICE", tmp_path / "uinput")
    return KeyboardOptions(hid_device=tmp_path / "hidg0")


@pytest.fixture
def usb_keyboard() -> Iterator[Path]:
    computer, device = open_terminal()
    tty.setraw(device)
    yield Path(os.ttyname(device))
    os.close(device)
    os.close(computer)


def test_where_nothing_is_possible_every_back_end_says_why_and_what_to_do(nothing: KeyboardOptions) -> None:
    found = survey(nothing)
    assert [each.backend for each in found] == list(BACKENDS)
    assert not any(each.possible for each in found)
    assert all(each.reason and each.cure for each in found)
    shown = "\n".join(str(each) for each in found)
    for words in ("no USB", "WAYLAND_DISPLAY is not set", "DISPLAY is not set", "uinput does not exist (modprobe"):
        assert words in shown
    with pytest.raises(KeyboardUnavailable, match=r"no keyboard is possible here: hid_gadget: .*; wayland: .*; x11: "):
        open_keyboard(nothing)


def test_a_usb_keyboard_that_was_set_up_is_taken_before_all_others(usb_keyboard: Path) -> None:
    options = KeyboardOptions(hid_device=usb_keyboard)
    assert survey(options)[0].possible
    assert choose(options) == "hid_gadget"
    with closing(open_keyboard(options)) as keyboard:
        assert keyboard.name == "hid_gadget"


def test_a_session_is_taken_and_typed_into(nothing: KeyboardOptions, tmp_path: Path) -> None:
    with x_session(tmp_path) as session, session.window() as window:
        options = KeyboardOptions(hid_device=nothing.hid_device, x11_display=session.display)
        assert [each.backend for each in survey(options) if each.possible] == ["x11"]
        with closing(open_keyboard(options)) as keyboard:
            assert finish(keyboard.type_text(Text("ä€日"), Pace()), lambda _: False)
        assert window.text() == "ä€日"


def test_the_x_server_of_a_wayland_session_is_not_taken_for_the_session(
    nothing: KeyboardOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GNOME's: DISPLAY is set and answers, and keys sent there reach only some of the windows.
    with x_session(tmp_path) as session:
        monkeypatch.setenv("DISPLAY", session.display)
        assert choose(nothing) == "x11"
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-gnome")
        [found] = [each for each in survey(nothing) if each.backend == "x11"]
        assert str(found) == (
            f"x11: the X11 display {session.display} is that of a Wayland session, its other programs would get no "
            "keys (use uinput)"
        )
        with closing(open_keyboard(KeyboardOptions(backend="x11"))) as keyboard:
            assert keyboard.name == "x11"  # who asks for it by name gets it


def test_wayland_is_taken_before_x11(nothing: KeyboardOptions, tmp_path: Path) -> None:
    with wayland_session(tmp_path) as session:
        options = KeyboardOptions(hid_device=nothing.hid_device, wayland_display=session.display)
        with closing(open_keyboard(options)) as keyboard:
            assert keyboard.name == "wayland"


def test_the_back_end_that_is_set_is_taken_or_says_why_not(nothing: KeyboardOptions) -> None:
    for backend in BACKENDS:
        options = KeyboardOptions(backend=backend, hid_device=nothing.hid_device)
        assert choose(options) == backend
        with pytest.raises(KeyboardUnavailable, match=f"^{backend}: "):
            open_keyboard(options)


def test_a_back_end_or_layout_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"backend = 'xdotool': there is no such back end \(auto, hid_gadget,"):
        open_keyboard(KeyboardOptions(backend="xdotool"))
    with pytest.raises(SettingsError, match="layout = 'klingon'"):
        open_keyboard(KeyboardOptions(layout="klingon"))
