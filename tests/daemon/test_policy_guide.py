"""What docs/security-policy.md says is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edged.actuators.bindings import Bindings
from edged.actuators.effects import Now
from edged.actuators.settings import BindingSettings
from edged.bus.message import Message
from edged.configuration.loading import load
from edged.daemon.trust import Trust
from edged.events import Advice, Happening, Seat, envelope
from edged.judgement.security import ORDER
from edged.keys import make_key
from edged.settings import Settings
from edged.settings.security import SecuritySettings
from edged.store.kept import KeptFile
from edged.toml_file import read_toml

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "security-policy.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_table_of_verdicts_is_that_of_the_settings_in_the_order_that_counts() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\d.]+) s \| (.*) \| (yes|no) \|$", GUIDE, re.MULTILINE)
    assert [row[0] for row in rows] == list(ORDER)
    rules = SecuritySettings().rules()
    for name, seconds, actions, in_grace in rows:
        rule = rules[name]
        assert float(seconds) == rule.after_seconds, name
        assert re.findall(r"`(\w+)`", actions) == [each for each in rule.actions if each != "none"], name
        assert (in_grace == "yes") == rule.in_grace, name


def test_the_settings_load(tmp_path: Path) -> None:
    begin, hours, *_ = blocks("toml")
    path = tmp_path / "front.toml"
    path.write_text(begin + hours, encoding="utf-8")
    policy = load(path, {}).judgement.security
    assert (policy.mode, policy.right_people, len(policy.schedules)) == ("watch", ["Anna"], 3)


def test_the_screen_is_locked_by_the_bindings(tmp_path: Path) -> None:
    path = tmp_path / "lock_screen.toml"
    path.write_text(blocks("toml")[2], encoding="utf-8")
    bindings = [BindingSettings.model_validate(each) for each in read_toml(path)["bindings"]]
    now = Now(1_800_000_000.0, 1000.0)

    def fired(advice: Advice, verdict: str) -> list[str]:
        seat = Seat(verdict, "right_user", False, False, "enforce", [], advice, [], [], None, None, 0.0, 1)  # type: ignore[arg-type]
        payload = envelope(Happening(seat, 1, 1.0, 1, int(now.unix * 1e9)), "front", 1, b"x")
        message = Message("edged/camera/front/event/security", json.dumps(payload).encode(), 1, False)
        found = Bindings(bindings, lambda _unix: 0).hear(message, now)
        return [each.order.action for each in found if each.order is not None]

    assert fired(Advice(lock=True), "nobody") == ["lock"]
    assert fired(Advice(sign_out=True, alert=True), "spoof") == ["sign_out"]
    assert fired(Advice(warn=True), "several_faces") == []

    # What the broker lost, or kept until it was too old, is still in the state, which it repeats at the next connect.
    missed = Bindings(bindings, lambda _unix: 0)
    for action, name in (("lock", "seat_still"), ("sign_out", "sign_out_still")):
        told = {"verdict": "wrong_user", "do": {"lock": action == "lock", "sign_out": action == "sign_out"}}
        state = Message("edged/camera/front/state/security", json.dumps(told).encode(), 1, True)
        assert missed.hear(state, now) == []
        (still,) = missed.tick(Now(now.unix + 4, now.steady + 4))
        assert still.order is not None
        assert (still.binding, still.order.action) == (name, "lock")
        assert missed.tick(Now(now.unix + 60, now.steady + 60)) == []
        now = Now(now.unix + 100, now.steady + 100)

    watching = Bindings(bindings, lambda _unix: 0)
    gone = Message("edged/camera/front/availability", b"offline", 1, False)
    assert watching.hear(gone, now) == []
    (late,) = watching.tick(Now(now.unix + 31, now.steady + 31))
    assert late.order is not None
    assert late.order.action == "lock"


def test_a_shell_can_sign(tmp_path: Path) -> None:
    for tool in ("bash", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
    key = tmp_path / "command.key"
    make_key(key)
    script = next(each for each in blocks("sh") if "openssl dgst" in each)
    script = script.replace("mosquitto_pub -t edged/camera/front/command/release -m", "printf %s")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, check=True, timeout=30)
    settings = Settings.model_validate({"signing": {"key_file": str(key)}})
    trust = Trust(settings, KeptFile(tmp_path / "kept.json"), time.time(), time.monotonic())
    assert trust.check("release", json.loads(done.stdout), time.time(), time.monotonic()).command == "release"
