"""The daemon's side of hooks: hands each what it wants when it is due, and replaces those that die or hang.

On the daemon's own thread, and never waits: a hook has one call at a time, the events that come meanwhile wait in a
bounded queue, and nothing is sent to a hook that has not answered.
"""

from __future__ import annotations

import difflib
import logging
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edged.events import EVENT_KINDS
from edged.hooks.calls import moment, request
from edged.hooks.pace import Allowance, EventItem, Item, Pace, wishes
from edged.hooks.process import LOADING, LOADING_SECONDS
from edged.messages import Beacon, BeginHook, HookAnswer, HookReady, Upward
from edged.observations import Observation
from edged.processes.supervisor import Supervisor
from edged.processes.table import Loss, Patience, ProcessSpec
from edged.settings import Settings
from edged.settings.hooks import HookSettings
from edged.states import HookState

log = logging.getLogger(__name__)

Said = Callable[[str, dict[str, Any], int, float], None]

# The budget of a call is the host's own to watch, so there is nothing to double.
PATIENCE = Patience(pauses=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0), final=60.0, doublings=0)
_TARGET = "edged.hooks.process:main"
# To import msgspec and pydantic on a small board; loading the hook itself is told apart.
_START_SECONDS = 30.0
_MANY_IN_A_ROW = 3
# A hook that failed is well again when it has not for so long.
_FORGIVE_SECONDS = 10.0
_TALKATIVE_SECONDS = 60.0


class _Run:
    """One hook as the daemon knows it."""

    def __init__(self, name: str, settings: HookSettings, now: float) -> None:
        self.name = name
        self.settings = settings
        self.pace: Pace | None = None  # None until it was ready for the first time
        self.ready = False
        self.calls = 0
        self.failed = 0
        self.failures_in_a_row = 0
        self.failed_at = -1e9
        self.trouble = ""
        self.told = ""  # why its process was lost last
        self.unknown_kinds: list[str] = []
        self.allowance = Allowance(now)
        self.too_much_at = -1e9
        self.item: Item | None = None  # what it was called with and has not answered yet
        self.deadline = 0.0

    @property
    def process(self) -> str:
        """What `ps`, the log and health events call it."""
        return f"hook {self.name}"


