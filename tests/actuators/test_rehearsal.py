"""What bindings would have done with what was recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.rehearsal import Step, rehearse
from edged.actuators.settings import ActuatorSettings
from edged.errors import RecordingError
from tests.actuators.bench import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
BLINK = {"id": "1", "camera": "front", "kind": "blink", "gesture": "double", "at": "2026-03-01T12:00:00.000Z"}
GREET = {
    "name": "greet", "topic": "edged/camera/+/event/blink", "when": [{"field": "gesture", "equals": "double"}],
    "action": "type", "text": "seen by {camera}",
}  # fmt: skip
LEFT = {
    "name": "left", "topic": "edged/camera/front/state/presence", "action": "key", "options": {"chord": "super+l"},
    "when": [{"field": "present", "equals": False, "for_seconds": 60}],
}  # fmt: skip


def steps(tmp_path: Path, lines: list[Any], *bindings: dict[str, Any]) -> list[Step]:
    file = tmp_path / "events"
    file.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines), encoding="utf-8")
    return list(rehearse(ActuatorSettings.model_validate({"bindings": list(bindings)}), file, ACTIONS))


def test_an_event_fires_in_its_own_time_however_old_the_recording(tmp_path: Path) -> None:
    (step,) = steps(tmp_path, [BLINK], GREET)
    assert (step.binding, step.action, step.text, step.kept) == ("greet", "type", "seen by front", "")
    assert step.at == 1772366400.0


def test_what_is_kept_back_is_listed_with_its_reason(tmp_path: Path) -> None:
    soon = {**BLINK, "id": "2", "at": "2026-03-01T12:00:00.500Z"}
    night = {**BLINK, "id": "3", "at": "2026-03-01T23:00:00.000Z"}
    found = steps(tmp_path, [BLINK, soon, BLINK, "", night], {**GREET, "cooldown_seconds": 1})
    assert [bool(each.kept) for each in found] == [False, True, True, False]
    assert "it fired 0.5 s ago" in found[1].kept
    assert steps(tmp_path, [BLINK], {**GREET, "text": "{nobody}"})[0].kept == "the message has no field nobody"


def test_the_same_event_twice_is_acted_on_once(tmp_path: Path) -> None:
    found = steps(tmp_path, [BLINK, BLINK], {**GREET, "cooldown_seconds": 0})
    assert [each.kept for each in found] == ["", "it was acted on when it came first"]


def test_what_stays_fires_between_two_lines_and_after_the_last(tmp_path: Path) -> None:
    gone = {"camera": "front", "state": "presence", "present": False, "since": "2026-03-01T12:00:00Z"}
    later = {**BLINK, "at": "2026-03-01T12:05:00.000Z"}
    (step,) = steps(tmp_path, [gone, later], LEFT)
    assert (step.at, step.kept, step.options) == (1772366460.0, "", {"chord": "super+l"})
    (step,) = steps(tmp_path, [gone], LEFT)
    assert step.kept == "the recording ends 60.0 s before: it would, if all stayed as it was"
    back = {**gone, "present": True, "since": "2026-03-01T12:00:30Z"}
    assert steps(tmp_path, [gone, back, later], LEFT) == []


def test_what_mosquitto_sub_writes_is_read(tmp_path: Path) -> None:
    inner = json.dumps(BLINK)
    lines = [
        {
            "tst": "2026-03-01T13:00:00.936945Z+0100",
            "topic": "edged/camera/front/event/blink",
            "retain": 0,
            "payload": inner,
        },
        {
            "tst": "2026-03-01T12:00:20.936945+0000",
            "topic": "edged/camera/front/event/blink",
            "payload": {**BLINK, "id": "2"},
        },
        {
            "tst": "2026-03-01T12:00:40.936945Z+0000",
            "topic": "edged/camera/front/event/blink",
            "retain": 1,
            "payload": inner,
        },
        {"tst": "2026-03-01T12:00:50.936945Z+0000", "topic": "edged/camera/front/event/blink", "payload": None},
    ]
    first, second = steps(tmp_path, lines, GREET)
    assert (first.at, first.kept) == (1772366400.936945, "")
    assert "20.9 s old" in second.kept


@pytest.mark.parametrize(
    "line",
    ["rubbish", "[1]", "{}", '{"topic": "a"}', '{"camera": "front", "kind": "blink"}', '{"camera": "front", "at": "x"}',
     '{"camera": "../x", "kind": "blink", "at": "2026-03-01T12:00:00Z"}', '{"camera": "a", "at": "2026-03-01T12:00:00Z"}',
     "[" * 50_000],
)  # fmt: skip
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(RecordingError, match="line 2"):
        steps(tmp_path, [BLINK, line], GREET)


def test_options_that_the_event_fills_with_something_else_are_told(tmp_path: Path) -> None:
    count = {**GREET, "action": "do", "text": None, "options": {"number": "{gesture}"}}
    (step,) = steps(tmp_path, [BLINK], count)
    assert "it would be rejected: the options of do are wrong" in step.kept


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        list(rehearse(ActuatorSettings(), tmp_path / "nothing", ACTIONS))
    with pytest.raises(RecordingError, match="directory"):
        list(rehearse(ActuatorSettings(), tmp_path, ACTIONS))


def test_the_command_lists_what_would_fire(tmp_path: Path) -> None:
    events, config = tmp_path / "events", tmp_path / "typing.toml"
    events.write_text(json.dumps(BLINK) + "\n", encoding="utf-8")
    config.write_text(
        '[[bindings]]\nname = "greet"\ntopic = "edged/camera/+/event/blink"\naction = "type"\ntext = "hi"\n'
        'when = [{ field = "gesture", equals = "double" }]\n',
        encoding="utf-8",
    )

    def check(*more: str, stdin: bytes = b"") -> str:
        command = [sys.executable, "-m", "edged", "actuator", "check", "typing", *more, "-c", str(config)]
        return subprocess.run(command, check=True, capture_output=True, input=stdin, cwd=ROOT).stdout.decode()

    assert "greet: type 'hi'" in check(str(events))
    assert json.loads(check("-", "--json", stdin=events.read_bytes()))["binding"] == "greet"
    events.write_text(json.dumps({**BLINK, "gesture": "single"}) + "\n", encoding="utf-8")
    assert check(str(events)) == "no binding would fire\n"
