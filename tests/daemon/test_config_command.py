"""`edged config set` and `get` against a running daemon."""

from __future__ import annotations

import subprocess
import sys

from tests.daemon.conftest import ROOT, Theatre


def edged(theatre: Theatre, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ["--host", theatre.broker.host, "--port", str(theatre.broker.port)]
    return subprocess.run(
        [sys.executable, "-m", "edged", "config", *arguments, *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_settings_are_set_read_and_taken_back(theatre: Theatre) -> None:
    done = edged(theatre, "set", "judgement.gaze.dwell_seconds=2.5", "inference.threads=2")
    assert done.returncode == 0, done.stderr
    assert "inference.threads" in done.stdout.splitlines()[1]
    shown = edged(theatre, "get", "judgement.gaze.dwell_seconds", "inference.threads").stdout
    assert "judgement.gaze.dwell_seconds = 2.5  # config/change" in shown
    assert "inference.threads = 1" in shown
    assert edged(theatre, "set", "--unset", "judgement.gaze.dwell_seconds").returncode == 0
    assert "dwell_seconds = 1.0\n" in edged(theatre, "get", "judgement.gaze.dwell_seconds").stdout
    assert edged(theatre, "set", "--reset").returncode == 0
    assert edged(theatre, "get", "--changed").stdout == ""


def test_every_reason_of_a_refusal_is_printed(theatre: Theatre) -> None:
    done = edged(theatre, "set", "judgement.gaze.dwel_seconds=1", "inference.max_faces=many", "mqtt.host=elsewhere")
    assert done.returncode == 1
    assert "did you mean judgement.gaze.dwell_seconds?" in done.stderr
    assert "inference.max_faces = 'many': must be a whole number" in done.stderr
    assert "mqtt.host: cannot be set from afar" in done.stderr


def test_nobody_there_is_a_sentence(stage: Theatre) -> None:
    done = edged(stage, "set", "inference.max_faces=3", "--timeout", "0.5")
    assert done.returncode == 5
    assert "is its daemon running" in done.stderr
    assert edged(stage, "get", "--timeout", "0.5").returncode == 5
