"""What the log looks like: one line per record on standard error, as text or as JSON.

Text lines begin with the process: `edged[front] inference: 468 landmarks, LiteRT`. Under systemd they carry the
priority in front (sd-daemon(3)), and the journal has the time; elsewhere they begin with the local time.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
import time
from typing import TextIO

from edged.settings import LogSettings

_PRIORITY = {
    logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>", logging.CRITICAL: "<2>",
}  # fmt: skip


class TextFormatter(logging.Formatter):
    """Lines for people and for the journal. `journal`: standard error is read by systemd."""

    def __init__(self, name: str, *, journal: bool) -> None:
        super().__init__()
        self._name = name
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """One record; the lines of a traceback each get the prefix, so that none is lost in a filter."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if self._journal:
            start = _PRIORITY.get(record.levelno, "<6>")
        else:
            start = time.strftime("%H:%M:%S ", time.localtime(record.created))
        return "\n".join(f"{start}{self._name}: {line}" for line in text.splitlines() or [""])


class JsonFormatter(logging.Formatter):
    """Lines for machines: at, level, camera (or actuator), process, logger, message, exception."""

    def __init__(self, name: str, process: str, role: str = "camera") -> None:
        super().__init__()
        self._name = name
        self._role = role
        self._process = process or ("daemon" if role == "camera" else role)

    def format(self, record: logging.LogRecord) -> str:
        """One record as one line of JSON."""
        moment = datetime.datetime.fromtimestamp(record.created, tz=datetime.timezone.utc)
        fields = {
            "at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            self._role: self._name,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def set_up(
    settings: LogSettings, name: str, process: str = "", stream: TextIO | None = None, role: str = "camera"
) -> None:
    """Send this process's log to standard error. name: of the camera, or of what `role` says. process: the child's
    name, empty for the daemon itself.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    if settings.format == "json":
        handler.setFormatter(JsonFormatter(name, process, role))
    else:
        prefix = f"edged[{name}] {process}".rstrip()
        handler.setFormatter(TextFormatter(prefix, journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    logging.captureWarnings(capture=True)
