"""What CONTRIBUTING.md tells people to look at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(
    {
        each
        for each in re.findall(r"(?<![\w./-])((?:edged|tests|scripts|systemd|docs|config|packaging)/[\w./@-]*)", TEXT)
        if "KIND" not in each
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_every_place_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_it_names_many_places_and_the_readme_leads_to_it() -> None:
    assert len(PATHS) > 25
    assert "(CONTRIBUTING.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("EventKind", "EVENT_TYPES", "kind_of"):
        assert any(name in path.read_text(encoding="utf-8") for path in (ROOT / "edged").rglob("*.py"))
