"""`edged hooks`: which there are, and what one says of a recording."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edged.analysis import EventLines, recorded, replay
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration import loading as configuration
from edged.errors import HookUnusable
from edged.events import Happening, HookSaid
from edged.hooks import Hook, HookContext
from edged.hooks.calls import moment, request
from edged.hooks.entry_points import Offer, offered, offers
from edged.hooks.making import introduced, made
from edged.hooks.pace import Item, Pace, wishes
from edged.hooks.process import Complaints, answer
from edged.settings.hooks import HookSettings
from edged.wording import counted

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List hooks, and try one on a recording.")


@app.callback()
def hooks() -> None:
    """List hooks, and try one on a recording."""


@app.command("list")
def list_hooks(config: ConfigFile = None, set_: Set = None, as_json: AsJson = False) -> None:
    """Say which hooks the installed packages offer, and which of them the settings make run."""
    settings = configuration.load(config, overrides(set_))
    rows = [
        {
            "hook": offer.entry_point.name,
            "package": offer.package,
            "runs": (one := settings.hooks.get(offer.entry_point.name)) is not None and one.enabled,
            "from": offer.entry_point.value,
        }
        for offer in offers()
    ]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['hook']:<20} {'runs' if row['runs'] else 'off':<5} {row['package']}, {row['from']}")
    if not rows:
        Console(stderr=True, highlight=False).print("no installed package offers a hook")


@app.command("try")
def try_hook(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The hook: the name of its entry point.")],
    recording: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Written by edged watch --observations.")],
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Call a hook with recorded observations and the events they lead to; print what it says as JSON, one a line.

    It runs in this process, with its table of the settings if there is one, at the recording's own pace: the cooldown
    counts, the timeout does not. Exit status 1 if a call failed.
    """
    settings = configuration.load(config, overrides(set_))
    own = settings.hooks.get(name, HookSettings())
    offer = offered(name)
    logging.basicConfig(format=f"{name}: %(message)s")
    hook = _started(offer, HookContext(settings.camera, own.options, logging.getLogger(f"hook.{name}")))
    trial = _Trial(hook, Pace(wishes(introduced(offer, hook), own)))
    lines = EventLines(settings.camera)
    said = EventLines(settings.camera)
    try:
        for step in replay(settings.judgement, recorded(recording)):
            for happening in step.happenings:
                trial.pace.offer_event(lines.payload(happening), step.observation.at_ms / 1000)
            trial.pace.offer_observation(step.observation, step.observation.at_ms / 1000)
            for data, item in trial.calls(step.observation.at_ms / 1000):
                frame, at_ms = moment(item)
                seen = step.observation
                happening = Happening(HookSaid(name, data), frame, at_ms, seen.captured_ns, seen.wall_ns)
                print(json.dumps(said.payload(happening), separators=(",", ":")), flush=True)
    finally:
        _close(hook)
    told = f"{counted(trial.number, 'call')}, {trial.failed} failed, {counted(trial.pace.skipped, 'event')} skipped"
    Console(stderr=True, highlight=False).print(
        f"{name}: {told}; the longest took {trial.longest_seconds * 1000:.1f} ms"
    )
    if trial.failed:
        raise typer.Exit(1)


def _started(offer: Offer, context: HookContext) -> Hook:
    """The hook; what its own code raises is shown, for whoever wrote it."""
    try:
        return made(offer, context)
    except HookUnusable:
        raise
    except Exception as error:
        context.log.exception("it cannot be started")
        name = offer.entry_point.name
        raise HookUnusable(
            f"{name} cannot be started: it fails with {type(error).__name__}", f"see above, and hooks.{name}.options"
        ) from None


def _close(hook: Hook) -> None:
    try:
        hook.close()
    except Exception:
        hook.context.log.exception("its close() failed")


class _Trial:
    """A hook that is called in this process, and what is to be told of it at the end."""

    def __init__(self, hook: Hook, pace: Pace) -> None:
        self.pace = pace
        self.number = 0
        self.failed = 0
        self.longest_seconds = 0.0
        self._hook = hook
        self._complaints = Complaints()

    def calls(self, now: float) -> Iterator[tuple[dict[str, Any], Item]]:
        """All calls that are due; what was said, and what it was called with. now: seconds of the stream."""
        while (item := self.pace.take(now)) is not None:
            self.number += 1
            begun = time.perf_counter()
            answered = answer(self._hook, request(self.number, item), self._complaints)
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - begun)
            self.failed += bool(answered.trouble)
            if answered.data is not None:
                yield json.loads(answered.data), item