class Hooks:
    """All hooks of one camera.

    on_said(hook, data, frame, at_ms): a hook has something to publish; frame and at_ms are those it was called with.
    on_loss: a hook's process ended unasked. Both are called from the selector's callbacks or `tick`.
    """

    def __init__(
        self,
        settings: Settings,
        selector: selectors.BaseSelector,
        *,
        on_said: Said,
        on_loss: Callable[[Loss], None],
        patience: Patience = PATIENCE,
    ) -> None:
        now = time.monotonic()
        self._on_said = on_said
        self._on_loss = on_loss
        runs = [_Run(name, each, now) for name, each in settings.hooks.items() if each.enabled]
        self._runs = {run.process: run for run in runs}
        self._supervisor = Supervisor(
            # Hooks know of each other, and of the rest of the settings, nothing.
            Settings(camera=settings.camera, log=settings.log),
            None,
            selector,
            on_message=self._heard,
            on_loss=self._lost,
            table={process: ProcessSpec(_TARGET, _START_SECONDS, LOADING_SECONDS) for process in self._runs},
            patience=patience,
        )
        self._calls = 0

    def start(self) -> None:
        """Start their processes; does not wait for them."""
        self._supervisor.start()

    def stop(self, timeout_seconds: float) -> None:
        """End them, by force if need be. Never takes longer than that."""
        if self._runs:
            self._supervisor.stop(timeout_seconds)

    def farewell(self) -> None:
        """Ask them to end, without waiting: a `stop` that follows finds most of them gone."""
        for process in self._runs:
            self._supervisor.retire(process)

    # -- what there is for them ---------------------------------------------------------------------------------

    def happened(self, event: Mapping[str, Any]) -> None:
        """An event is published."""
        if self._runs:
            now = time.monotonic()
            for run in self._runs.values():
                if run.pace is not None:
                    run.pace.offer_event(dict(event), now)
                    self._hand(run, now)

    def observed(self, observation: Observation) -> None:
        """A frame was analysed and judged."""
        if self._runs:
            now = time.monotonic()
            for run in self._runs.values():
                if run.pace is not None:
                    run.pace.offer_observation(observation, now)
                    self._hand(run, now)

    def tick(self) -> float:
        """Do what time demands; the seconds until it demands something again."""
        if not self._runs:
            return 60.0
        due = self._supervisor.tick()
        now = time.monotonic()
        for run in self._runs.values():
            if run.item is None:
                continue
            if now >= run.deadline:
                self._overdue(run)
            else:
                due = min(due, run.deadline - now)
        return due

    # -- what they say ------------------------------------------------------------------------------------------

    def _heard(self, process: str, message: Upward) -> None:
        run = self._runs[process]
        now = time.monotonic()
        if isinstance(message, Beacon) and message.doing == LOADING:
            options = msgspec.json.encode(run.settings.options)
            self._supervisor.send(process, BeginHook(run.name, options, run.settings.memory_megabytes))
        elif isinstance(message, HookReady):
            self._ready(run, message)
            self._hand(run, now)
        elif isinstance(message, HookAnswer) and run.item is not None:
            item, run.item = run.item, None
            self._answered(run, item, message, now)
            self._hand(run, now)

    def _ready(self, run: _Run, message: HookReady) -> None:
        wanted = wishes(message, run.settings)
        run.ready = True
        if run.pace is None:
            run.pace = Pace(wanted)
            kinds = "all" if wanted.events is None else ", ".join(sorted(wanted.events)) or "no"
            more = ", and observations" if wanted.observations else ""
            log.info("hook %s (%s): %s events%s", run.name, message.package, kinds, more)
        run.pace.wishes = wanted
        run.unknown_kinds = sorted((wanted.events or frozenset()) - frozenset(EVENT_KINDS))

    def _answered(self, run: _Run, item: Item, message: HookAnswer, now: float) -> None:
        data, trouble = _said(message)
        if trouble:
            run.failed += 1
            run.failures_in_a_row += 1
            run.failed_at = now
            if run.failures_in_a_row >= _MANY_IN_A_ROW:
                run.trouble = trouble
            return
        run.failures_in_a_row = 0
        if now - run.failed_at >= _FORGIVE_SECONDS:
            run.trouble = ""
        if data is None:
            return
        if run.allowance.take(now):
            frame, at_ms = moment(item)
            self._on_said(run.name, data, frame, at_ms)
        else:
            run.too_much_at = now

    # -- calls --------------------------------------------------------------------------------------------------

    def _hand(self, run: _Run, now: float) -> None:
        """Call it if there is something due and it has answered."""
        if run.pace is None or not run.ready or run.item is not None:
            return
        item = run.pace.take(now)
        if item is None:
            return
        self._calls += 1
        if not self._supervisor.send(run.process, request(self._calls, item)):
            return  # it has just died, which the supervisor is about to find out
        run.calls += 1
        run.item = item
        run.deadline = now + run.pace.wishes.timeout_seconds

    def _overdue(self, run: _Run) -> None:
        assert run.pace is not None
        about = f"the event {run.item.kind}" if isinstance(run.item, EventItem) else "an observation"
        seconds = run.pace.wishes.timeout_seconds
        self._supervisor.replace(run.process, f"{run.process} did not come back from {about} within {seconds:g} s")

    def _lost(self, loss: Loss) -> None:
        run = self._runs[loss.name]
        run.ready = False
        run.item = None  # the same again might end the next one, too
        if not (loss.final and loss.reason == run.told):
            self._on_loss(loss)  # what is not installed need not be an event every minute
        run.told = loss.reason

    # -- how they are -------------------------------------------------------------------------------------------

    @property
    def processes(self) -> dict[str, int]:
        """Those that run, by name: their numbers."""
        return self._supervisor.running

    def states(self) -> dict[str, HookState]:
        """For health, by the hook's name."""
        found = {}
        for process, run in self._runs.items():
            child = self._supervisor.children[process]
            found[run.name] = HookState(
                status="running" if run.ready else "starting" if child.alive else "waiting",
                calls=run.calls,
                failed=run.failed,
                skipped=run.pace.skipped if run.pace is not None else 0,
                restarts=child.restarts,
            )
        return found

    def problems(self) -> tuple[str, ...]:
        """What is wrong with them, a plain sentence each, without counting numbers."""
        now = time.monotonic()
        found = []
        for process, run in self._runs.items():
            child = self._supervisor.children[process]
            loss = child.last_loss
            if loss is not None and loss.final and not run.ready:
                found.append(loss.reason)
            elif loss is not None and child.in_a_row >= _MANY_IN_A_ROW:
                found.append(f"{loss.reason}, again and again; it is started again after a pause (see the log)")
            if run.trouble:
                found.append(f"{process} {run.trouble}, again and again (see the log)")
            found += [
                f"there are no events {kind}, which {process} asks for{_guess(kind)}" for kind in run.unknown_kinds
            ]
            if now - run.too_much_at < _TALKATIVE_SECONDS:
                found.append(f"{process} says more than one thing a second; the rest is dropped (it is to return None)")
        return tuple(found)


def _said(message: HookAnswer) -> tuple[dict[str, Any] | None, str]:
    """What a hook wants published, and what went wrong. Its process has looked at that, but its process is what may be broken:
    nothing that it sends may end the daemon.
    """
    if message.trouble or message.data is None:
        return None, message.trouble
    try:
        return msgspec.json.decode(message.data, type=dict[str, Any]), ""
    except (msgspec.MsgspecError, RecursionError) as error:
        return None, f"answered with what cannot be read ({type(error).__name__})"


def _guess(kind: str) -> str:
    near = difflib.get_close_matches(kind, EVENT_KINDS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
