"""Lines on standard error, for people and for machines: of this process, and of others with a terminal or a file."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from edged import logs
from edged.actuators.settings import ActuatorSettings
from edged.logs import journal
from edged.logs.concealing import Concealer
from edged.logs.repeats import Repeats
from edged.logs.telling import Teller
from edged.notices import BROKER_LOST, BUG
from edged.settings import LogSettings, Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def said(root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[str]]]:
    """Sets a log up on a stream, and returns what reads it line by line."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)

    def begin(
        process: str = "", role: logs.Role = "camera", secrets: list[str] | None = None, **settings: str
    ) -> Callable[[], list[str]]:
        stream = io.StringIO()
        logs.set_up(LogSettings.model_validate(settings), "front", process, stream, role, secrets or [])
        return lambda: stream.getvalue().splitlines()

    return begin


Said = Callable[..., Callable[[], list[str]]]


def test_text_lines_name_the_process(said: Said) -> None:
    lines = said("inference")
    logging.getLogger("edged.x").info("ready with %d models", 4)
    logging.getLogger("edged.x").warning("slow")
    logging.getLogger("edged.x").debug("not shown")
    assert re.fullmatch(r"\d\d:\d\d:\d\d edged\[front\] inference: ready with 4 models", lines()[0])
    assert lines()[1].endswith("edged[front] inference: warning: slow")
    assert len(lines()) == 2


def test_json_lines_are_json(said: Said) -> None:
    lines = said("capture", format="json")
    logging.getLogger("edged.capture").error("lost: %s", 'a "quoted" thing\nof two lines')
    line = json.loads(lines()[0])
    assert (line["camera"], line["process"], line["level"]) == ("front", "capture", "error")
    assert line["message"] == 'lost: a "quoted" thing\nof two lines'
    assert line["at"].endswith("Z")
    assert "notice" not in line


def test_json_says_what_the_journal_would_have_as_fields(said: Said) -> None:
    lines = said(role="actuator", format="json")
    log = logging.getLogger("edged.x")
    log.warning("no MQTT", extra=BROKER_LOST.extra(EVENT_ID="0190", EDGED_JOB_ID="7"))
    line = json.loads(lines()[0])
    assert (line["actuator"], line["process"]) == ("front", "actuator")
    assert (line["notice"], line["message_id"]) == ("broker_lost", BROKER_LOST.id)
    assert (line["event_id"], line["job_id"]) == ("0190", "7")


def test_a_line_with_a_bug_is_told_without_its_arguments(said: Said, capfd: pytest.CaptureFixture[str]) -> None:
    lines = said()
    logging.getLogger("edged.x").warning("%d things of %s", "hunter2", "hunter3")
    assert lines()[0].endswith("warning: %d things of %s [this line of the log has a bug: TypeError]")
    assert "hunter" not in "".join(capfd.readouterr()) + str(lines())


@pytest.mark.parametrize("wanted", ["text", "json"])
def test_repeats_are_counted_in_every_format(said: Said, root_logger: logging.Logger, wanted: str) -> None:
    lines = said(format=wanted)
    for _ in range(313):
        logging.getLogger("edged.x").error("the disk is full")
    assert len(lines()) == 1
    root_logger.handlers[0].close()  # as at the end of the process
    assert len(lines()) == 2
    assert re.search(r"the disk is full … 312 more times in 0 s", lines()[1])
    if wanted == "json":
        assert json.loads(lines()[1])["repeated"] == 312


