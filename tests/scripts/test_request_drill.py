"""A short drill; the long one is `scripts/request-drill`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "request-drill"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_exactly_what_was_asked_rightly_is_done_once_through_kills_and_restarts() -> None:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("mosquitto is not here (package mosquitto)")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--requests", "100", "--faults", "8", "--seed", "7", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == {}
    assert result["kills"] >= 3
    assert result["durable_done_once"] == result["durable_asked"] > 20
    assert result["ephemeral_done_once"] >= result["ephemeral_told_succeeded"] > 0
    assert result["refused_asked"] > 20
    assert result["refused_done"] == 0
