"""scripts/install: what it says it would do, and where it refuses before anything is done.

What it does on a bare Debian and Ubuntu, twice and away again, is tried in roots of their own: see docs/install.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOUCHED = [
    *("/opt/edged", "/etc/edged", "/var/lib/edged", "/etc/systemd", "/etc/udev/rules.d", "/usr/local/bin"),
    *("/usr/local/share", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/lib/systemd/catalog", "/etc/passwd"),
]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def install(*arguments: str, path: Path | None = None, nobody: bool = False) -> subprocess.CompletedProcess[str]:
    """The script of this checkout; programs of `path` come first. nobody: as a user who may nothing."""
    before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if nobody and os.geteuid() == 0 else []
    return subprocess.run(
        [*before, str(REPOSITORY / "scripts/install"), *arguments],
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def snapshot() -> dict[str, int]:
    found = {}
    for place in map(Path, TOUCHED):
        for path in (place, *(place.rglob("*") if place.is_dir() else ())):
            if path.exists():
                found[str(path)] = path.lstat().st_mtime_ns
    return found


@pytest.fixture
def bare() -> None:
    """Where edged is installed already the script would say something else."""
    if Path("/opt/edged").exists() or Path("/usr/local/bin/edged").exists():
        pytest.skip("edged is installed on this machine")


@pytest.mark.usefixtures("bare")
def test_a_dry_run_tells_everything_and_changes_nothing() -> None:
    before = snapshot()
    done = install("--dry-run", "--extras", "typing,twilio")
    assert done.returncode == 0, done.stderr
    assert snapshot() == before
    lines = done.stderr.splitlines()
    assert lines[-1] == "nothing was changed: this was a dry run"
    assert all(line.startswith(("would ", "note: ", "whether ")) for line in lines[:-1]), done.stderr
    assert "edged with twilio,typing and its libraries" in done.stderr


@pytest.mark.usefixtures("bare")
def test_every_file_for_systemd_has_its_place() -> None:
    told = install("--dry-run").stderr
    for file in (REPOSITORY / "systemd").rglob("*"):
        if not file.is_file():
            continue
        name = file.name.replace(".sysusers.conf", ".conf").replace(".tmpfiles.conf", ".conf").replace(".generator", "")
        below = str(file.relative_to(REPOSITORY / "systemd").parent)
        folder = "" if below == "." else f"{below}/"
        assert any(
            line.startswith("would write /") and line.endswith(f"/{folder}{name}") for line in told.splitlines()
        ), file


def test_without_root_it_says_what_to_do() -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not here (package util-linux)")
    if os.geteuid() == 0 and install("--help", nobody=True).returncode:
        pytest.skip("this checkout is not readable for other users")
    done = install("--uninstall", nobody=True)
    assert (done.returncode, done.stderr) == (
        1,
        "install: needs root: sudo scripts/install, or look first with --dry-run\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nosuch"], "there is no --nosuch"),
        (["--extras", "typing,typo"], "there is no typo (there are typing lock-screen twilio s3 mediapipe)"),
        (["--extras"], "--extras needs a value"),
        (["--wheelhouse", "--dry-run"], "--wheelhouse needs a value"),
        (["--dry-run", "--wheelhouse", "/nonexistent"], "there is no folder /nonexistent"),
        (["--purge", "--dry-run"], "--purge goes with --uninstall"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_with_status_2(arguments: list[str], said: str) -> None:
    done = install(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_help_is_the_head_of_the_script() -> None:
    done = install("--help")
    assert done.returncode == 0
    assert "--uninstall [--purge]" in done.stdout
    assert "source" not in done.stdout
    assert "BASH_SOURCE" not in done.stdout


def test_a_32_bit_system_is_refused(programs: Path) -> None:
    program(programs / "getconf", "echo 32")
    done = install("--dry-run", path=programs)
    assert done.returncode == 1
    assert "there is no LiteRT for it: install the 64-bit system" in done.stderr


def test_beside_the_debian_package_it_refuses(programs: Path) -> None:
    program(programs / "dpkg-query", 'echo -n "install ok installed"')
    done = install("--dry-run", path=programs)
    assert done.returncode == 1
    assert "sudo apt remove edged" in done.stderr


def test_a_full_disk_is_said_before_anything_is_done(programs: Path) -> None:
    program(programs / "df", "printf 'Avail\\n12\\n'")
    done = install("--dry-run", path=programs)
    assert done.returncode == 1
    assert "only 12 MB are free" in done.stderr


@pytest.mark.usefixtures("bare")
def test_what_is_not_installed_cannot_be_taken_away() -> None:
    done = install("--uninstall", "--dry-run")
    assert done.returncode == 1
    assert "is not installed by this script" in done.stderr


def test_a_purge_leaves_what_the_debian_package_uses(programs: Path) -> None:
    program(programs / "dpkg-query", 'echo -n "install ok installed"')
    done = install("--uninstall", "--purge", "--dry-run", path=programs)
    assert done.returncode == 1
    assert "sudo apt purge edged" in done.stderr
    assert "would" not in done.stderr
