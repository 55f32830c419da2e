"""The shell scripts: what they ask of apt and pip, and what they leave alone when asked again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = ["scripts/bootstrap", "scripts/install", "scripts/quickstart", "scripts/test", "scripts/check", ".ci/run"]


def run(command: str, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A bash command in a folder; programs of `path` come first."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGED_")}
    environment["PYTHON"] = sys.executable
    if path is not None:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts in a repository of their own, with an apt that only writes down what it is asked."""
    folder = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text("[project]\n")
    program(tmp_path / "bin/apt-get", f'echo "$@" >>{tmp_path}/apt.log')
    program(tmp_path / "bin/sudo", '[[ $1 == -n ]] && shift\nexec "$@"')
    return folder


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_good_bash(name: str) -> None:
    assert run(f"bash -n {name}", REPOSITORY).stderr == ""
    assert os.access(REPOSITORY / name, os.X_OK) == (name != "scripts/bootstrap")
    if shutil.which("shellcheck"):
        assert run(f"shellcheck -x -P SCRIPTDIR {name}", REPOSITORY).stdout == ""


def test_apt_is_asked_once_and_only_for_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    done = run(
        ". scripts/bootstrap; want true present; want 'command -v nosuchthing' missing more; want false another;"
        "install_wanted; install_wanted",
        checkout,
        tmp_path / "bin",
    )
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "apt.log").read_text().splitlines()
    assert log == ["update -qq", "install -y -qq --no-install-recommends missing more another"]


def test_apt_is_left_alone_when_nothing_is_missing(checkout: Path, tmp_path: Path) -> None:
    assert run(". scripts/bootstrap; want true present; install_wanted", checkout, tmp_path / "bin").returncode == 0
    assert not (tmp_path / "apt.log").exists()


def test_a_failing_apt_shows_what_it_said(checkout: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin/apt-get", "echo 'E: no such package'; exit 100")
    done = run(". scripts/bootstrap; want false nosuch; install_wanted", checkout, tmp_path / "bin")
    assert done.returncode == 1
    assert "E: no such package" in done.stderr


def test_a_python_that_is_too_old_is_said(checkout: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "bin/oldpython", 'case "$*" in *-V*) echo Python 3.9.2;; *) exit 1;; esac')
    done = run(f"export PYTHON={old}; . scripts/bootstrap; prepare_system", checkout, tmp_path / "bin")
    assert done.returncode == 1
    assert "Python 3.10 or newer" in done.stderr
    assert "3.9.2" in done.stderr


def test_edged_is_installed_once_and_again_only_when_something_changed(checkout: Path, tmp_path: Path) -> None:
    log = tmp_path / "pip.log"
    program(checkout / ".venv/bin/pip", f'echo "$@" >>{log}')
    program(checkout / ".venv/bin/python", f'exec {sys.executable} "$@"')
    install = ". scripts/bootstrap; install_edged"

    def runs(command: str) -> int:
        before = len(log.read_text().splitlines()) if log.exists() else 0
        done = run(command, checkout)
        assert done.returncode == 0, done.stderr
        return len(log.read_text().splitlines()) - before

    assert runs(install) >= 1
    assert runs(install) == 0
    assert runs(f"{install} dev") >= 1
    assert ".[dev]" in log.read_text()
    assert runs(f"{install} dev") == 0
    assert runs(install) == 0
    (checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert runs(install) >= 1


@pytest.mark.parametrize(("tests", "checks", "status"), [(0, 0, 0), (3, 0, 3), (0, 1, 1), (3, 1, 3)])
def test_ci_runs_both_and_ends_with_the_tests_own_last_line(
    tmp_path: Path, tests: int, checks: int, status: int
) -> None:
    program(tmp_path / "scripts/test", f"echo collecting; echo '== 5 passed =='; exit {tests}")
    program(tmp_path / "scripts/check", f"echo checked; exit {checks}")
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci/run", tmp_path / ".ci/run")
    done = run(".ci/run", tmp_path)
    assert done.returncode == status
    assert "checked" in done.stdout
    assert done.stdout.splitlines()[-1] == "== 5 passed =="


@pytest.mark.parametrize(
    ("failed", "again", "tried", "status"),
    [(2, 0, True, 0), (2, 1, True, 1), (9, 0, False, 1)],
    ids=["passes alone", "fails again", "too many for chance"],
)
def test_ci_tries_a_handful_of_failures_once_more_and_names_them_at_the_end(
    tmp_path: Path, failed: int, again: int, tried: bool, status: int
) -> None:
    program(
        tmp_path / "scripts/test",
        f"""case "$*" in
        *--last-failed*) echo '== alone =='; exit {again};;
        *) for number in $(seq {failed}); do echo "FAILED tests/a.py::test_$number - it was late"; done
           echo '== {failed} failed =='; exit 1;;
        esac""",
    )
    program(tmp_path / "scripts/check", "echo checked")
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci/run", tmp_path / ".ci/run")
    done = run(".ci/run", tmp_path)
    assert done.returncode == status
    _, _, end = done.stdout.partition("checked\n")
    assert "FAILED tests/a.py::test_1 - it was late" in end
    assert f"== {failed} failed ==" in end
    assert ("== alone ==" in end) == tried
