"""From a signed request over a real broker to keys that a computer receives, whichever keyboard it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.actuators.stage import ROOT, Stage
from tests.actuators.typing.x_session import x_session

pytest.importorskip("Xlib", reason="python-xlib is not installed")

UMLAUTS = "Grüße, Zoë! ~^"
UNICODE = "Grüße, Zoë! ~^ 日本語 🦀"
LONG = "All work and no play makes Jack a dull boy. " * 20


class Computer:
    """One that is typed into. text: all that arrived, once no more comes; held: keys that are down now."""

    def __init__(self, settings: dict[str, str], text: Callable[[], str], held: Callable[[], list[int]]) -> None:
        self.settings = settings
        self.text = text
        self.held = held


@contextmanager
def x11(folder: Path) -> Iterator[Computer]:
    from tests.actuators.typing.test_x11 import keys_down

    with x_session(folder) as session, session.window() as window:
        yield Computer(
            {"typing.backend": "x11", "typing.x11_display": session.display}, window.text, lambda: keys_down(session)
        )


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
    with x11(tmp_path) as made:
        typist.settings |= made.settings
        yield made


def test_a_request_is_typed_into_a_real_window_unicode_included(typist: Stage, computer: Computer) -> None:
    typist.start()
    told = typist.ends(typist.ask("type", UNICODE))
    assert told["state"] == "succeeded", told
    assert computer.text() == UNICODE
    assert computer.held() == []


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
    typist: Stage, computer: Computer, number: signal.Signals
) -> None:
    process = typist.start(typing__keys_per_second=20, typing__hold_seconds=0.04)
    job = typist.ask("type", LONG.upper())  # with Shift down most of the time
    typist.reaches(job, "running")
    time.sleep(1.0)
    process.send_signal(number)
    process.wait(20)
    typed = computer.text()
    assert 0 < len(typed) < len(LONG) / 2
    assert computer.held() == []
    typist.heard.clear()
    typist.start()
    assert typist.ends(job)["state"] in ("failed", "cancelled")
    assert computer.text() == typed


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
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "measure-typing", "--blinks", "2", "--json"],
        env={**os.environ, "EDGED_MODELS_DIR": str(models_directory)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["blinks"] == 2
    # That nothing is negative shows that the moments are those they are called.
    assert all(0 <= each["p50"] <= each["worst"] for each in figures["milliseconds"].values())
