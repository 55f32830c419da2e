"""The table of notices, the catalog and the code say the same."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edged.cli.application import COMMANDS
from edged.logs import catalog
from edged.notices import NOTICES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for path in (ROOT / "edged").rglob("*.py") if path.name != "notices.py"]


def test_numbers_and_names_are_unique_and_well_formed() -> None:
    assert len({each.id for each in NOTICES}) == len({each.name for each in NOTICES}) == len(NOTICES)
    for each in NOTICES:
        assert re.fullmatch(r"[0-9a-f]{32}", each.id)
        # A random number as systemd-id128 makes them (RFC 9562, version 4).
        assert each.id[12] == "4", f"{each.name}: take one from `systemd-id128 new`"
        assert not each.subject.endswith(".")
        assert each.meaning.endswith(".")
        assert each.cure.endswith(".")


def test_every_notice_is_in_the_table_and_is_used() -> None:
    tree = ast.parse((ROOT / "edged/notices.py").read_text(encoding="utf-8"))
    made = {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call)
    }
    assert sorted(made.values()) == sorted(each.name for each in NOTICES)
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    unused = [name for name in made if f"{name}.extra(" not in code and not re.search(rf": {name}\b", code)]
    assert unused == []


def test_every_command_that_a_notice_names_is_there() -> None:
    named = {word for each in NOTICES for word in re.findall(r"`edged ([a-z]+)", each.cure + each.meaning)}
    assert named
    assert named <= set(COMMANDS)


def test_every_setting_that_a_notice_names_is_there() -> None:
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    sections = ("capture", "mqtt", "store", "log")
    named = {
        word for each in NOTICES
        for word in re.findall(rf"\b(?:{'|'.join(sections)})\.[a-z_]+", each.cure + each.meaning)
    }  # fmt: skip
    assert len(named) > 3
    assert [word for word in named if f"`{word}`" not in reference] == []


def test_what_is_installed_is_what_the_table_says() -> None:
    assert (ROOT / "systemd/edged.catalog").read_text(encoding="utf-8") == catalog.catalog(), "scripts/generate-docs"
    assert (ROOT / "docs/messages.md").read_text(encoding="utf-8") == catalog.page(), "scripts/generate-docs"


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="journalctl is not here (package systemd)")
def test_systemd_takes_the_whole_catalog(tmp_path: Path) -> None:
    source = tmp_path / "usr/lib/systemd/catalog"
    source.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(ROOT / "systemd/edged.catalog", source)

    def journalctl(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["journalctl", f"--root={tmp_path}", *arguments], capture_output=True, text=True, check=True, timeout=30
        )

    assert journalctl("--update-catalog").stderr == ""
    listed = journalctl("--list-catalog").stdout.splitlines()
    assert {line.split()[0]: line.partition(": ")[2] for line in listed} == {each.id: each.subject for each in NOTICES}
    shown = journalctl("--dump-catalog", NOTICES[0].id).stdout
    assert NOTICES[0].subject in shown
    assert "What to do: " in shown
