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

from edged.errors import HookUnusable
from edged.frames import FrameSlot
from edged.hooks import Hook, HookContext
from edged.hooks.entry_points import offered
from edged.hooks.making import introduced, made
from edged.messages import BeginHook, Failed, HandEvent, HandObservation, HookAnswer
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
# What is nested without end would end whoever reads it.
MOST_DEPTH = 32
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
        hook = made(offer, context)
    except HookUnusable:
        raise
    except Exception as error:
        # What the error says is for the log: health is published, and may be read by anybody.
        log.exception("%s cannot be started", begin.hook)
        link.send(Failed(f"its start failed with {type(error).__name__}"))
        return
    link.send(introduced(offer, hook))
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
    data, trouble = _written(said)
    if trouble:
        complaints.returned(trouble, time.monotonic())
        return HookAnswer(message.call, trouble=trouble)
    return HookAnswer(message.call, data)


def _written(said: Any) -> tuple[bytes, str]:
    """What a call returned, as JSON, and why it cannot be published; one of the two is empty."""
    if not isinstance(said, dict):
        return b"", f"returned a value of type {type(said).__name__} (a dictionary is published, None is not)"
    try:
        data = json.dumps(said, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, as in a file name of bytes that are no UTF-8: Python carries it, nobody else can read it.
        return b"", "returned text that is no Unicode (of a file name? os.fsencode(name).decode(errors='replace'))"
    except (TypeError, ValueError, RecursionError) as error:
        return b"", f"returned what JSON cannot say: {error}"
    if len(data) > MOST_BYTES:
        return b"", f"returned {len(data)} bytes (at most {MOST_BYTES} are published)"
    if _is_deep(said, MOST_DEPTH):
        return b"", f"returned what is nested more than {MOST_DEPTH} deep"
    return data, ""


def _is_deep(value: Any, most: int) -> bool:
    """Are there more than so many dictionaries and lists within each other?"""
    if not isinstance(value, dict | list | tuple):
        return False
    return most == 0 or any(_is_deep(each, most - 1) for each in (value.values() if isinstance(value, dict) else value))


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
    with contextlib.suppress(OSError):  # some containers forbid one or the other
        os.nice(_NICENESS)
    with contextlib.suppress(OSError):
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
