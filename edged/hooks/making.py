"""From an entry point to a hook that can be called."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from edged.errors import HookUnusable
from edged.hooks import Hook, HookContext
from edged.hooks.entry_points import Offer
from edged.messages import HookReady


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


def made(offer: Offer, context: HookContext) -> Hook:
    """A hook that can be called. Raises HookUnusable; what the package's own code raises goes through."""
    hook = loaded(offer)(context)
    what = f"{offer.entry_point.value} of {offer.package}"
    if not isinstance(hook, Hook):
        raise HookUnusable(f"{what} returns a value of type {type(hook).__name__}", "derive it from edged.hooks.Hook")
    if not (_has(hook, "on_event") or _has(hook, "on_observation")):
        raise HookUnusable(f"{what} has neither on_event nor on_observation", "write one of them")
    return hook


def _has(hook: Hook, method: str) -> bool:
    return getattr(type(hook), method) is not getattr(Hook, method)


def introduced(offer: Offer, hook: Hook) -> HookReady:
    """What the daemon must know of it. Raises HookUnusable."""
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
