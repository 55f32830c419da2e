"""The journal's own protocol: lines with fields. The only file that imports systemd.journal."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edged.logs.lines import FIELDS, MessageFormatter

SOCKET = Path("/run/systemd/journal/socket")

Sender = Callable[..., Any]

# What the library says of a line, beside ours. It would add all else that a record has, the arguments too.
_OF_LIBRARY = ("MESSAGE", "PRIORITY", "LOGGER", "THREAD_NAME", "CODE_FILE", "CODE_LINE", "CODE_FUNC")
_OURS = ("SYSLOG_IDENTIFIER", "EDGED_CAMERA", "EDGED_ACTUATOR", "EDGED_PROCESS", *FIELDS)
SENT = frozenset((*_OF_LIBRARY, *_OURS))


def is_journal(fd: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor leads to the journal: systemd says in JOURNAL_STREAM which does (systemd.exec(5)).

    That the variable is there is not enough: a shell that systemd started hands it on to what it runs into a file.
    """
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(fd)
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


def missing(socket: Path = SOCKET) -> str:
    """Why the journal cannot be written to, as a plain sentence; empty if it can."""
    try:
        importlib.import_module("systemd.journal")
    except ImportError:
        return "the library systemd-python is not here (scripts/add systemd, in edged's folder)"
    return "" if socket.exists() else f"there is no {socket}"


def handler(fields: Mapping[str, str], spare: logging.Handler, sender: Sender | None = None) -> logging.Handler:
    """What writes to the journal. fields: the same in every line. spare: takes what the journal does not.

    sender: sends MESSAGE and fields, given as keywords; None: systemd-python's. Raises ImportError without the library.
    """
    journal = importlib.import_module("systemd.journal")
    deliver: Sender = sender or journal.send

    def send(message: str, /, **given: Any) -> None:
        kept = {name: value for name, value in given.items() if name in SENT and value not in (None, "")}
        deliver(message, **kept)

    class Handler(journal.JournalHandler):  # type: ignore[misc, name-defined]  # known only now
        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
            spare.handle(record)

    made: logging.Handler = Handler(sender_function=send, **fields)
    made.setFormatter(MessageFormatter())
    return made
