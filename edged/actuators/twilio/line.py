"""The line to Twilio: through the circuit breaker, and left at once when a job must stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from edged.actuators.performer import Control
from edged.actuators.twilio.breaker import Breaker
from edged.errors import Cancelled, EdgedError, TwilioAway, TwilioBusy, TwilioError, TwilioRefused, TwilioUnclear

T = TypeVar("T")
_LOOK_SECONDS = 0.1
# A job that is told to stop has this long to learn what became of its request; the engine gives it a little more.
_STOP_SECONDS = 3.0


class Line:
    """Safe for several threads."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._lock = threading.Lock()
        self._refused = ""
        self._answers = 0

    def answers(self) -> int:
        """How often Twilio has done what it was asked, so far."""
        with self._lock:
            return self._answers

    def wait_seconds(self) -> float:
        """How long Twilio is to be left alone; 0: ask now."""
        with self._lock:
            return self._breaker.wait_seconds(time.monotonic())

    def ask(self, request: Callable[[], T], control: Control | None = None) -> T:
        """What the request returns. It runs on a thread of its own, so that a job can stop while it hangs.

        Raises TwilioError as the request does, and Cancelled when it had no answer soon after `control` said stop;
        it goes on then, and must note for itself what comes of it.
        """
        errand = _Errand(request)
        stop_by: float | None = None
        while not errand.done.wait(_LOOK_SECONDS):
            if stop_by is None and control is not None and control.stopping():
                stop_by = time.monotonic() + _STOP_SECONDS
            if stop_by is not None and time.monotonic() >= stop_by:
                raise Cancelled("stopped while Twilio had not answered yet: it may have been done")
        try:
            result = errand.result()
        except TwilioError as error:
            self._failed(error)
            raise
        with self._lock:
            self._refused = ""
            self._answers += 1
            self._breaker.worked()
        return result

    def problems(self) -> list[str]:
        """Plain sentences; empty when Twilio does its part."""
        with self._lock:
            return [each for each in (self._breaker.words(time.monotonic()), self._refused) if each]

    def _failed(self, error: TwilioError) -> None:
        now = time.monotonic()
        with self._lock:
            if isinstance(error, TwilioBusy):
                self._breaker.asked_to_wait(str(error), error.retry_after_seconds, now)
            elif isinstance(error, TwilioAway | TwilioUnclear):
                self._breaker.failed(str(error), now)
            else:
                self._breaker.worked()
                if isinstance(error, TwilioRefused) and error.status == 401:
                    self._refused = str(error)


class _Errand(Generic[T]):
    """One request on its own thread."""

    def __init__(self, request: Callable[[], T]) -> None:
        self._request = request
        self._result: T | None = None
        self._error: EdgedError | None = None
        self.done = threading.Event()
        threading.Thread(target=self._run, name="twilio request", daemon=True).start()

    def result(self) -> T:
        """Raises what the request raised."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value] # it is set, or there was an error

    def _run(self) -> None:
        try:
            self._result = self._request()
        except EdgedError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - a bug here would leave the job waiting for ever
            # Without its message, which may quote what was sent.
            self._error = TwilioUnclear(f"a bug in this actuator ({type(error).__name__}) while Twilio was asked")
        finally:
            self.done.set()
