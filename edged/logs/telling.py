"""Between the loggers and what writes: resolves and conceals each line once, and holds repeats back."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
import time
import traceback
from collections.abc import Callable, Hashable

from edged.logs.concealing import Concealer
from edged.logs.lines import printable
from edged.logs.repeats import Repeats, Summary

# What says how things are now comes in pairs (lost, back): held back at once, the last line would often be the wrong one.
NOTICE_TIMES = 10
# Of lines that differ in numbers and names only, in a minute. With log.level = debug one wants to see them.
ALIKE = 120
_KEPT_CHARACTERS = 500


class Teller(logging.Handler):
    """Hands records to `sink`, which writes them. clock: seconds that never go back.

    conceal: the last net under secrets. quote: whether the words of exceptions that nobody expected may be told.
    """

    def __init__(
        self,
        sink: logging.Handler,
        conceal: Concealer,
        *,
        quote: bool = True,
        repeats: Repeats[logging.LogRecord] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._sink = sink
        self._conceal = conceal
        self._quote = quote
        self._repeats = repeats or Repeats()
        self._clock = clock
        self._waker: threading.Thread | None = None
        self._closing = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it, or count it. The caller holds the handler's lock."""
        now = self._clock()
        self._tell(self._repeats.due(now))
        line = self._resolved(record)
        told, before = self._repeats.take(
            line, now,
            text=_text_key(record, line),
            kind=(record.name, record.levelno, hash(record.msg) if isinstance(record.msg, str) else type(record.msg)),
            times=NOTICE_TIMES if "EDGED_NOTICE" in record.__dict__ else 1,
            alike=ALIKE if record.levelno >= logging.INFO else None,
        )  # fmt: skip
        self._tell(before)
        if told:
            self._sink.handle(line)
            return
        # It is kept for up to a minute, and so are others.
        line.msg, line.exc_text = _first_line(line.msg), None
        if self._waker is None and not self._closing.is_set():
            waker = threading.Thread(target=self._wait, name="log", daemon=True)
            # No more threads (TasksMax=, memory), or the interpreter ends: whoever logs is not to fail for it. The next
            # line tries again.
            with contextlib.suppress(RuntimeError, MemoryError):
                waker.start()
                self._waker = waker

    def close(self) -> None:
        """Tell what was held back, and end."""
        self._closing.set()
        self.acquire()
        try:
            self._tell(self._repeats.rest(self._clock()))
        finally:
            self.release()
        with contextlib.suppress(OSError, ValueError):  # nobody reads standard error any more, or it is closed
            self._sink.flush()
        super().close()

    def _resolved(self, record: logging.LogRecord) -> logging.LogRecord:
        """A copy that holds its text and nothing that the text was made of: it may be kept for a minute."""
        line = copy.copy(record)
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a line with a bug is told as far as it goes, never with its arguments
            text = f"{record.msg} [this line of the log has a bug: {type(error).__name__}]"
        line.msg, line.args = printable(self._conceal(text)), None
        if record.exc_info and record.exc_info[1] is not None:
            line.exc_text = printable(self._conceal(self._trace(record.exc_info[1])))
        line.exc_info = None
        return line

    def _trace(self, error: BaseException) -> str:
        if self._quote:
            return "".join(traceback.format_exception(error)).rstrip()
        where = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        return f"{type(error).__name__}\n{where}".rstrip()

    def _tell(self, summaries: list[Summary[logging.LogRecord]]) -> None:
        for each in summaries:
            line = copy.copy(each.line)
            more = ("more time" if each.count == 1 else "more times") if each.same else "more like it"
            line.msg = f"{line.msg} … {each.count} {more} in {each.seconds:.0f} s"
            line.__dict__["EDGED_REPEATED"] = each.count
            self._sink.handle(line)

    def _wait(self) -> None:
        """On a thread of its own, for as long as anything is held back: nobody else may log for hours."""
        while True:
            self.acquire()
            try:
                self._tell(self._repeats.due(self._clock()))
                due = self._repeats.next_due()
                if due is None:
                    self._waker = None
                    return
                seconds = max(0.05, due - self._clock())
            finally:
                self.release()
            if self._closing.wait(seconds):
                return


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0][:_KEPT_CHARACTERS]


def _text_key(record: logging.LogRecord, line: logging.LogRecord) -> Hashable:
    """Equal for lines that say the same: of exceptions, also which it was and where."""
    where: tuple[object, ...] = ()
    if record.exc_info and record.exc_info[1] is not None:
        trace = record.exc_info[1].__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = (type(record.exc_info[1]).__name__, trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno))
    # Bounded: a text may be long, and only the key of most is kept.
    return (record.name, record.levelno, hash(line.msg), len(line.msg), where)
