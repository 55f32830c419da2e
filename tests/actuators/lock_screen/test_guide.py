"""What docs/lock-screen.md shows is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edged.actuators.loading import load_actuator
from edged.actuators.lock_screen.performer import ACTIONS
from edged.actuators.rehearsal import rehearse

_PAGE = Path(__file__).parents[3] / "docs" / "lock-screen.md"


def _presence(at: str, *, someone: bool) -> str:
    return json.dumps({"camera": "front", "state": "presence", "someone": someone, "people": int(someone), "since": at})


def test_the_binding_locks_when_everybody_has_been_gone_for_half_a_minute(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "settings.toml").write_text('kind = "lock_screen"\n' + example, encoding="utf-8")
    recording = tmp_path / "recording.jsonl"
    recording.write_text(
        "\n".join(
            [
                _presence("2026-01-01T10:00:00.000Z", someone=True),
                _presence("2026-01-01T10:05:00.000Z", someone=False),  # for 20 s
                _presence("2026-01-01T10:05:20.000Z", someone=True),
                _presence("2026-01-01T10:10:00.000Z", someone=False),
                _presence("2026-01-01T10:20:00.000Z", someone=True),
            ]
        ),
        encoding="utf-8",
    )
    settings = load_actuator("lock_screen", tmp_path / "settings.toml").settings
    [step] = rehearse(settings, recording, ACTIONS)
    assert (step.action, step.kept) == ("lock", "")
    assert step.at % 3600 == 10 * 60 + 30


def test_every_action_is_on_the_page() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    for name in ACTIONS:
        assert f"| `{name}` |" in page
