"""The command line: one file per command, each imported only when it is asked for.

`application.py` holds the Typer application and the table of commands. It is imported inside `main`, so that
Ctrl-C while Python still loads libraries ends as quietly as later.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from edged.cli.interrupts import INTERRUPTED, ending_at_once
from edged.errors import EdgedError, SettingsError
from edged.processes.cores import forbid_core_dumps

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit status (see errors.py for the meanings)."""
    # Nearly every command, or what it starts, has pictures, people, keys or texts in its memory.
    forbid_core_dumps()
    try:
        with ending_at_once():
            from edged.cli.application import build

            build().main(None if arguments is None else list(arguments), prog_name="edged")
    except EdgedError as error:
        print(f"edged: {_told(error)}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        print(f"edged: what should be kept cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _told(error: EdgedError) -> str:
    """One sentence; several wrong settings get a line each."""
    if isinstance(error, SettingsError) and len(error.problems) > 1:
        lines = "".join(f"\n  {problem}" for problem in error.problems)
        return f"{error.origin}: {len(error.problems)} problems{lines}"
    return str(error)
