"""The gallery's measurement measures what it says."""

from __future__ import annotations

import json

from tests.cli.edged_command import edged


def test_everybody_is_found_and_every_figure_is_there() -> None:
    result = json.loads(edged("bench", "gallery", "--embeddings", "500", "--json").stdout)
    assert (result["embeddings"], result["people"]) == (500, 100)
    assert result["found"] > 0.95
    assert result["matrix_megabytes"] == round(500 * 128 * 4 / 1e6, 2)
    for name in ("search_ms", "search_meanwhile_ms"):
        assert 0 < result[name]["median"] <= result[name]["p99"]
