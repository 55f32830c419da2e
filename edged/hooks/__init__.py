"""Hooks: analysis by others, beside edged's own. docs/hooks.md shows how to write one.

A package offers a hook as an entry point of the group `edged.hooks`: a class derived from `Hook`, or a function that takes
a `HookContext` and returns a `Hook`. The daemon runs each in a process of its own (`process.py`) and calls it
(`host.py`) when there is something for it and it is not too early (`pace.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edged.observations import Observation

GROUP = "edged.hooks"


@dataclass(frozen=True)
class HookContext:
    """What a hook is made with.

    camera: the camera's name. options: `[hooks.NAME.options]` of the settings, as they are. log: goes where edged's own
    log goes, under the hook's name.
    """

    camera: str
    options: Mapping[str, Any]
    log: logging.Logger


class Hook:
    """Derive from this, and write `on_event`, `on_observation` or both: only those that a hook has are called.

    Calls come one at a time, on the main thread of the hook's own process. One that raises is logged, and the next one
    comes nevertheless. One that takes longer than timeout_seconds ends with the process: a new one is started, and
    the same call does not come again.

    A dictionary that a call returns is published as an event of the kind `hook`; None publishes nothing.

    events: the kinds of events `on_event` is called with; empty: all of them. cooldown_seconds: least time between two
    calls with the same kind of event, or with observations; None: 1 for observations, 0 for events. timeout_seconds:
    None: 5. The owner's settings win over all three.
    """

    events: tuple[str, ...] = ()
    cooldown_seconds: float | None = None
    timeout_seconds: float | None = None

    def __init__(self, context: HookContext) -> None:
        """May take up to a minute: load what the calls need here."""
        self.context = context

    def on_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """An event happened: its payload, as it is published (docs/mqtt.md)."""

    def on_observation(self, observation: Observation) -> dict[str, Any] | None:
        """A frame was analysed: what it showed (edged/observations.py), without its pixels."""

    def close(self) -> None:
        """The daemon ends or starts anew: let go of what was opened. Not called when the process is killed."""
