"""A card of our own: an ext4 in a file on a loop device."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Card:
    """What is written but not synced is in the page cache, and not in the file."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.mounted = image.with_suffix("")
        self.mounted.mkdir()

    def format(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(16 * 1024 * 1024)
        _run("mkfs.ext4", "-q", str(self.image))

    def mount(self) -> None:
        _run("mount", "-o", "loop,noatime", str(self.image), str(self.mounted))

    def fail(self) -> None:
        """An error of the device, as the file system takes it: it is read-only from now on."""
        _run("mount", "-o", "remount,abort", str(self.mounted))

    def unmount(self) -> None:
        _run("umount", str(self.mounted))

    def after_a_power_cut(self, name: str) -> Card:
        """What would be found now."""
        other = Card(self.image.with_name(name))
        shutil.copyfile(self.image, other.image)
        return other


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    """A mounted card; skips where none can be made."""
    if os.geteuid() or not shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        pytest.skip("mounting an image needs root and mkfs.ext4")
    made = Card(tmp_path / "card.img")
    made.format()
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device can be mounted here: {error.stderr.decode().strip()}")
    yield made
    made.unmount()
