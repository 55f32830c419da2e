"""`edged actuator`: run one, make its key, see what its bindings would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edged import logs
from edged.cli.options import AsJson, BrokerHost, BrokerPort, ConfigFile, Set, overrides

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Run what acts in the world on requests and events: type, lock, call for help.",
)
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name in topics and logs; also its kind, if none is set.")
]


@app.command()
def run(
    name: Name,
    config: ConfigFile = None,
    mqtt_host: BrokerHost = None,
    mqtt_port: BrokerPort = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let jobs run their course and do nothing.")] = False,
    set_: Set = None,
) -> None:
    """Run an actuator until SIGTERM or Ctrl-C.

    An absent broker is no reason to end: it is tried again, for ever. Settings come from the file, then from
    EDGED_ACTUATOR_… variables, then from the command line.
    """
    from edged.actuators.loading import load_actuator
    from edged.actuators.process import run_actuator

    chosen = {"mqtt.host": mqtt_host, "mqtt.port": mqtt_port, "dry_run": dry_run or None}
    wanted = {each: value for each, value in chosen.items() if value is not None} | overrides(set_)
    settings = load_actuator(name, config, wanted).settings
    logs.set_up(settings.log, settings.actuator, role="actuator", secrets=logs.secrets_of(settings))
    status = run_actuator(settings)
    if status:
        raise typer.Exit(status)


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the key is written; must not be there yet.")],
) -> None:
    """Make the key that an actuator and those who may ask it share."""
    from edged.keys import make_key

    make_key(file)
    print(f"wrote {file}: give it to the actuator (signing.key_file) and to whoever may ask it (edged act --key)")


@app.command()
def check(
    name: Name,
    recording: Annotated[
        Optional[Path],
        typer.Argument(
            metavar="[EVENTS]",
            help="Recorded events: `edged events --json --states > FILE`, or `mosquitto_sub -F %j`; - is standard input.",
        ),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    set_: Set = None,
) -> None:
    """Check an actuator's settings, and list what its bindings would do with recorded events. Nothing is done.

    Exit status 1: something keeps it from working here, such as a keyboard or a key that is not there.
    """
    from edged.actuators.loading import load_actuator
    from edged.actuators.rehearsal import rehearse
    from edged.actuators.table import build
    from edged.cli.rehearsal_report import print_settings, print_steps

    settings = load_actuator(name, config, overrides(set_)).settings
    if recording is None:
        if print_settings(settings):
            raise typer.Exit(1)
    else:
        performer = build(settings)
        performer.close()
        print_steps(rehearse(settings, recording, performer.actions), as_json=as_json)


@app.command("example")
def show_example(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="typing, lock_screen or twilio.")],
) -> None:
    """Print a settings file of this kind of actuator with every option, commented; a good start for one of your own."""
    from edged.actuators.guide import example
    from edged.actuators.loading import known_kind

    print(example(known_kind(kind, "KIND")), end="")
