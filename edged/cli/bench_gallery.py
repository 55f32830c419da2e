"""`edged bench gallery`: how fast a large gallery of people is searched."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edged.bench import gallery as measurement
from edged.cli.options import AsJson


def gallery(
    as_json: AsJson = False,
    embeddings: Annotated[
        int, typer.Option(min=10, max=1_000_000, metavar="N", help="Vectors in the gallery.")
    ] = measurement.EMBEDDINGS,
) -> None:
    """Measure a gallery of people who are made up: search, load, size, and changes while it is searched."""
    result = measurement.measure(embeddings)
    if as_json:
        print(json.dumps(result))
        return
    print(f"{result['embeddings']} vectors of {result['people']} people, {100 * result['found']:.1f} % found")
    for name, what in (("search_ms", "one search"), ("search_meanwhile_ms", "the same while people come and go")):
        print(f"{what}: median {result[name]['median']:.3f} ms, 99th percentile {result[name]['p99']:.3f} ms")
    print(f"enrolling and forgetting somebody, durably: {result['enrol_and_forget_ms']:.1f} ms")
    print(f"reading it all, every seal checked: {result['load_ms']:.0f} ms")
    print(f"memory {result['matrix_megabytes']:.1f} MB, file {result['file_megabytes']:.1f} MB")
