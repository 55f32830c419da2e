"""Typing into a real text window on a real X server."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.actuators.sensitive import Text
from edged.actuators.typing.keyboard import Pace, Typing, finish
from edged.actuators.typing.keys import KEYS, parse_chord
from edged.actuators.typing.layout import Stroke, load_layout
from edged.errors import KeyboardBlocked, KeyboardUnavailable, Untypeable
from tests.actuators.typing.test_layouts import LINUX, PANGRAMS
from tests.actuators.typing.x_session import TextWindow, XSession, wait_until, x_session

pytest.importorskip("Xlib", reason="python-xlib is not installed")

from Xlib import X
from Xlib.display import Display

from edged.actuators.typing.x11 import X11Keyboard, obstacle

PACE = Pace(keys_per_second=500, hold_seconds=0)
UNICODE = "Grüße, Zoë! ~^ € 日本語 Ελλάδα Привет naïve ½ „Anführung“ – — … 🦀 👩‍🚀 e\u0301\tTab\nLine"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XSession]:
    with x_session(tmp_path_factory.mktemp("x")) as opened:
        yield opened


@pytest.fixture
def window(session: XSession) -> Iterator[TextWindow]:
    session.layout("us")
    with session.window() as opened:
        yield opened


@pytest.fixture
def keyboard(session: XSession, window: TextWindow) -> Iterator[X11Keyboard]:
    with closing(X11Keyboard(session.display)) as opened:
        yield opened


def slowly(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def keys_down(session: XSession) -> list[int]:
    display = Display(session.display)
    bits = display.query_keymap()
    display.close()
    return [8 * index + bit for index, byte in enumerate(bits) for bit in range(8) if byte & 1 << bit]


def test_any_unicode_text_arrives_as_it_is(session: XSession, window: TextWindow, keyboard: X11Keyboard) -> None:
    assert finish(keyboard.type_text(Text(UNICODE), PACE), slowly)
    assert window.text() == UNICODE
    assert keys_down(session) == []


@pytest.mark.slow
@pytest.mark.parametrize("layout", [*LINUX, "us,de,ru", "ru,us"])
def test_every_character_of_all_layouts_arrives_whatever_layout_the_session_has(
    session: XSession, window: TextWindow, layout: str
) -> None:
    session.layout(layout)
    everything = "".join(load_layout(layout if layout in LINUX else "de").characters)
    with closing(X11Keyboard(session.display)) as keyboard:
        assert finish(keyboard.type_text(Text(everything), PACE), slowly)
    assert window.text() == everything


@pytest.mark.parametrize("layout", LINUX)
def test_strokes_of_a_layout_write_what_they_should_in_a_session_with_that_layout(
    session: XSession, window: TextWindow, layout: str
) -> None:
    # What uinput and the USB gadget press, pressed here: keys by place, dead keys composed by the window.
    session.layout(layout)
    with closing(X11Keyboard(session.display)) as keyboard:

        class PlacePort:
            def prepare(self) -> None: ...
            def down(self, stroke: Stroke, hold_seconds: float) -> None:
                keyboard._press("key", [KEYS[place].code + 8 for place in stroke.places])

            def up(self, stroke: Stroke) -> None:
                keyboard.release_all()

            def release_all(self) -> None:
                keyboard.release_all()

        assert finish(Typing(load_layout(layout).plan(Text(PANGRAMS[layout])), PlacePort(), PACE), slowly)
    assert window.text() == PANGRAMS[layout]


def test_typing_is_cancelled_in_the_middle(session: XSession, window: TextWindow, keyboard: X11Keyboard) -> None:
    typing = keyboard.type_text(Text("Straße " * 20), Pace(keys_per_second=100, hold_seconds=0.005))
    assert not finish(typing, lambda seconds: slowly(seconds) or typing.typed >= 30)
    assert window.text() == ("Straße " * 20)[:30]
    assert keys_down(session) == []


def test_control_characters_are_refused_before_the_first_key(window: TextWindow, keyboard: X11Keyboard) -> None:
    with pytest.raises(Untypeable, match=r"character 3 \(U\+001B\) cannot be typed with X11"):
        keyboard.type_text(Text("ab\x1b"), PACE)
    with pytest.raises(Untypeable, match=r"character 3 cannot be typed with X11$"):
        keyboard.check(Text("ab\x1b", sensitive=True))
    assert window.text() == ""


def test_a_chord_is_pressed_with_its_modifiers(window: TextWindow, keyboard: X11Keyboard) -> None:
    for chord in ("ctrl+a", "enter", "escape", "up", "ctrl+shift+up", "A"):
        assert finish(keyboard.chord(parse_chord(chord), PACE), slowly)
    assert window.text() == "\x01\n\x1b\x1b[A\x1b[1;6AA"


def test_caps_lock_in_the_session_is_seen_and_nothing_is_typed(
    session: XSession, window: TextWindow, keyboard: X11Keyboard
) -> None:
    assert finish(keyboard.chord(parse_chord("caps_lock"), PACE), slowly)
    with pytest.raises(KeyboardBlocked, match="Caps Lock is on in the session"):
        finish(keyboard.type_text(Text("a"), PACE), slowly)
    other = Display(session.display)
    for kind in (X.KeyPress, X.KeyRelease):
        other.xtest_fake_input(kind, KEYS["CapsLock"].code + 8)
    other.sync()
    other.close()
    assert finish(keyboard.type_text(Text("a"), PACE), slowly)
    assert window.text() == "a"


def test_a_modifier_that_somebody_holds_is_waited_for_and_then_named(
    session: XSession, window: TextWindow, keyboard: X11Keyboard
) -> None:
    somebody = Display(session.display)
    control = KEYS["ControlLeft"].code + 8
    somebody.xtest_fake_input(X.KeyPress, control)
    somebody.sync()
    with pytest.raises(KeyboardBlocked, match="somebody holds Ctrl in the session"):
        finish(keyboard.type_text(Text("c"), PACE), slowly)
    somebody.xtest_fake_input(X.KeyRelease, control)
    somebody.sync()
    somebody.close()
    assert finish(keyboard.type_text(Text("c"), PACE), slowly)
    assert window.text() == "c"


def test_a_layout_that_changes_in_the_middle_changes_nothing(session: XSession, window: TextWindow) -> None:
    text = "zyZY@€"
    with closing(X11Keyboard(session.display)) as keyboard:
        typing = keyboard.type_text(Text(text * 2), Pace(keys_per_second=20))
        for pause in typing:
            time.sleep(pause)
            if typing.typed == len(text):
                time.sleep(0.3)
                session.layout("de")
    assert window.text() == text * 2


def test_a_click_arrives_where_the_pointer_is(session: XSession) -> None:
    display = Display(session.display)
    screen = display.screen()
    window = screen.root.create_window(0, 0, 1280, 1024, 0, screen.root_depth, event_mask=X.ButtonPressMask)
    window.map()
    display.sync()
    with closing(X11Keyboard(session.display)) as keyboard:
        for button in ("left", "middle", "right"):
            assert finish(keyboard.click(button, PACE), slowly)
    wait_until(lambda: display.pending_events() >= 3)
    assert [display.next_event().detail for _ in range(3)] == [1, 2, 3]
    display.close()


def test_keys_that_were_lent_are_given_back(session: XSession, window: TextWindow) -> None:
    def row_of_all() -> list[tuple[int, ...]]:
        display = Display(session.display)
        rows = [tuple(row) for row in display.get_keyboard_mapping(8, 248)]
        display.close()
        return rows

    before = row_of_all()
    keyboard = X11Keyboard(session.display)
    assert finish(keyboard.type_text(Text("日本語"), PACE), slowly)
    assert row_of_all() != before
    keyboard.close()
    assert [row for row in row_of_all() if any(row)] == [row for row in before if any(row)]
    assert window.text() == "日本語"


# python-xlib leaves the socket open that it could not connect with
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardUnavailable, match="the X11 display :9876 cannot be opened"):
        X11Keyboard(":9876")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert obstacle() == (
        "there is no X11 session (DISPLAY is not set)",
        "run the actuator in the session, or set DISPLAY",
    )


def test_a_session_that_ends_is_an_error_and_close_raises_nothing(tmp_path: Path) -> None:
    with x_session(tmp_path) as session:
        keyboard = X11Keyboard(session.display)
    with pytest.raises(KeyboardUnavailable, match="the X11 session has ended"):
        finish(keyboard.type_text(Text("a"), PACE), slowly)
    keyboard.close()
    with pytest.raises(KeyboardUnavailable, match="closed"):
        finish(keyboard.type_text(Text("a"), PACE), slowly)


PROGRAM = """
import sys, time
from edged.actuators.typing.keyboard import Pace
from edged.actuators.sensitive import Text
from edged.actuators.typing.x11 import X11Keyboard
keyboard = X11Keyboard(sys.argv[1])
print("ready", flush=True)
for pause in keyboard.type_text(Text("A" * 1000), Pace(keys_per_second=50, hold_seconds=0.02)):
    time.sleep(pause)
"""


def test_a_process_that_is_killed_in_the_middle_of_a_word_leaves_no_key_down(
    session: XSession, window: TextWindow
) -> None:
    chance = random.Random(4)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, session.display], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_until(lambda: keys_down(session))
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        wait_until(lambda: not keys_down(session), 2)
    assert set(window.text()) == {"A"}
