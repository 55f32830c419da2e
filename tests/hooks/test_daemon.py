"""Hooks in a whole daemon, over a broker: what they say, what health says of them, and that a bad one harms nobody."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from edged.cli.config import show
from edged.configuration.loading import load
from edged.errors import SettingsError
from edged.processes.child import settings_packets
from edged.settings import Settings
from tests.daemon.conftest import Theatre, alive
from tests.hooks.packages import install_toys


@pytest.fixture
def staged(stage: Theatre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theatre:
    """A daemon that is not started yet, with the toy hooks on its path."""
    install_toys(tmp_path / "site")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path / "site"), os.environ.get("PYTHONPATH"))))
    )
    return stage


def state(theatre: Theatre, hook: str) -> dict[str, Any]:
    found: dict[str, Any] = (theatre.last("health") or {}).get("hooks", {}).get(hook, {})
    return found


def running(theatre: Theatre, *hooks: str) -> bool:
    return all(state(theatre, hook).get("status") == "running" for hook in hooks)


def test_what_a_hook_returns_is_an_event_of_its_own(staged: Theatre) -> None:
    staged.configure(hooks={"echo": {"events": ["presence"], "options": {"colour": "red"}}})
    staged.start()
    staged.until(lambda: running(staged, "echo"))
    staged.pull("faces", "1")
    said = staged.until(lambda: staged.last("event/hook"))
    assert said["hook"] == "echo"
    assert said["data"]["heard"] == "presence"
    assert said["data"]["colour"] == "red"
    presence = staged.last("event/presence")
    assert (said["frame"], said["at_ms"]) == (presence["frame"], presence["at_ms"])
    assert said["seq"] > presence["seq"]
    assert staged.children()["hook echo"] == said["data"]["pid"]


def test_a_hook_sees_what_judgement_saw(staged: Theatre) -> None:
    staged.configure(hooks={"watcher": {"cooldown_seconds": 0.5}})
    staged.pull("faces", "1")
    staged.pull("gaze", "30")
    staged.start()
    staged.until(lambda: any(said["data"]["zones"] == ["left"] for said in staged.all("event/hook")))


def test_bad_hooks_neither_stop_nor_slow_the_daemon(staged: Theatre, tmp_path: Path) -> None:
    options = {"options": {"folder": str(tmp_path)}}
    bad: dict[str, Any] = {name: dict(options) for name in ("badstart", "raiser", "nosuch", "misspelt", "watcher")}
    bad["watcher"]["cooldown_seconds"] = 0
    staged.configure(hooks=bad)
    staged.start()
    staged.until(lambda: running(staged, "raiser", "misspelt", "watcher"))
    staged.until(lambda: len((staged.last("health") or {}).get("reasons", [])) >= 3)
    health = staged.last("health")
    assert health["status"] == "degraded"
    assert any("nosuch" in reason for reason in health["reasons"])
    assert any("presense" in reason for reason in health["reasons"])
    before = health["analysed_frames"]
    pids = {name: pid for name, pid in staged.children().items() if not name.startswith("hook")}
    staged.pull("faces", "1")
    staged.until(lambda: staged.last("event/presence"))
    staged.until(lambda: staged.last("health")["analysed_frames"] > before + 30)
    now = {name: pid for name, pid in staged.children().items() if not name.startswith("hook")}
    assert now == pids, "capture and inference ran on"
    assert staged.last("health")["restarts"] == {"capture": 0, "inference": 0}


def test_a_killed_hook_is_told_and_replaced_while_the_pipeline_runs_on(staged: Theatre) -> None:
    staged.configure(hooks={"echo": {}})
    staged.start()
    staged.until(lambda: staged.status() == "ok" and running(staged, "echo"))
    os.kill(staged.children()["hook echo"], signal.SIGKILL)
    lost = staged.until(
        lambda: next((one for one in staged.all("event/health") if one["process"] == "hook echo"), None)
    )
    assert (lost["cause"], lost["status"], lost["previous"]) == ("process_died", "ok", "ok")
    staged.until(lambda: state(staged, "echo").get("restarts") == 1 and running(staged, "echo"))
    assert staged.status() == "ok", "one loss is no reason to worry anybody"


def test_the_daemon_ends_in_time_beside_a_hook_that_hangs(staged: Theatre, tmp_path: Path) -> None:
    staged.configure(hooks={"sleeper": {"timeout_seconds": 60, "options": {"folder": str(tmp_path)}}, "echo": {}})
    daemon = staged.start()
    staged.until(lambda: running(staged, "sleeper", "echo"))
    hooks = [pid for name, pid in staged.children().items() if name.startswith("hook")]
    assert len(hooks) == 2
    os.kill(staged.children()["hook echo"], signal.SIGSTOP)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert not any(alive(pid) for pid in hooks)


def test_hooks_end_with_a_daemon_that_is_killed(staged: Theatre) -> None:
    staged.configure(hooks={"echo": {}})
    daemon = staged.start()
    staged.until(lambda: running(staged, "echo"))
    hook = staged.children()["hook echo"]
    daemon.kill()
    daemon.wait()
    deadline = time.monotonic() + 10
    while alive(hook):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_hooks_are_told_is_published_nowhere(staged: Theatre) -> None:
    staged.configure(hooks={"raiser": {"options": {"token": "s3cret"}}})
    staged.start()
    staged.until(lambda: running(staged, "raiser"))
    staged.pull("faces", "1")
    staged.until(lambda: state(staged, "raiser").get("failed"))
    staged.publish("config/change", {"judgement": {"blink": {"long_seconds": 1.0}}})
    staged.until(lambda: staged.last("config/result"))
    assert "s3cret" not in json.dumps([payload for _, payload in staged.heard if not isinstance(payload, bytes)])
    assert "hooks" not in staged.last("config/state")["settings"]


def test_no_process_is_told_what_a_hook_is_told() -> None:
    settings = Settings.model_validate({"hooks": {"door": {"options": {"token": "s3cret"}}}})
    assert b"s3cret" not in b"".join(settings_packets(settings))


def test_nobody_starts_a_hook_from_afar(staged: Theatre) -> None:
    staged.start()
    staged.wait_for("ok")
    staged.publish("config/change", {"hooks": {"echo": {"enabled": True}}})
    result = staged.until(lambda: staged.last("config/result"))
    assert result["status"] == "rejected"
    assert result["errors"][0]["path"] == "hooks"
    assert not [name for name in staged.children() if name.startswith("hook")]


def test_a_hook_is_set_up_by_file_by_variable_and_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edged.toml"
    file.write_text('[hooks.door]\ncooldown_seconds = 2\noptions = { lamp = "hall" }\n', encoding="utf-8")
    given = {"hooks.second": "{}", "hooks.third.options": '{"lamp": "attic"}', "hooks.third.events": '["blink"]'}
    settings = load(file, given, {"EDGED_HOOKS__DOOR__TIMEOUT_SECONDS": "9", "EDGED_HOOKS__DOOR__EVENTS": '["gaze"]'})
    door = settings.hooks["door"]
    assert (door.cooldown_seconds, door.timeout_seconds, door.options) == (2.0, 9.0, {"lamp": "hall"})
    assert door.events == ["gaze"]
    assert settings.hooks["second"].enabled
    assert settings.hooks["third"].options == {"lamp": "attic"}
    assert settings.hooks["third"].events == ["blink"]
    show(file, None, origin=False, as_json=False)
    told = capsys.readouterr().out
    assert "hooks = { door = { enabled = true" in told
    assert "None" not in told


def test_what_is_wrong_with_a_hooks_table_is_said_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "edged.toml"
    file.write_text("[hooks.door]\ncooldown = 2\ntimeout_seconds = 0\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file, {}, {})
    told = sorted(str(problem) for problem in caught.value.problems)
    assert told == [
        "hooks.door.cooldown: is not a setting (did you mean cooldown_seconds?)",
        "hooks.door.timeout_seconds = 0: must be above 0 and at most 3600 s",
    ]
