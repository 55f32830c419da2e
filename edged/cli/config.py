"""`edged config`: check a settings file, show what counts, the reference of all settings; set them from afar."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edged.cli.config_remote import get_remote, set_remote
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration.loading import load_with_origins
from edged.configuration.text import Row, effective, example, schema
from edged.configuration.words import toml_value

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check, show and explain settings: a TOML file, then EDGED_* variables, then the command line.",
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Settings file (TOML).", metavar="FILE")],
) -> None:
    """Say all that is wrong with a settings file, together with the EDGED_* variables; exit 0 if nothing is."""
    loaded = load_with_origins(file)
    given = sum(origin.kind != "default" for origin in loaded.origins.values())
    print(f"{file}: good; camera {loaded.settings.camera}, {given} settings given, the rest are defaults")


@app.command()
def show(
    config: ConfigFile = None,
    assignments: Set = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every setting as it counts now. Secrets are shown as •••."""
    rows = effective(load_with_origins(config, overrides(assignments)))
    if as_json:
        print(json.dumps(_nested(rows, origin), indent=2, ensure_ascii=False))
    elif origin:
        _print_table(rows)
    else:
        for row in rows:
            print(f"{row.path} = {_told(row.value)}")


@app.command("schema")
def show_schema() -> None:
    """Print the JSON Schema of a settings file: every setting with its meaning, unit, range and default."""
    json.dump(schema(), sys.stdout, indent=2, ensure_ascii=False)
    print()


@app.command("example")
def show_example() -> None:
    """Print a settings file with every option, commented; a good start for one of your own."""
    print(example(), end="")


app.command("set")(set_remote)
app.command("get")(get_remote)


def _told(value: Any) -> str:
    return "none" if value is None else toml_value(value)


def _nested(rows: list[Row], origin: bool) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for row in rows:
        *sections, name = row.path.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = {"value": row.value, "origin": row.origin} if origin else row.value
    return nested


def _print_table(rows: list[Row]) -> None:
    """Three columns, as wide as they need to be, so that a pipe gets whole lines."""
    names = max(len(row.path) for row in rows)
    values = max(len(_told(row.value)) for row in rows)
    for row in rows:
        print(f"{row.path:<{names}}  {_told(row.value):<{values}}  {row.origin}")
