"""What nobody expected goes to the log too: warnings of Python, and exceptions that end a thread or come too late.

One line each; where it happened follows at debug.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import TextIO

from edged.notices import BUG

log = logging.getLogger("edged.surprises")


def catch(*, quote: bool) -> None:
    """From now on, in this process. quote: the own words of exceptions and warnings may be told; they may hold what must not be."""

    def of_thread(found: threading.ExceptHookArgs) -> None:
        if issubclass(found.exc_type, SystemExit):
            return
        name = found.thread.name if found.thread is not None else "?"
        error = found.exc_value
        _tell(f"the thread {name} has ended by a bug", found.exc_type, error, found.exc_traceback, quote=quote)

    def too_late(found: sys.UnraisableHookArgs) -> None:
        what = found.err_msg or "an exception came where nobody could take it"
        _tell(what, found.exc_type, found.exc_value, found.exc_traceback, quote=quote)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("the process ends by a bug", exc_info=(kind, error, trace), extra=BUG.extra())

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001 - as warnings.showwarning is called
        line: str | None = None,  # noqa: ARG001 - the same
    ) -> None:
        """One line, without the line of code it came from."""
        words = f": {_first_line(message)}" if quote else ""
        log.warning("%s%s (%s:%d)", category.__name__, words, Path(filename).name, lineno)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("it came from:\n%s", "".join(traceback.format_stack()[:-2]).rstrip())

    warnings.showwarning = warned
    threading.excepthook = of_thread
    sys.unraisablehook = too_late
    sys.excepthook = uncaught


def _tell(
    what: str,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
    *,
    quote: bool,
) -> None:
    words = _first_line(error) if quote and error is not None else ""
    frames = traceback.extract_tb(trace)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    log.error("%s: %s%s%s", what, kind.__name__, f": {words}" if words else "", where, extra=BUG.extra())
    if frames:
        log.debug("it happened here:\n%s", "".join(traceback.format_list(frames)).rstrip())


def _first_line(of: object) -> str:
    return (str(of).splitlines() or [""])[0]
