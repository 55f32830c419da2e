"""`edged upgrade-check`: what stands in the way is named with its cure, and nothing is changed."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.care.places import Places, places
from edged.care.upgrade import check
from edged.store.kept import Kept
from tests.care.conftest import Installation
from tests.cli.edged_command import REPOSITORY, edged
from tests.store.conftest import Card, card

__all__ = ["card"]  # a fixture


@pytest.fixture(autouse=True)
def _models(models_directory: Path) -> None:
    """Needed, or they would stand in the way."""


def run(machine: Installation, *more: str) -> tuple[int, list[dict[str, Any]]]:
    done = edged("upgrade-check", "--json", "--settings", str(machine.settings), "--state", str(machine.state), *more)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return done.returncode, found


def blocking(machine: Installation) -> list[str]:
    status, found = run(machine)
    told = [f"{each['what']} ({each['cure']})" for each in found if each["blocks"]]
    assert status == (1 if told else 0)
    return told


def snapshot(machine: Installation) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for root in (machine.settings, machine.state)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_where_nothing_stands_in_the_way_it_says_so_and_changes_nothing(full: Installation) -> None:
    before = snapshot(full)
    status, found = run(full)
    assert status == 0, found
    assert {each["name"] for each in found} >= {"version", "settings", "kept", "room", "models"}
    assert sum(each["name"] == "kept" for each in found) >= 6
    assert snapshot(full) == before


def test_a_file_of_a_newer_version_stands_in_the_way(full: Installation) -> None:
    with sqlite3.connect(full.state / "gallery.db") as database:
        database.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('edged gallery', '0999_x')")
    database.close()
    (full.state / "front.kept.json").write_bytes(msgspec.json.encode(Kept(version=7)))
    told = blocking(full)
    assert len(told) == 2
    assert told[0].startswith("gallery.db was written by a newer edged (it has 0999_x) (keep that version, or put back")
    assert told[1].startswith("front.kept.json was written by a newer edged (version 7)")


def test_steps_that_will_be_done_are_named_and_are_not_done(full: Installation) -> None:
    path = full.state / "actuator-typing.jobs.db"
    path.unlink()
    with sqlite3.connect(path) as database:  # of a version before the first step
        database.execute("CREATE TABLE early (id INTEGER PRIMARY KEY)")
    database.close()
    before = snapshot(full)
    status, found = run(full)
    assert status == 0
    assert any("actuator-typing.jobs.db is good; 0001_jobs will be done" in each["what"] for each in found)
    assert snapshot(full) == before


def test_damage_is_named(full: Installation) -> None:
    path = full.state / "front.history.db"
    content = bytearray(path.read_bytes())
    content[3000:9000] = bytes(6000)
    path.write_bytes(bytes(content))
    (full.state / "actuator-typing.kept.json").write_text("{")
    told = blocking(full)
    assert len(told) == 2
    assert re.match(r"front\.history\.db (is damaged|cannot be read): ", told[0])
    assert told[1].startswith("actuator-typing.kept.json is damaged: ")


def test_settings_that_this_version_refuses_are_named_one_by_one_without_their_values(full: Installation) -> None:
    path = full.settings / "front.toml"
    path.write_text(
        path.read_text().replace('host = "localhost"', 'host = "localhost"\npasswort = "hunter2"\nport = 99999')
    )
    (full.settings / "typing.toml").write_text('actuator = "typing"\nqueue_length = "many"\n')
    (full.settings / "broken.toml").write_text("[")
    told = blocking(full)
    assert len(told) == 4
    text = "\n".join(told)
    assert "front.toml: mqtt.passwort: is not a setting" in text
    assert "front.toml: mqtt.port: " in text
    assert "typing.toml: queue_length: " in text
    assert "broken.toml" in text
    assert "hunter2" not in text


def test_models_that_are_missing_stand_in_the_way(full: Installation, tmp_path: Path) -> None:
    path = full.settings / "front.toml"
    path.write_text(path.read_text() + f'[models]\ndirectory = "{tmp_path / "none"}"\n')
    told = blocking(full)
    assert told
    assert all("edged models pull" in each for each in told)


def test_a_restore_that_was_cut_off_stands_in_the_way(full: Installation) -> None:
    (full.state / ".edged-restore").mkdir()
    (told,) = blocking(full)
    assert "was cut off (edged restore --resume)" in told


def test_a_full_disk_stands_in_the_way(full: Installation, card: Card) -> None:
    shutil.copytree(full.state, card.mounted / "state")
    where = Places(full.settings, card.mounted / "state", places(full.settings, full.state).files)
    (room,) = [finding for finding in check(where, None) if finding.name == "room"]
    assert room.blocks
    assert room.cure == "make room"


def test_units_of_another_version_are_said_and_do_not_stand_in_the_way(full: Installation, tmp_path: Path) -> None:
    shipped, installed, below = tmp_path / "shipped", tmp_path / "etc", tmp_path / "usr"
    for folder in (shipped, installed, below):
        folder.mkdir()
    for name in ("edged@.service", "edged-actuator@.service", "edged-other@.service"):
        shutil.copy(REPOSITORY / "systemd/edged@.service", shipped / name)
    shutil.copy(shipped / "edged@.service", below / "edged@.service")
    (installed / "edged@.service").write_text("[Service]\n")
    shutil.copy(shipped / "edged-actuator@.service", below)
    where = places(full.settings, full.state)
    found = [finding for finding in check(where, shipped, (installed, below)) if finding.name == "units"]
    assert [(each.blocks, each.what) for each in found] == [
        (False, f"{below}/edged-actuator@.service is this version's"),
        (False, f"{installed}/edged@.service is not this version's"),
    ]
    assert f"diff {installed}/edged@.service" in found[1].cure
    assert found[0].cure == ""
