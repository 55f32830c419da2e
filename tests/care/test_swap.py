"""Files are replaced all at once or not at all, wherever the process is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.errors import RestoreUnfinished, StoreError
from edged.store.directory import InstanceLock
from edged.store.swap import Swap, claim, settle
from tests.care.killed_swap import SETTINGS, STATE
from tests.store.conftest import Card, card

__all__ = ["card"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
OLD = {
    **{f"state/{name}": "old" for name in (*STATE, "gallery.db-wal", "other.db")},
    "settings/front.toml": "old",
    "settings/sub/typing.toml": "old",
}
NEW = {
    **{f"state/{name}": "new" for name in STATE},
    "state/other.db": "old",
    **{f"settings/{name}": "new" for name in SETTINGS},
}


def killed_at_every_step(folder: Path, *user: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.care.killed_swap", str(folder), *user],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=110,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def visible(found: dict[str, str]) -> dict[str, str]:
    return {name: content for name, content in found.items() if "lock" not in name}


@pytest.mark.slow
def test_killed_at_any_step_there_is_the_old_or_the_new_and_no_leftover(tmp_path: Path) -> None:
    found = killed_at_every_step(tmp_path)
    assert len(found) > 40
    for number, each in enumerate(found):
        assert visible(each["then"]) in (OLD, NEW), f"half at step {number + 1}"
        assert each["at_last"] == each["then"]
        assert each["left"] == []
    decided = [visible(each["then"]) == NEW for each in found]
    assert decided == sorted(decided)  # once it is decided, it stays so
    assert not decided[0]
    assert [each["killed"] for each in found] == [True] * (len(found) - 1) + [False]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where every user may look: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="edged-swap-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_daemon_that_may_write_in_its_own_folder_only_finishes_or_refuses_and_never_sees_half(
    open_folder: Path,
) -> None:
    found = killed_at_every_step(open_folder, str(NOBODY))
    undecided = []
    for number, each in enumerate(found):
        if not each["refused"]:
            assert visible(each["then"]) in (OLD, NEW), f"half at step {number + 1}"
        assert visible(each["at_last"]) in (OLD, NEW)
        assert each["left"] == []
        if each["refused"] and visible(each["at_last"]) == OLD:
            undecided.append(number)
    # Before it is decided nobody is needed.
    assert undecided == []
    refused = [each for each in found if each["refused"]]
    assert refused  # the settings are root's
    assert all(visible(each["at_last"]) == NEW for each in refused)
    # Killed among its own files it needs nobody's help.
    last = max(number for number, each in enumerate(found) if each["refused"])
    assert len(found) - last > 5


def test_what_was_only_prepared_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "front.toml").write_text("old")
    with claim(tmp_path):
        Swap(tmp_path).place(tmp_path, "front.toml").write_text("new")
    assert settle(tmp_path) is False
    assert sorted(path.name for path in tmp_path.iterdir()) == [".edged-restore.lock", "front.toml"]
    assert (tmp_path / "front.toml").read_text() == "old"


def test_while_a_restore_is_under_way_nobody_begins_anything(tmp_path: Path) -> None:
    with claim(tmp_path):
        Swap(tmp_path).place(tmp_path, "front.toml").write_text("new")
        with pytest.raises(RestoreUnfinished, match="under way"):
            settle(tmp_path)
        with pytest.raises(RestoreUnfinished, match="under way"):
            InstanceLock(tmp_path, "front")
        InstanceLock(tmp_path, "front", restoring=True).close()
    settle(tmp_path)
    InstanceLock(tmp_path, "front").close()


def test_who_begins_between_the_end_of_a_killed_restore_and_its_settling_is_sent_back(tmp_path: Path) -> None:
    with claim(tmp_path):
        Swap(tmp_path).place(tmp_path, "front.toml").write_text("new")
    with pytest.raises(RestoreUnfinished, match="cut off"):
        InstanceLock(tmp_path, "front")
    settle(tmp_path)
    InstanceLock(tmp_path, "front").close()


def test_a_damaged_journal_is_named_and_nothing_is_guessed(tmp_path: Path) -> None:
    (tmp_path / ".edged-restore").mkdir()
    (tmp_path / ".edged-restore/journal.json").write_text("{")
    with pytest.raises(StoreError, match=r"journal\.json cannot be read"):
        settle(tmp_path)


def test_a_power_cut_after_it_is_done_finds_the_new(card: Card) -> None:
    (card.mounted / "front.toml").write_text("old")
    os.sync()
    with claim(card.mounted):
        swap = Swap(card.mounted)
        for number in range(20):
            swap.place(card.mounted, f"{number}.json").write_text("new" * 1000)
        swap.place(card.mounted, "front.toml").write_text("new")
        before = card.after_a_power_cut("before.img")
        swap.commit()
    after = card.after_a_power_cut("after.img")
    for cut, expected in ((before, "old"), (after, "new")):
        cut.mount()
        try:
            settle(cut.mounted)
            assert (cut.mounted / "front.toml").read_text() == expected
            there = [path for path in cut.mounted.glob("*.json") if path.read_text() == "new" * 1000]
            assert len(there) == (20 if expected == "new" else 0)
        finally:
            cut.unmount()
