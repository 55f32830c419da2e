"""A short drill; the long one is `scripts/alert-drill`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "alert-drill"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_alert_arrives_once_or_is_told_as_failed_through_faults_and_kills() -> None:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("mosquitto is not here (package mosquitto)")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--alerts", "25", "--kill-every", "4", "--seed", "7", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["doubled"], result["untrue"], result["found_secrets"]) == ([], [], [])
    assert sum(result["ends"].values()) == result["asked"] == 25
    assert result["kills"] >= 1
    assert result["faults"] > 10
    assert result["answers_lost_after_it_was_taken"] >= 1
