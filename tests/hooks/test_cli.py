"""`edged hooks`: the list, and a hook on a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.observations import to_json
from tests.cli.edged_command import edged
from tests.hooks.conftest import observation


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Four seconds: nobody, then somebody."""
    file = tmp_path / "out.jsonl"
    file.write_bytes(b"".join(to_json(observation(n, faces=int(n > 50))) + b"\n" for n in range(1, 101)))
    return file


def test_the_list_says_which_hooks_run(site: Path, tmp_path: Path) -> None:
    settings = tmp_path / "edged.toml"
    settings.write_text("[hooks.echo]\n[hooks.raiser]\nenabled = false\n", encoding="utf-8")
    done = edged("hooks", "list", "-c", str(settings))
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert lines["echo"] == ["runs", "edged-toys", "1.0,", "toyhooks:Echo"]
    assert lines["raiser"][0] == "off"
    rows = json.loads(edged("hooks", "list", "--json").stdout)
    assert {"hook": "echo", "package": "edged-toys 1.0", "runs": False, "from": "toyhooks:Echo"} in rows


def test_a_hook_is_tried_on_a_recording_and_says_what_it_would_publish(site: Path, recording: Path) -> None:
    done = edged("hooks", "try", "echo", str(recording), "--set", 'hooks.echo.options={"lamp": "hall"}')
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    presence = next(one for one in said if one["data"]["heard"] == "presence")
    assert presence["kind"] == "hook"
    assert presence["data"]["lamp"] == "hall"
    assert presence["frame"] == presence["data"]["frame"] > 50
    again = edged("hooks", "try", "echo", str(recording), "--set", 'hooks.echo.options={"lamp": "hall"}')
    assert [json.loads(line)["id"] for line in again.stdout.splitlines()] == [one["id"] for one in said]


def test_a_trial_keeps_the_cooldown_in_the_recordings_own_time(site: Path, recording: Path, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    assignments = ["--set", f"hooks.quiet.options={options}", "--set", "hooks.quiet.cooldown_seconds=1"]
    done = edged("hooks", "try", "quiet", str(recording), *assignments)
    assert done.returncode == 0, done.stderr
    assert "quiet: 4 calls, 0 failed" in done.stderr
    assert (tmp_path / "closed").exists()


def test_a_failed_call_is_shown_and_fails_the_trial(site: Path, recording: Path) -> None:
    done = edged("hooks", "try", "raiser", str(recording))
    assert done.returncode == 1
    assert "ValueError: token" in done.stderr
    assert "toyhooks.py" in done.stderr
    assert done.stdout == ""


def test_a_hook_that_cannot_be_started_is_said_in_one_sentence_after_its_own_traceback(
    site: Path, recording: Path
) -> None:
    done = edged("hooks", "try", "badstart", str(recording))
    assert done.returncode == 1
    assert "the door bell at 10.0.0.7 does not answer" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("edged: badstart cannot be started: it fails with OSError")
    assert "/typer/" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("try", "eho", "out.jsonl"), 1, "no installed package offers a hook eho (did you mean echo?)"),
        (("try", "echo", "nosuch.jsonl"), 3, "nosuch.jsonl: cannot be read"),
        (("try", "number", "out.jsonl"), 1, "is of type int"),
    ],
)
def test_what_cannot_be_tried_is_said_in_one_sentence(
    site: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = edged("hooks", *arguments)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr
