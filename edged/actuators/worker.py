"""The thread on which a performer acts, one job at a time."""

from __future__ import annotations

import logging
import queue
import threading
import traceback
from collections.abc import Callable

from edged.actuators.effects import Outcome
from edged.actuators.performer import Performer, Wish
from edged.errors import ActionFailed, Cancelled, EdgedError, Later
from edged.notices import BUG

log = logging.getLogger(__name__)


class JobControl:
    """The Control of one job."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def stopping(self) -> bool:
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """Tell the performer to stop; from any thread."""
        self._stop.set()


class Worker:
    """Runs attempts. finished: called on the worker's thread with the job's id and how it ended."""

    def __init__(self, performer: Performer, finished: Callable[[str, Outcome], None]) -> None:
        self._performer = performer
        self._finished = finished
        self._wishes: queue.SimpleQueue[tuple[Wish, JobControl, bool] | None] = queue.SimpleQueue()
        self._control: JobControl | None = None
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """The thread is there."""
        return self._thread.is_alive()

    def begin(self, wish: Wish) -> None:
        """Do it, after what is under way."""
        self._control = JobControl()
        self._wishes.put((wish, self._control, True))

    def abandon(self, wish: Wish) -> None:
        """Let go of what a job has begun that ended between its turns, after what is under way. Nothing is told."""
        control = JobControl()
        control.stop()
        self._wishes.put((wish, control, False))

    def halt(self) -> None:
        """Stop what was begun last."""
        if self._control is not None:
            self._control.stop()

    def close(self, timeout_seconds: float) -> bool:
        """Stop; true when the thread has ended in time."""
        self.halt()
        self._wishes.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (found := self._wishes.get()) is not None:
            wish, control, tell = found
            outcome = self._attempt(wish, control)
            if tell:
                self._finished(wish.id, outcome)

    def _attempt(self, wish: Wish, control: JobControl) -> Outcome:
        try:
            return Outcome("succeeded", self._performer.perform(wish, control))
        except Cancelled as error:
            return Outcome("cancelled", str(error))
        except ActionFailed as error:
            return Outcome("failed", str(error), error.retry, error.retry_after_seconds)
        except Later as pause:
            return Outcome("waiting", str(pause), retry_after_seconds=pause.seconds)
        except EdgedError as error:
            return Outcome("failed", str(error))
        except Exception as error:  # noqa: BLE001 - a bug in one job must not end all jobs
            # Where, and not what: the message of a stranger's exception may quote the text.
            where = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            log.error(
                "job %s: %s in the performer:\n%s", wish.id, type(error).__name__, where,
                extra=BUG.extra(EDGED_JOB_ID=wish.id),
            )  # fmt: skip
            return Outcome("failed", f"a bug in this actuator ({type(error).__name__}; its log says where)")
