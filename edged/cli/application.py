"""The Typer application and the table of its commands."""

from __future__ import annotations

import difflib
import importlib
import platform
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import edged
from edged.cli.interrupts import command_begins

# The module `edged.cli.NAME` (with _ for -) holds a function NAME or, if the command has subcommands, a Typer application `app`.
COMMANDS: dict[str, str] = {
    "run": "Watch a camera and publish what happens over MQTT.",
    "demo": "Show everything at work on a drawn face: no camera, no broker needed.",
    "watch": "Analyse a clip or camera here and now, without a broker.",
    "judge": "Replay recorded observations to events.",
    "events": "Subscribe to a broker and print events as they come.",
    "actuator": "Run what acts on requests and events: type, lock, call for help.",
    "act": "Ask an actuator for something, signed, and follow the job.",
    "command": "Ask a camera's daemon for something, signed where it must be.",
    "faces": "Enrol people who are recognised, test, list and forget them.",
    "models": "List, fetch and verify the model files.",
    "history": "Ask for past events.",
    "audit": "Show and verify the audit trail.",
    "evidence": "List, show and delete encrypted pictures around events.",
    "hooks": "List hooks, and try one on a recording.",
    "config": "Check, show and explain settings.",
    "setup": "Ask what is needed for a camera, test it, write its settings, start it.",
    "doctor": "Check camera, models, broker and machine, and say the cure.",
    "backup": "Write settings, people and past events into one encrypted file.",
    "restore": "Check a backup and put it back.",
    "upgrade-check": "Say what stands in the way of this version; change nothing.",
    "support-bundle": "Pack what helps others to help, without secrets.",
    "vacuum": "Give the disk back what databases no longer use.",
    "bench": "Measure the parts on this machine.",
}


class LazyGroup(TyperGroup):
    """A group that knows its commands from the table and imports one only to run it or to show its help.

    `edged run` must neither wait for nor depend on what `edged watch` imports (numpy, OpenCV), and
    `edged --help` imports none of them.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table: the way a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What help and shell completion need to list a command: its name and sentence."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command itself, imported now."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        name, _placeholder, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest


def load(name: str) -> Any:
    """Import a command of the table and make it a command of Typer's."""
    word = name.replace("-", "_")
    module = importlib.import_module(f"edged.cli.{word}")
    found = getattr(module, "app", None) or getattr(module, word)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_command(found)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")  # joins the lines of a paragraph
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    command_begins()
    return command


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edged {edged.__version__} (Python {platform.python_version()}, {platform.machine()})")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def edged_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn a camera into a private sensor: gaze, blinks and presence over MQTT, pixels stay here."""


def build() -> Any:
    """The whole command line as one command."""
    return typer.main.get_command(app)
