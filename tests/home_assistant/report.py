"""The table of checks: one line each, and what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


class CheckError(Exception):
    """What was looked for was not there."""


def until(seen: Callable[[], bool], timeout_seconds: float, what: Callable[[], str] | str) -> float:
    """Wait until it is seen; the seconds that took. Raises CheckError with what is there instead."""
    began = time.monotonic()
    while not seen():
        if time.monotonic() - began > timeout_seconds:
            raise CheckError(f"after {timeout_seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.1)
    return time.monotonic() - began


@dataclass
class Report:
    """Prints as it goes. failed: sentences of the checks that did not hold."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: int = 0

    def check(self, sentence: str, look: Callable[[], str]) -> None:
        """Do one check and tell what came of it. A check that breaks has failed; those after it are still done."""
        try:
            detail = look()
        except Exception as error:  # noqa: BLE001 - whatever broke, the others are to be heard
            self.failed.append(sentence)
            self._line(
                "FAIL", sentence, f"{'' if isinstance(error, CheckError) else type(error).__name__ + ': '}{error}"
            )
        else:
            self.passed += 1
            self._line("pass", sentence, detail)

    def skip(self, sentence: str, reason: str) -> None:
        """A check that does not apply here."""
        self.skipped += 1
        self._line("----", sentence, reason)

    @staticmethod
    def _line(word: str, sentence: str, detail: str) -> None:
        first, *more = detail.splitlines() or [""]
        print(f"{word}  {sentence:<66} {first}", flush=True)
        for line in more:
            print(f"      {line}", flush=True)
