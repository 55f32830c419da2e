"""The command line as a whole: help, errors, exit statuses, and what is not imported."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from edged.cli.application import COMMANDS
from tests.cli.edged_command import REPOSITORY, edged

HEAVY = {"numpy", "cv2", "ai_edge_litert", "mediapipe", "paho"}


def imported_by(*arguments: str) -> set[str]:
    """Top-level modules that a command line imports, from Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edged", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}


def test_help_lists_every_command_with_its_sentence() -> None:
    done = edged("--help")
    assert done.returncode == 0
    for name, sentence in COMMANDS.items():
        assert f"{name} " in done.stdout
        assert sentence in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_reads_well(name: str) -> None:
    done = edged(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: edged {name}" in done.stdout
    assert "Traceback" not in done.stderr


def test_help_and_light_commands_import_nothing_heavy() -> None:
    assert not imported_by("--help") & HEAVY
    assert not imported_by("run", "--help") & (HEAVY - {"paho"})
    assert not imported_by("models", "list") & HEAVY
    assert not imported_by("config", "show") & HEAVY
    assert not imported_by("act", "desk", "lock", "--port", "1") & (HEAVY - {"paho"} | {"sqlite3", "sqlite_utils"})


def test_without_arguments_help_is_shown_and_the_status_is_that_of_wrong_usage() -> None:
    done = edged()
    assert "Commands" in done.stdout + done.stderr
    assert done.returncode == 2


def test_the_version() -> None:
    done = edged("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("edged 0.")


def test_no_command_leaves_a_core_dump() -> None:
    """The doctor has pictures in its memory, `faces` people, `evidence` both, and keys."""
    code = (
        "import resource, sys\nfrom edged.cli import main\n"
        "try:\n    main(['--version'])\n"
        "finally:\n    print(resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "(0, 0)", done.stderr


def test_an_unknown_command_names_the_one_that_was_meant() -> None:
    done = edged("wacth")
    assert done.returncode == 2
    assert "Did you mean 'watch'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_one_sentence_on_standard_error_and_its_status() -> None:
    done = edged("config", "check", "/nowhere.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "edged: /nowhere.toml: does not exist (check the path)\n"
    done = edged("models", "pull", "iris_landmrk")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "did you mean iris_landmark?" in done.stderr


def test_a_closed_pipe_ends_without_a_traceback() -> None:
    command = f"{sys.executable} -m edged config schema | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr


def test_shell_completion_knows_the_commands() -> None:
    environment = {"_EDGED_COMPLETE": "complete_bash", "COMP_WORDS": "edged mo", "COMP_CWORD": "1"}
    assert edged(environment=environment).stdout.split() == ["models"]


@pytest.mark.parametrize("delay_seconds", [0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.5])
def test_ctrl_c_ends_with_130_and_no_traceback(delay_seconds: float) -> None:
    """At any moment of the start: also while libraries are still being loaded."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_COMMAND],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(delay_seconds)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert b"Traceback" not in said
    finally:
        process.kill()
        process.wait()


# A command that never ends, put into the table of commands. "begun" is said by the first import within `main`: before
# that the process is Python's own, which ends by the signal.
_SLOW_COMMAND = """
import importlib.abc, sys, time, types
class Begun(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "edged.cli.application":
            print("begun", flush=True)
slow = types.ModuleType("edged.cli.judge")
def judge():
    while True:
        time.sleep(0.05)
slow.judge = judge
sys.modules["edged.cli.judge"] = slow
from edged.cli import main
sys.meta_path.insert(0, Begun())
main(["judge"])
"""
