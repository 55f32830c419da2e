"""The log of a process: lines with fields in systemd's journal, or text or JSON on standard error.

Text lines begin with the process: `edged[front] inference: 468 landmarks, LiteRT`, and with the local time where the
journal does not have it. In the journal, each line says which camera or actuator (EDGED_CAMERA, EDGED_ACTUATOR), which
process wrote it (EDGED_PROCESS), which process it is about (EDGED_STAGE), and what it is (MESSAGE_ID, see notices.py).

Each process writes for itself; children inherit their parent's standard error, and with it the journal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Literal, TextIO

from edged.logs import journal, surprises
from edged.logs.concealing import Concealer, secrets_of
from edged.logs.lines import JsonFormatter, TextFormatter
from edged.logs.telling import Teller
from edged.settings import LogSettings

__all__ = ["secrets_of", "set_up"]

Role = Literal["camera", "actuator"]


def set_up(
    settings: LogSettings,
    name: str,
    process: str = "",
    stream: TextIO | None = None,
    role: Role = "camera",
    secrets: Iterable[str] = (),
) -> None:
    """Send this process's log where `settings` say. name: of the camera, or of what `role` says. process: the child's
    name, empty for the parent itself. stream: another than standard error. secrets: are hidden wherever they turn up.

    Warnings, and exceptions that end a thread, go there too from now on. Called again, it replaces what was set up.
    """
    out = stream or sys.stderr
    to_journal = journal.is_journal(_fd(out))
    wanted = settings.format
    if wanted == "auto":
        wanted = "journal" if to_journal else "text"
    trouble = journal.missing() if wanted == "journal" else ""
    if trouble:
        wanted = "text"
    own = process or ("daemon" if role == "camera" else role)
    sink: logging.Handler = logging.StreamHandler(out)
    if wanted == "json":
        sink.setFormatter(JsonFormatter(name, own, role))
    else:
        sink.setFormatter(TextFormatter(f"edged[{name}] {process}".rstrip(), journal=to_journal))
    if wanted == "journal":
        sink = journal.handler(_fields(name, process, own, role), spare=sink)
    # What is typed or said may be quoted by any exception in an actuator.
    quote = role == "camera"
    _replace(Teller(sink, Concealer(secrets), quote=quote), settings.level)
    surprises.catch(quote=quote)
    if trouble and not process:
        logging.getLogger(__name__).debug("the log goes to standard error and not to the journal: %s", trouble)


def _fields(name: str, process: str, own: str, role: Role) -> dict[str, str]:
    # A tag that syslog takes as well: no brackets, no spaces.
    identifier = "-".join(filter(None, ("edged", name, process))).replace(" ", "-")
    return {
        "SYSLOG_IDENTIFIER": identifier,
        f"EDGED_{role.upper()}": name,
        "EDGED_PROCESS": own,
        "EDGED_STAGE": own,
    }


def _replace(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        if isinstance(old, Teller):
            old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())


def _fd(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # no file behind it, or closed
        return -1
