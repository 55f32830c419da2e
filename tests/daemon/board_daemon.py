"""A real daemon and a real capture process on a board whose /sys is elsewhere, and which answers to heat within moments:
`python board_daemon.py SETTINGS_JSON_FILE ROOT`.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from edged import logs
from edged.daemon import board_care, cooling, standing
from edged.daemon.board_care import BoardCare
from edged.daemon.daemon import Daemon
from edged.processes.table import ProcessSpec
from tests.daemon.puppet_daemon import read


def main(settings_file: str, root: str) -> int:
    settings = read(Path(settings_file))
    logs.set_up(settings.log, settings.camera)
    for module, name, value in (
        (standing, "BoardCare", functools.partial(BoardCare, root=Path(root))),
        (board_care, "_LOOK_SECONDS", 0.2),
        (cooling, "_URGENT_SECONDS", 0.2),
        (cooling, "_FIRST_PATIENCE_SECONDS", 0.3),
    ):
        setattr(module, name, value)
    table = {
        "capture": ProcessSpec("edged.capture.process:main", 30.0, 5.0),
        "inference": ProcessSpec("tests.daemon.toys:inference", 10.0, 1.5),
    }
    return Daemon(settings, table=table).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
