"""The process of one hook: loads it, calls it when told to, and says what came of it.

Whatever a hook does wrong ends here: a call that raises is an answer, and anything worse ends this process, which the
daemon replaces. It is given neither frames nor settings but the hook's own, runs behind everything else on the machine, and
is the first that the kernel ends when memory is short.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from edged.errors import HookUnusable
from edged.frames import FrameSlot
from edged.hooks import Hook, HookContext
from edged.hooks.entry_points import Offer, offered
from edged.messages import BeginHook, Failed, HandEvent, HandObservation, HookAnswer, HookReady
from edged.processes.child import ChildLink
from edged.settings import Settings

log = logging.getLogger(__name__)

LOADING = "loading the hook"
LOADING_SECONDS = 60.0
# While a hook has nothing to do it is silent; how long a call may take is the daemon's business.
_IDLE_SECONDS = 1e9
_NICENESS = 10
_KILL_FIRST = "800"
# An event of a few lines; a hook is no way to carry files.
MOST_BYTES = 8192
_COMPLAIN_SECONDS = 60.0


def main(link: ChildLink, _slot: FrameSlot, settings: Settings) -> None:
    """Serve one hook until the daemon says otherwise. Raises HookUnusable."""
    _step_back()
    link.beacon(LOADING, LOADING_SECONDS)
    begin = _told(link)
    if begin is None:
        return
    _limit_memory(begin.memory_megabytes)
    offer = offered(begin.hook)
    log.debug("%s of %s", offer.entry_point.value, offer.package)
    context = HookContext(settings.camera, json.loads(begin.options), logging.getLogger(f"hook.{begin.hook}"))
    try:
        hook = _made(offer, context)
    except HookUnusable:
        raise
    except Exception as error:
        # What the error says is for the log: health is published, and may be read by anybody.
        log.exception("%s cannot be started", begin.hook)
        link.send(Failed(f"its start failed with {type(error).__name__} (see the log)"))
        return
    link.send(_ready(offer, hook))
    link.beacon("waiting for a call", _IDLE_SECONDS)
    complaints = Complaints()
    while not link.stopping:
        link.wait(_IDLE_SECONDS / 1000)
        for message in link.receive():
            if isinstance(message, HandObservation | HandEvent):
                link.send(answer(hook, message, complaints))
    try:
        hook.close()
    except Exception:
        log.exception("%s.close() failed", begin.hook)
    _end_company()


def answer(hook: Hook, message: HandObservation | HandEvent, complaints: Complaints) -> HookAnswer:
    """Call the hook; the answer says what it returned, or that it failed."""
    said: Any  # whatever strangers return
    try:
        if isinstance(message, HandObservation):
            said = hook.on_observation(message.observation)
        else:
            said = hook.on_event(json.loads(message.event))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the hook's
        complaints.failed(error, time.monotonic())
        return HookAnswer(message.call, trouble=f"fails with {type(error).__name__}")
    if said is None:
        return HookAnswer(message.call)
    trouble, data = "", b""
    if not isinstance(said, dict):
        trouble = f"returned a value of type {type(said).__name__} (a dictionary is published, None is not)"
    else:
        try:
            data = json.dumps(said, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            trouble = f"returned what JSON cannot say: {error}"
        if len(data) > MOST_BYTES:
            trouble = f"returned {len(data)} bytes (at most {MOST_BYTES} are published)"
    if trouble:
        complaints.returned(trouble, time.monotonic())
        return HookAnswer(message.call, trouble=trouble)
    return HookAnswer(message.call, data)


class Complaints:
    """The log of a hook that fails at every call: the same is told once a minute. Times are CLOCK_MONOTONIC seconds."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def failed(self, error: Exception, now: float) -> None:
        """A call raised: with its traceback, for whoever wrote the hook."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        if self._due(f"{type(error).__name__} at {place.filename}:{place.lineno}", now):
            log.error("a call failed; the same is not told again for a minute", exc_info=error)

    def returned(self, trouble: str, now: float) -> None:
        """A call returned what cannot be published."""
        if self._due(trouble[:20], now):
            log.error("the hook %s", trouble)

    def _due(self, what: str, now: float) -> bool:
        if now - self._told.get(what, -math.inf) < _COMPLAIN_SECONDS:
            return False
        self._told = {known: at for known, at in self._told.items() if now - at < _COMPLAIN_SECONDS} | {what: now}
        return True


def loaded(offer: Offer) -> Any:
    """What the entry point names. Raises HookUnusable where the package is broken; what its own code raises goes through."""
    try:
        found = offer.entry_point.load()
    except (ImportError, AttributeError) as error:
        raise HookUnusable(
            f"{offer.entry_point.value} of {offer.package} cannot be loaded: {error}", "install what it needs"
        ) from error
    if not callable(found):
        raise HookUnusable(
            f"{offer.entry_point.value} of {offer.package} is of type {type(found).__name__}",
            "an entry point names a class derived from edged.hooks.Hook, or a function that returns one",
        )
    return found


def _made(offer: Offer, context: HookContext) -> Hook:
    made = loaded(offer)(context)
    what = f"{offer.entry_point.value} of {offer.package}"
    if not isinstance(made, Hook):
        raise HookUnusable(f"{what} returns a value of type {type(made).__name__}", "derive it from edged.hooks.Hook")
    if not (_has(made, "on_event") or _has(made, "on_observation")):
        raise HookUnusable(f"{what} has neither on_event nor on_observation", "write one of them")
    return made


def _has(hook: Hook, method: str) -> bool:
    return getattr(type(hook), method) is not getattr(Hook, method)


def _ready(offer: Offer, hook: Hook) -> HookReady:
    """What the daemon must know. Raises HookUnusable."""
    events: Any = hook.events
    try:
        return msgspec.convert(
            {
                "type": "hook_ready",
                "package": offer.package,
                "events": (list(events) if isinstance(events, tuple) else events) if _has(hook, "on_event") else None,
                "observations": _has(hook, "on_observation"),
                "cooldown_seconds": _seconds("cooldown_seconds", hook.cooldown_seconds),
                "timeout_seconds": _seconds("timeout_seconds", hook.timeout_seconds),
            },
            HookReady,
        )
    except msgspec.ValidationError as error:
        raise HookUnusable(f"{type(hook).__name__}.events is no tuple of texts", 'events = ("presence",)') from error


def _seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise HookUnusable(f"{name} of the hook is {value!r}", "it is a number of seconds, or None")
    return float(value)


def _told(link: ChildLink) -> BeginHook | None:
    """Which hook this is; None: the daemon wants nothing any more."""
    while not link.stopping:
        link.wait(LOADING_SECONDS)
        for message in link.receive():
            if isinstance(message, BeginHook):
                return message
    return None


def _step_back() -> None:
    """The camera comes first, in time and in memory; and what a hook prints goes where the log goes."""
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # some containers forbid it
        Path("/proc/self/oom_score_adj").write_text(_KILL_FIRST, encoding="ascii")
    sys.stdout.flush()
    os.dup2(2, 1)


def _limit_memory(megabytes: int) -> None:
    """Private writable memory, threads' stacks included (setrlimit(2)): asking for more fails in the hook, not elsewhere."""
    limit = megabytes * 1024 * 1024
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_company() -> None:
    """What the hook started and left running ends with it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
