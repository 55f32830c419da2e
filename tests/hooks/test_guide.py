"""docs/hooks.md: its example is installed, passes its own test, and does what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.doctor.examination import examine
from edged.observations import Box, Face, Observation
from edged.settings import Settings
from edged.toml_file import read_toml
from tests.cli.edged_command import edged
from tests.hooks.conftest import Host, Hosting, event
from tests.hooks.packages import install

ROOT = Path(__file__).resolve().parents[2]
_FILE = re.compile(r"<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files in a folder on the path, with the entry points its pyproject.toml declares."""
    folder = tmp_path / "edged-too-close"
    folder.mkdir()
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    for found in _FILE.finditer(page):
        (folder / found["name"]).write_text(found["text"], encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["pyproject.toml", "test_too_close.py", "too_close.py"]
    project = read_toml(folder / "pyproject.toml")["project"]
    install(folder, project["name"], project["entry-points"]["edged.hooks"])
    path = os.pathsep.join(filter(None, (str(folder), str(ROOT), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    return folder


def shown(second: float, face_height: float) -> Observation:
    face = Face(1, Box(200, 10, 160, face_height), 0.9)
    return Observation(1, 1, second * 1000, 0, 0, 640, 480, faces=(face,))


def test_the_examples_own_test_passes(example: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_too_close.py"]
    done = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_example_runs_as_the_page_says(example: Path, host: Hosting) -> None:
    stage: Host = host({"too-close": {"cooldown_seconds": 0, "options": {"share": 0.5, "seconds": 5}}})
    stage.until(lambda: stage.running("too-close"))
    for second in range(8):
        stage.hooks.observed(shown(second, 400))
        stage.until(lambda: stage.hooks._runs["hook too-close"].item is None)
    assert stage.data("too-close") == [{"too_close": True, "share": 0.83}]
    stage.hooks.happened(event("gaze"))
    stage.hooks.happened(event("presence", change="left"))
    stage.until(lambda: len(stage.said) == 2)
    assert stage.data("too-close")[1] == {"too_close": False, "share": None}
    assert stage.hooks.problems() == ()


def test_the_doctor_loads_the_example_and_says_what_else_is_installed(example: Path) -> None:
    found = hook_findings({"too-close": {}}, example)
    assert found == [(True, "too-close: too_close:TooClose of edged-too-close 1.0 loads", "")]


def hook_findings(hooks: dict[str, Any], site: Path) -> list[tuple[bool, str, str]]:
    """The doctor's, in a process that has the site on its path as the daemon would."""
    code = (
        "import json, sys; from edged.doctor.examination import _hooks; from edged.settings import Settings;"
        "print(json.dumps([(one.ok, one.what, one.cure) for one in _hooks(Settings(hooks=json.loads(sys.argv[1])))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(hooks)], cwd=site, capture_output=True, text=True, check=True
    )
    return [(ok, what, cure) for ok, what, cure in json.loads(done.stdout)]


def test_the_doctor_names_what_is_wrong_with_a_hook(site: Path) -> None:
    hooks = {"eho": {}, "absent": {}, "misspelt": {}, "raiser": {"enabled": False}, "badstart": {}}
    found = hook_findings(hooks, site)
    assert found[0] == (False, "eho: no installed package offers a hook eho", "did you mean echo?")
    assert found[1][0] is False
    assert "No module named 'no_such_module'" in found[1][1]
    assert found[1][2] == "install what it needs"
    assert found[2][:2] == (False, "misspelt: there are no events presense, which it asks for")
    assert found[3][:2] == (True, "raiser is switched off (hooks.raiser.enabled)")
    assert found[4][0] is True, "the doctor makes none: what it needs may be in use by the daemon"
    assert "echo (edged-toys 1.0)" in found[5][1]
    assert "eho" not in found[5][1].partition(":")[2].split("(")[0]


def test_hooks_are_among_what_the_doctor_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"hooks": {"nobody": {}}, "capture": {"source": "sitter:"}})
    found = [finding for finding in examine(settings) if finding.name == "hook"]
    assert found[0].what == "nobody: no installed package offers a hook nobody"


def test_the_binding_of_the_page_acts_on_what_the_example_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(\[\[bindings\]\].*?)```", page, re.DOTALL)
    assert found is not None
    settings = tmp_path / "lock.toml"
    settings.write_text('kind = "lock_screen"\n[signing]\nrequired = false\n' + found[1], encoding="utf-8")
    lines = []
    for second, too_close in ((36, True), (46, False)):
        said = {"hook": "too-close", "data": {"too_close": too_close, "share": 0.8}}
        at = f"2026-11-21T10:41:{second}.000Z"
        common = {"id": f"01a1fdb2-7f{second}-77c0-b77b-99a376a2fa2e", "at": at, "camera": "front", "kind": "hook"}
        lines.append(json.dumps({**common, "seq": second, "v": 1, "frame": 1, "at_ms": 0.0, **said}))
    recording = tmp_path / "events.jsonl"
    recording.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = edged("actuator", "check", "lock_screen", "-c", str(settings), str(recording))
    assert done.returncode == 0, done.stderr
    assert [line.split()[2:] for line in done.stdout.splitlines()] == [["lean-back:", "lock"]]


def test_two_packages_with_a_hook_of_the_same_name_are_refused(site: Path) -> None:
    install(site, "edged-rival", {"echo": "toyhooks:Watcher"})
    ok, what, cure = hook_findings({"echo": {}}, site)[0]
    assert not ok
    assert what == "echo: edged-rival 1.0 and edged-toys 1.0 both offer a hook echo"
    assert cure == "uninstall one of them"
