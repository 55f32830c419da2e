"""The queries of config/grafana/edged.json."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.metrics.asking import ROOT

DASHBOARD = ROOT / "config" / "grafana" / "edged.json"


def queries() -> Iterator[tuple[str, str]]:
    """Of every panel: its title, and what it asks."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
