"""The log of this very process, and what it was before; a real journald, in a mount namespace of its own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.logs.telling import Teller

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Whatever a test sets up is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = threading.excepthook, sys.unraisablehook, sys.excepthook
    with warnings.catch_warnings():
        yield root
    for each in root.handlers:
        if isinstance(each, Teller):
            each.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    threading.excepthook, sys.unraisablehook, sys.excepthook = hooks


class Journal:
    """Runs commands under a journald of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.explained = ""

    def of(self, *command: str | Path, seconds: float = 90.0) -> list[dict[str, Any]]:
        """What a command left in the journal; its standard error leads there."""
        jail = ["unshare", "--mount", sys.executable, "-m", "tests.logs.in_journal", str(self._folder)]
        done = subprocess.run(
            [*jail, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        self.explained = (self._folder / "explained").read_text(encoding="utf-8")
        lines = (self._folder / "entries.json").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A real one, or the test is skipped and says why."""
    pytest.importorskip(
        "systemd.journal", reason="systemd-python is not here (scripts/add systemd)", exc_type=ImportError
    )
    if not any(Path(place, "systemd/systemd-journald").exists() for place in ("/usr/lib", "/lib")):
        pytest.skip("systemd-journald is not here (package systemd)")
    can = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, check=False
    )  # fmt: skip
    if can.returncode:
        pytest.skip("a mount namespace of one's own needs root")
    return Journal(tmp_path)
