"""`edged run` with the settings of a JSON file, until it has said that it has lost camera and broker: `python -m … FILE`."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from edged.cli import main as edged


def main(file: Path) -> None:
    settings = json.loads(file.read_text(encoding="utf-8"))
    threading.Thread(target=_end_later, daemon=True).start()
    # Not on the command line, which the journal knows of every process.
    os.environ.update({f"EDGED_{name.replace('.', '__').upper()}": value for name, value in settings.items()})
    edged(["run"])


def _end_later() -> None:
    """When health has spoken of the camera, and the broker was tried."""
    told: set[str] = set()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.add(str(record.__dict__.get("EDGED_NOTICE")) + record.getMessage()[:17])

    deadline = time.monotonic() + 30
    ear = Ear()
    while time.monotonic() < deadline:
        if ear not in logging.getLogger().handlers and logging.getLogger().handlers:
            logging.getLogger().addHandler(ear)
        if "health_changedhealth: no_camera" in told and any(each.startswith("broker_lost") for each in told):
            break
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
