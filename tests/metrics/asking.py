"""Asks a page, and reads Prometheus' text."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]


class Page(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()

    def value(self, name: str, **labels: str) -> float | None:
        """Of the one series with these labels, and any others beside."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1, f"{name} {labels} is not one series"
        return found[0] if found else None


def ask(port: int, path: str = "/metrics", method: str = "GET", **headers: str) -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Page(answer.status, answer.read(), dict(answer.getheaders()))
    finally:
        connection.close()


def port_in(log: Callable[[], str]) -> int:
    """The port that a log tells last; 0: none yet."""
    found = re.findall(r"metrics at http://127\.0\.0\.1:(\d+)/metrics", log())
    return int(found[-1]) if found else 0
