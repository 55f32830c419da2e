"""What a line on standard error looks like: text for people, or JSON for machines."""

from __future__ import annotations

import datetime
import json
import logging
import re
import time

_PRIORITY = {
    logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>", logging.CRITICAL: "<2>",
}  # fmt: skip

# Journal fields that a record may carry (`extra`), and what JSON calls them.
FIELDS = {
    "MESSAGE_ID": "message_id",
    "EDGED_NOTICE": "notice",
    "EDGED_STAGE": "stage",
    "EVENT_ID": "event_id",
    "EDGED_JOB_ID": "job_id",
    "EDGED_REPEATED": "repeated",
}

# All but the ends of lines and tabs: a terminal obeys some, and journalctl hides the whole line for one ("blob data").
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """With control characters spelled out, in hexadecimal: texts of others (a device's name, a broker's words) may have some."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n"))


class TextFormatter(logging.Formatter):
    """Lines for people. journal: standard error is read by systemd, which wants the priority in front (sd-daemon(3))."""

    def __init__(self, name: str, *, journal: bool) -> None:
        super().__init__()
        self._name = name
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """One record; the lines of a traceback each get the prefix, so that none is lost in a filter."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        if trace := _trace(self, record):
            text += "\n" + trace
        if self._journal:
            start = _PRIORITY.get(record.levelno, "<6>")
        else:
            start = time.strftime("%H:%M:%S ", time.localtime(record.created))
        return "\n".join(f"{start}{self._name}: {line}" for line in text.splitlines() or [""])


class JsonFormatter(logging.Formatter):
    """Lines for machines: at, level, camera (or actuator), process, logger, message, exception, and what of FIELDS there is."""

    def __init__(self, name: str, process: str, role: str = "camera") -> None:
        super().__init__()
        self._name = name
        self._role = role
        self._process = process

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
        fields |= {name: record.__dict__[field] for field, name in FIELDS.items() if field in record.__dict__}
        if trace := _trace(self, record):
            fields["exception"] = trace
        return json.dumps(fields, ensure_ascii=False)


class MessageFormatter(logging.Formatter):
    """The message and its traceback and nothing else: who and when are fields of their own in the journal."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        trace = _trace(self, record)
        return record.getMessage() + (f"\n{trace}" if trace else "")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_text:
        return record.exc_text
    return formatter.formatException(record.exc_info) if record.exc_info else ""
