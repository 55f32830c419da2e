"""The Debian package's files: nothing that edged needs or brings is forgotten. Building takes minutes and is not done here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGING = REPOSITORY / "packaging" / "debian"
BUILD = REPOSITORY / "scripts" / "build-deb"
PROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
# Tools for those who write edged, and a second runtime of vision, twenty times as large as the first.
LEFT_OUT = {"dev", "mediapipe"}
SCRIPTS = ("postinst", "prerm", "postrm")


def test_every_extra_is_in_the_package_or_left_out_on_purpose() -> None:
    section = PROJECT.split("[project.optional-dependencies]")[1].split("\n[project")[0]
    extras = set(re.findall(r"(?m)^([a-z0-9-]+) = \[", section))
    match = re.search(r"(?m)^extras=(\S+)$", BUILD.read_text(encoding="utf-8"))
    assert match
    assert set(match[1].split(",")) | LEFT_OUT == extras


def test_the_changelog_begins_with_this_version() -> None:
    version = re.search(r'(?m)^version = "(.+)"$', PROJECT)
    assert version
    assert (PACKAGING / "changelog").read_text(encoding="utf-8").startswith(f"edged ({version[1]}-")


@pytest.mark.parametrize("name", SCRIPTS)
def test_maintainer_scripts_are_good_posix_shell(name: str) -> None:
    script = PACKAGING / name
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_file_of_systemd_has_its_place_with_the_packages_own_paths(tmp_path: Path) -> None:
    """The build script's own functions, on this checkout's files."""
    text = BUILD.read_text(encoding="utf-8")
    functions = "".join(re.findall(r"(?ms)^(?:place|install_system_files)\(\) \{.*?^\}\n", text))
    for folder in ("systemd", "config", "scripts"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    root = tmp_path / "root"
    root.mkdir()
    script = f'set -euo pipefail; fail() {{ echo "$*" >&2; exit 1; }}; root={root} prefix=usr/lib/edged\n{functions}install_system_files'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    installed = {path.name: path for path in root.rglob("*") if path.is_file()}
    for unit in (REPOSITORY / "systemd").glob("*.service"):
        assert "/opt/" not in installed[unit.name].read_text(encoding="utf-8")
        assert "ExecStart=/usr/bin/edged " in installed[unit.name].read_text(encoding="utf-8")
    files = [path for path in (REPOSITORY / "systemd").rglob("*") if path.is_file()]
    examples = list((REPOSITORY / "config").glob("*.toml"))
    assert len([path for path in root.rglob("*") if path.is_file()]) == len(files) + len(examples) + 1  # usb-keyboard
    for rules in (REPOSITORY / "systemd").glob("*.rules"):
        assert (root / "usr/lib/udev/rules.d" / rules.name).is_file()


def test_a_file_of_systemd_without_a_place_ends_the_build(tmp_path: Path) -> None:
    text = BUILD.read_text(encoding="utf-8")
    functions = "".join(re.findall(r"(?ms)^(?:place|install_system_files)\(\) \{.*?^\}\n", text))
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd/edged.unheard").touch()
    script = f'set -euo pipefail; fail() {{ echo "$*" >&2; exit 1; }}; root={tmp_path}/root prefix=p\n{functions}install_system_files'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "edged.unheard" in done.stderr


def test_every_kind_of_instance_is_restarted_stopped_and_purged() -> None:
    for unit in (REPOSITORY / "systemd").glob("*@.service"):
        pattern = unit.name.replace("@.", "@*.")
        for name in ("postinst", "prerm"):
            assert f"'{pattern}'" in (PACKAGING / name).read_text(encoding="utf-8"), (name, pattern)
        assert f"/{unit.name}'" in (PACKAGING / "postrm").read_text(encoding="utf-8")
