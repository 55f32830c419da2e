"""Typing into a real text window on a real Wayland compositor; the keymap on the real libxkbcommon."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Pace, finish
from edged.actuators.typing.keys import parse_chord
from edged.actuators.typing.keysyms import character_keysym
from edged.actuators.typing.layout import layout_names, load_layout
from edged.actuators.typing.wayland import WaylandKeyboard, obstacle
from edged.actuators.typing.wayland_keymap import MOST_EXTRAS, Place, keymap
from edged.errors import KeyboardBlocked, KeyboardUnavailable, Untypeable
from tests.actuators.typing.wayland_session import WaylandSession, wayland_session
from tests.actuators.typing.x_session import TextWindow
from tests.actuators.typing.xkb_keyboard import XkbKeyboard

PACE = Pace(keys_per_second=500, hold_seconds=0)
UNICODE = "Grüße, Zoë! ~^ € 日本語 Ελλάδα Привет naïve ½ „Anführung“ – — … 🦀 👩‍🚀 e\u0301\tTab\nLine"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaylandSession]:
    with wayland_session(tmp_path_factory.mktemp("wayland")) as opened:
        yield opened


@pytest.fixture
def window(session: WaylandSession) -> Iterator[TextWindow]:
    with session.window() as opened:
        yield opened


@pytest.fixture
def keyboard(session: WaylandSession, window: TextWindow) -> Iterator[WaylandKeyboard]:
    with closing(WaylandKeyboard(session.display)) as opened:
        yield opened


def slowly(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def test_any_unicode_text_arrives_as_it_is(window: TextWindow, keyboard: WaylandKeyboard) -> None:
    assert finish(keyboard.type_text(Text(UNICODE), PACE), slowly)
    assert window.text() == UNICODE


def test_every_character_of_all_layouts_arrives(window: TextWindow, keyboard: WaylandKeyboard) -> None:
    everything = "".join(dict.fromkeys("".join("".join(load_layout(name).characters) for name in layout_names())))
    assert len(everything) > 5 * MOST_EXTRAS  # several keymaps, one after the other
    assert finish(keyboard.type_text(Text(everything), PACE), slowly)
    assert window.text() == everything


def test_typing_is_cancelled_in_the_middle(window: TextWindow, keyboard: WaylandKeyboard) -> None:
    typing = keyboard.type_text(Text("Straße " * 20), Pace(keys_per_second=100, hold_seconds=0.005))
    assert not finish(typing, lambda seconds: slowly(seconds) or typing.typed >= 30)
    assert window.text() == ("Straße " * 20)[:30]


def test_control_characters_are_refused_before_the_first_key(window: TextWindow, keyboard: WaylandKeyboard) -> None:
    with pytest.raises(Untypeable, match=r"character 3 \(U\+001B\) cannot be typed with Wayland"):
        keyboard.type_text(Text("ab\x1b"), PACE)
    assert window.text() == ""


def test_a_chord_is_pressed_with_its_modifiers(window: TextWindow, keyboard: WaylandKeyboard) -> None:
    for chord in ("ctrl+a", "enter", "escape", "up", "ctrl+shift+up", "A", "alt+x"):
        assert finish(keyboard.chord(parse_chord(chord), PACE), slowly)
    assert window.text() == "\x01\n\x1b\x1b[A\x1b[1;6AA\x1bx"


def test_a_click_arrives_where_the_pointer_is(session: WaylandSession) -> None:
    # A terminal that was asked to tell of clicks writes them out.
    with (
        session.window(before="printf '\\033[?1000h\\033[?1006h'") as window,
        closing(WaylandKeyboard(session.display)) as keyboard,
    ):
        point = ["swaymsg", "seat seat0 cursor set 100 100"]
        subprocess.run(point, env=session.environment, check=True, capture_output=True)
        time.sleep(0.3)
        assert finish(keyboard.click("left", Pace()), slowly)
        assert finish(keyboard.click("right", Pace()), slowly)
        reports = window.text()
    kinds = [part.split(";")[0] + part[-1] for part in reports.split("\x1b[<")[1:]]
    assert kinds == ["0M", "0m", "2M", "2m"]


PROGRAM = """
import sys, time
from edged.actuators.typing.keyboard import Pace
from edged.actuators.sensitive import Text
from edged.actuators.typing.wayland import WaylandKeyboard
keyboard = WaylandKeyboard(sys.argv[1])
typing = keyboard.type_text(Text("A"), Pace(hold_seconds=0.2))
next(typing)
print("down", flush=True)
time.sleep(600)
"""


def test_a_process_that_is_killed_with_keys_down_leaves_none_down(session: WaylandSession, window: TextWindow) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, session.display], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"down\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # A key that stayed down would be repeated after 0.6 s, and Shift would make the next letter a capital.
    time.sleep(1.5)
    with closing(WaylandKeyboard(session.display)) as keyboard:
        assert finish(keyboard.type_text(Text("b"), PACE), slowly)
        assert window.text() == "Ab"


def test_a_session_that_is_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardUnavailable, match="cannot be reached: No such file or directory"):
        WaylandKeyboard(str(tmp_path / "wayland-9"))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    found = obstacle()
    assert found is not None
    assert found[0] == "there is no Wayland session (WAYLAND_DISPLAY is not set)"


def test_a_compositor_that_does_not_answer_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    path = tmp_path / "wayland-silent"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        found = obstacle(str(path))
    assert found is not None
    assert found[0] == "the compositor has not answered for 2 s"


def test_a_compositor_without_virtual_keyboards_is_named(tmp_path: Path) -> None:
    # Speaks the real protocol, and offers a seat and nothing else, as GNOME's does to this question.
    path = tmp_path / "wayland-plain"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                seat = b"\x01\0\0\0" + b"\x08\0\0\0wl_seat\0" + b"\x07\0\0\0"
                word = (8 + len(seat)) << 16
                connection.sendall(b"\x02\0\0\0" + word.to_bytes(4, sys.byteorder) + seat)
                done = 12 << 16
                connection.sendall(b"\x03\0\0\0" + done.to_bytes(4, sys.byteorder) + bytes(4))
                connection.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        found = obstacle(str(path))
        server.join()
    assert found == ("this compositor offers no virtual keyboard (GNOME and KDE do not)", "use uinput")


def test_a_session_that_ends_is_an_error_and_close_raises_nothing(tmp_path: Path) -> None:
    with wayland_session(tmp_path) as session:
        keyboard = WaylandKeyboard(session.display)
        session.process.kill()
        session.process.wait()
        with pytest.raises(KeyboardUnavailable, match="the Wayland session has ended"):
            finish(keyboard.type_text(Text("a"), PACE), slowly)
        keyboard.close()
        with pytest.raises(KeyboardUnavailable, match="closed"):
            finish(keyboard.type_text(Text("a"), PACE), slowly)


def test_a_frozen_compositor_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    with wayland_session(tmp_path) as session:
        keyboard = WaylandKeyboard(session.display)
        session.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(KeyboardBlocked, match="has not answered for 2 s"):
                finish(keyboard.type_text(Text("a"), PACE), slowly)
        finally:
            session.process.send_signal(signal.SIGCONT)
        keyboard.close()


def test_the_keymap_writes_on_the_real_library_what_it_should() -> None:
    wanted = "aA1!~\\|<>\n\t ÉéßΩ日🦀\u0301"
    made = keymap([keysym for character in wanted if (keysym := character_keysym(character))])
    try:
        computer = XkbKeyboard(keymap=made.text)
    except OSError:
        pytest.skip("libxkbcommon is not here (package libxkbcommon0)")
    for character in wanted:
        keysym = character_keysym(character)
        assert keysym is not None
        place = made.places[keysym]
        codes = [42, place.code] if place.shifted else [place.code]
        for code in codes:
            computer.press(code)
        for code in reversed(codes):
            computer.release(code)
    assert computer.text == wanted


def test_characters_of_the_american_layout_are_on_their_own_keys() -> None:
    places = keymap([]).places
    assert places[ord("a")] == Place(30)
    assert places[ord("A")] == Place(30, shifted=True)
    assert max(place.code for place in places.values()) + 8 <= 255
    full = keymap([0x1000000 + 0x4E00 + index for index in range(MOST_EXTRAS)])
    codes = [(place.code, place.shifted) for keysym, place in full.places.items() if keysym > 0x1000000]
    assert len(set(codes)) == MOST_EXTRAS
    assert max(code for code, _ in codes) + 8 <= 255


def test_no_descriptor_is_left_open(session: WaylandSession, window: TextWindow) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with closing(WaylandKeyboard(session.display)) as keyboard:
            assert finish(keyboard.type_text(Text("日"), PACE), slowly)
    assert len(os.listdir("/proc/self/fd")) == len(before)