def test_what_is_held_back_is_told_in_time_though_nobody_says_anything_any_more(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    sink = logging.StreamHandler(stream)
    teller = Teller(sink, Concealer(), repeats=Repeats(window_seconds=0.2))
    root_logger.handlers[:] = [teller]
    for _ in range(3):
        logging.getLogger("edged.x").error("the disk is full")
    deadline = time.monotonic() + 20
    while "2 more times" not in stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # And the thread that did it is gone again.
    while any(each.name == "log" for each in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_where_no_thread_can_begin_the_log_goes_on(root_logger: logging.Logger) -> None:
    """At the unit's limit of tasks, or short of memory: what is logged just then must not fail whoever logs it."""
    stream = io.StringIO()
    now = 0.0
    root_logger.handlers[:] = [Teller(logging.StreamHandler(stream), Concealer(), clock=lambda: now)]
    usual = threading.stack_size(1 << 46)  # more than there is: no thread can be started
    try:
        for _ in range(3):
            logging.getLogger("edged.x").error("the disk is full")
    finally:
        threading.stack_size(usual)
    assert stream.getvalue() == "the disk is full\n"
    now = 61.0
    logging.getLogger("edged.x").error("something else")
    assert "the disk is full … 2 more times in 61 s" in stream.getvalue()
    assert not any(each.name == "log" for each in threading.enumerate())


@pytest.mark.parametrize("wanted", ["text", "json"])
def test_what_others_say_cannot_command_a_terminal(said: Said, wanted: str) -> None:
    lines = said(format=wanted)
    logging.getLogger("edged.x").info("the broker says %s", "\x1b]0;mine\x07\x1b[2J\u009b1m\rgood\ttab\r\nsecond")
    everything = "\n".join(lines())
    assert not [each for each in everything if each < " " and each not in "\n\t"]
    assert "\u009b" not in everything
    assert "mine" in everything
    assert "second" in everything
    if wanted == "text":
        assert r"\x1b]0;mine\x07\x1b[2J\x9b1m\x0dgood" in everything


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://watcher:hunter2@camera/stream", "rtsp://watcher:hunter@2hunter2@camera", "rtsp://watcher:a/hunter2@camera/1",
        "rtsp://watcher:a1234#hunter2@camera", "http://camera/video?user=a&pwd=hunter2", "http://camera/?x=1&auth_token=hunter2&y=2",
    ],
)  # fmt: skip
def test_passwords_in_addresses_are_hidden_however_they_are_written(address: str) -> None:
    told = Concealer()(f"cannot open '{address}' now")
    assert "hunter2" not in told
    assert "camera" in told
    assert told.startswith("cannot open '")
    assert told.endswith(" now")


@pytest.mark.parametrize(
    "address", ["http://camera:8080/a@b", "http://[::1]:80/a:b@c", "mqtt://broker:1883", "a://b and c:d@e"]
)
def test_addresses_without_a_password_stay_as_they_are(address: str) -> None:
    assert Concealer()(address) == address


def test_the_same_words_for_two_different_bugs_are_both_told(said: Said) -> None:
    lines = said()
    for text in ("a", "1"):
        try:
            int(text) / 0
        except (ValueError, ZeroDivisionError):
            logging.getLogger("edged.x").exception("what came was passed over")
    assert sum("passed over" in line for line in lines()) == 2


def test_secrets_in_the_words_of_others_are_hidden(said: Said) -> None:
    secrets = ["hunter2hunter2", "hunter2hunter2-and-more", "on"]
    lines = said(secrets=secrets, level="debug")
    log = logging.getLogger("library")
    log.info("logging in with hunter2hunter2-and-more, going on")
    log.info("rtsp://watcher:open/%%2Fsesame@camera and mqtt://u:p@h and http://plain.example/a:b@c", *[])
    try:
        raise OSError("hunter2hunter2 is wrong")
    except OSError:
        log.exception("no")
    everything = "\n".join(lines())
    assert "logging in with ***, going on" in everything
    assert "hunter2" not in everything
    assert "mqtt://u:***@h" in everything
    assert "http://plain.example/a:b@c" in everything


def test_every_secret_of_the_settings_is_known_to_the_log() -> None:
    settings = Settings.model_validate({"mqtt": {"password": "hunter2hunter2"}})
    assert logs.secrets_of(settings) == ["hunter2hunter2"]
    actuator = ActuatorSettings.model_validate({"actuator": "callout", "mqtt": {"password": "hunter2hunter2"}})
    assert logs.secrets_of(actuator) == ["hunter2hunter2"]


def test_a_thread_that_ends_by_a_bug_is_one_line_and_its_place_at_debug(said: Said) -> None:
    def fail() -> None:
        raise ZeroDivisionError("one by none\nand more")

    for level in ("info", "debug"):
        lines = said(level=level)
        thread = threading.Thread(target=fail, name="looker")
        thread.start()
        thread.join()
        told = r"the thread looker has ended by a bug: ZeroDivisionError: one by none \(test_lines\.py:\d+\)$"
        assert re.search(told, lines()[0])
        assert any("in fail" in line for line in lines()) == (level == "debug")
        assert level == "debug" or len(lines()) == 1


