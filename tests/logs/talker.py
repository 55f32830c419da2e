"""A process that logs: `python -m tests.logs.talker FORMAT [PROCESS]`."""

from __future__ import annotations

import logging
import sys
import threading
import warnings

from edged import logs
from edged.notices import CAMERA_LOST, CHILD_DIED
from edged.settings import LogSettings


def main(arguments: list[str]) -> None:
    process = arguments[1] if len(arguments) > 1 else ""
    logs.set_up(
        LogSettings.model_validate({"format": arguments[0], "level": "debug"}), "front", process,
        secrets=["hunter2hunter2"],
    )  # fmt: skip
    log = logging.getLogger("edged.talker")
    log.debug("a small thing")
    log.info("ready with %d models", 4)
    log.info("event %s", "0190", extra={"EVENT_ID": "0190"})
    log.warning("/dev/video0 is gone; again in %.1f s", 0.5, extra=CAMERA_LOST.extra())
    log.warning("inference was silent", extra=CHILD_DIED.extra(EDGED_STAGE="inference"))
    for _ in range(313):
        log.error("the disk is full")
    try:
        raise ValueError("rtsp://watcher:opensesame@camera/ refused hunter2hunter2")
    except ValueError:
        log.exception("unexpected: %s", "hunter2hunter2")
    warnings.warn("old ways\nend", FutureWarning, stacklevel=1)
    thread = threading.Thread(target=_fail, name="looker")
    thread.start()
    thread.join()
    log.critical("the end")


def _fail() -> None:
    raise ZeroDivisionError("one by none\nand more")


if __name__ == "__main__":
    main(sys.argv[1:])
