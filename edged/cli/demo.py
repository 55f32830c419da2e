"""`edged demo`: everything at work on a drawn face; needs no camera, no broker, no settings."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.live import Live

from edged.bus.private_broker import find_mosquitto
from edged.cli.options import Set, overrides
from edged.configuration import loading as configuration
from edged.demo.alone import watch_alone
from edged.demo.screen import Screen
from edged.demo.stage import Stage
from edged.errors import BrokerError
from edged.settings import Settings
from edged.wording import payload_text

_FRAMES_PER_SECOND = 30
# One pass of the sitter's script, where nobody can press Ctrl-C.
_UNATTENDED_SECONDS = 31.0


def demo(
    seconds: Annotated[
        Optional[float],
        typer.Option(
            min=1,
            metavar="N",
            help="End after so long; without it at Ctrl-C, or after 31 s where there is no terminal.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say nothing but one line of JSON at the end.")] = False,
    set_: Set = None,
) -> None:
    """Show everything at work on a drawn face: no camera, no broker, no settings needed.

    Starts a private MQTT broker and the real daemon, lets it watch the sitter (a face drawn from a script) and holds
    the events that arrive against what the sitter really did. With --json it ends with one line: frames, frames per
    second, events by kind, matched, missed and false ones, latencies. Exit status 1 if any was missed or false.
    """
    chosen = {"capture.source": "sitter:", "capture.frames_per_second": _FRAMES_PER_SECOND, **overrides(set_)}
    settings = configuration.load(None, chosen)
    if seconds is None and (as_json or not sys.stdout.isatty()):
        seconds = _UNATTENDED_SECONDS
    try:
        find_mosquitto()
    except BrokerError as error:
        print(f"edged: {error}; here are the events without a broker", file=sys.stderr)
        report = watch_alone(settings, seconds, say=not as_json)
    else:
        report = _perform(settings, seconds, as_json=as_json)
    if as_json:
        print(json.dumps(report))
    else:
        _conclude(report)
    if report["truth"]["missed"] or report["truth"]["false"]:
        raise typer.Exit(1)


def _perform(settings: Settings, seconds: float | None, *, as_json: bool) -> dict[str, Any]:
    for number in (signal.SIGTERM, signal.SIGHUP):  # `timeout 10 edged demo`, a closed terminal: like Ctrl-C
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup it stays ignored
            signal.signal(number, signal.default_int_handler)
    with Stage(settings) as stage:
        # Ctrl-C is how a demo without --seconds is meant to end.
        with contextlib.suppress(KeyboardInterrupt):
            if as_json:
                stage.listen(seconds)
            elif sys.stdout.isatty():
                screen = Screen(stage)
                with Live(get_renderable=screen.render, refresh_per_second=8, screen=True):
                    stage.listen(seconds)
            else:
                stage.listen(seconds, _EventPrinter(stage).print_new)
        return stage.report()


class _EventPrinter:
    """Prints events a line each, where there is no terminal."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._printed = 0

    def print_new(self) -> None:
        """Print what has come since."""
        for event in self._stage.heard.events[self._printed :]:
            print(f"{event['at']}  {event['kind']:<9} {payload_text(event)}", flush=True)
            self._printed += 1


def _conclude(report: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    truth, latency = report["truth"], report["latency_ms"]["capture_to_subscriber"]
    console.print(
        f"{report['frames']} frames at {report['fps']:.1f} a second; of what the sitter did {truth['matched']} matched, "
        f"{truth['missed']} missed, {truth['false']} false."
    )
    if latency["p50"] is not None:
        console.print(f"From capture to subscriber: p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms.")
    for kind, rows in report.get("details", {}).items():
        for row in rows:
            console.print(f"  {kind}: {row}")