def test_in_an_actuator_no_exception_is_quoted(said: Said) -> None:
    """It may hold what was to be typed."""

    def fail() -> None:
        raise ValueError("cannot type hunter2")

    lines = said(role="actuator", level="debug")
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError:
        logging.getLogger("edged.x").exception("unexpected", extra=BUG.extra())
    everything = "\n".join(lines())
    assert "the thread worker has ended by a bug: ValueError (test_lines.py:" in everything
    assert "unexpected" in everything
    # Lines of code are told, values are not.
    assert everything.count("hunter2") == everything.count('raise ValueError("cannot type hunter2")')


def test_warnings_of_python_are_one_line(said: Said) -> None:
    lines = said()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.surprises.catch(quote=True)
        warnings.warn("old ways\nend", FutureWarning, stacklevel=1)
    assert len(lines()) == 1
    assert re.search(r"warning: FutureWarning: old ways \(test_lines\.py:\d+\)$", lines()[0])


def test_in_an_actuator_no_warning_is_quoted(said: Said) -> None:
    lines = said(role="actuator")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.surprises.catch(quote=False)
        warnings.warn("cannot type hunter2", UserWarning, stacklevel=1)
    assert len(lines()) == 1
    assert re.search(r"warning: UserWarning \(test_lines\.py:\d+\)$", lines()[0])


def test_an_exception_that_nobody_can_take_is_one_line(said: Said) -> None:
    class Ending:
        def __del__(self) -> None:
            raise OSError("too late")

    lines = said()
    Ending()
    assert len(lines()) == 1
    assert "OSError: too late" in lines()[0]


def test_a_process_that_ends_by_a_bug_says_where(tmp_path: Path) -> None:
    code = (
        "from edged import logs; from edged.settings import LogSettings\n"
        "logs.set_up(LogSettings(), 'front')\n"
        "raise ZeroDivisionError('one by none')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "edged[front]: critical: the process ends by a bug" in done.stderr
    assert "edged[front]: ZeroDivisionError: one by none" in done.stderr


def test_without_the_library_the_log_stays_on_standard_error_and_says_so_once(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    lines = said(format="journal", level="debug")
    logging.getLogger("edged.x").info("ready")
    assert len(lines()) == 2
    assert "the library systemd-python is not here" in lines()[0]
    assert lines()[1].endswith("edged[front]: ready")
    of_child = said("capture", format="journal", level="debug")
    assert of_child() == []


def test_where_there_is_no_journald_that_is_said(tmp_path: Path) -> None:
    pytest.importorskip("systemd.journal", exc_type=ImportError)
    assert journal.missing(tmp_path / "socket") == f"there is no {tmp_path / 'socket'}"


def test_what_the_journal_does_not_take_goes_to_standard_error(root_logger: logging.Logger) -> None:
    pytest.importorskip("systemd.journal", exc_type=ImportError)
    stream = io.StringIO()

    def refuses(message: str, **fields: str) -> None:
        raise OSError(105, "No buffer space available")

    root_logger.handlers[:] = [
        Teller(journal.handler({"EDGED_CAMERA": "front"}, logging.StreamHandler(stream), refuses), Concealer())
    ]
    logging.getLogger("edged.x").error("lost %d", 3)
    assert stream.getvalue() == "lost 3\n"


def test_an_unknown_place_in_the_environment_is_no_journal(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that systemd started hands JOURNAL_STREAM on, also to what it sends into a file."""
    monkeypatch.setenv("JOURNAL_STREAM", f"{Path('/').stat().st_dev}:1")
    stream = io.StringIO()
    logs.set_up(LogSettings(), "front", "", stream)
    logging.getLogger("edged.x").info("ready")
    assert re.fullmatch(r"\d\d:\d\d:\d\d edged\[front\]: ready\n", stream.getvalue())


def test_lines_for_the_journal_have_their_priority_in_front(
    root_logger: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them: a traceback has many."""
    file = tmp_path / "journal"
    with file.open("w") as stream:
        found = file.stat()
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        logs.set_up(LogSettings(level="debug", format="text"), "front", "", stream)
        try:
            raise ValueError("a bug")
        except ValueError:
            logging.getLogger("edged.x").exception("unexpected")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>edged[front]: ") for line in lines)
