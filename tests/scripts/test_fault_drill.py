"""A short drill; the long one is `scripts/fault-drill`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fault-drill"


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_untrue_in_eight_faults(models_directory: Path) -> None:
    if shutil.which("mosquitto") is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto and mosquitto_passwd are not here (package mosquitto)")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--faults", "8", "--seed", "4", "--long-freeze-seconds", "7", "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "EDGED_MODELS_DIR": str(models_directory)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["emitted"] > 5
    assert (result["lost"], result["out_of_order"], result["untrue_states"]) == (0, 0, [])
