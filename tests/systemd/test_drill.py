"""The drill on a booted machine: that it harms no machine that was not meant, and knows its own faults by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).resolve().parents[2] / "scripts" / "appliance-drill"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DRILL), *words], capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip


def test_it_refuses_a_machine_that_systemd_has_not_booted() -> None:
    if os.geteuid() == 0 and Path("/run/systemd/system").exists():
        pytest.skip("this machine could be drilled")
    done = run("--clip", "film.mp4")
    assert done.returncode == 2
    assert "needs root on a machine that systemd has booted" in done.stderr


@pytest.mark.parametrize("words", [(), ("--clip", "film.mp4", "--source", "sitter")])
def test_it_wants_one_source(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "--clip or --source" in done.stderr


def test_a_fault_that_there_is_not_is_refused_with_those_there_are() -> None:
    done = run("--clip", "film.mp4", "--only", "earthquake")
    assert done.returncode == 2
    assert "earthquake" in done.stderr
    assert "kill -9 daemon" in done.stderr
