"""What edged.generator makes of the files in /etc/edged, in a root of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"
Generate = Callable[..., dict[str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with the drop-ins of the kinds, and no settings yet."""
    for kind in ("typing", "lock_screen", "twilio"):
        folder = tmp_path / f"etc/systemd/system/edged-actuator@{kind}.service.d"
        folder.mkdir(parents=True)
        folder.joinpath("kind.conf").write_text("# rights\n", encoding="utf-8")
    tmp_path.joinpath("etc/edged").mkdir()
    return tmp_path


@pytest.fixture
def generate(root: Path, tmp_path: Path) -> Generate:
    """Runs it on a systemd of this version; what it wrote, by path, and of a link what it leads to."""

    def run(version: int = 252) -> dict[str, str]:
        systemctl = tmp_path / "systemctl"
        systemctl.write_text(f"#!/bin/sh\necho 'systemd {version} ({version}.1)'\n", encoding="utf-8")
        systemctl.chmod(0o755)
        out = tmp_path / f"out-{version}"
        out.mkdir()
        done = subprocess.run(
            [str(UNITS / "edged.generator"), str(out), str(out), str(out)],
            env={"PATH": "/usr/bin:/bin", "EDGED_GENERATOR_ROOT": str(root), "EDGED_GENERATOR_SYSTEMCTL": str(systemctl)},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return {
            str(file.relative_to(out)): str(file.readlink()) if file.is_symlink() else file.read_text(encoding="utf-8")
            for file in out.rglob("*.conf")
        }

    return run


def settings(root: Path, name: str, text: str = "") -> None:
    root.joinpath("etc/edged", name).write_text(text, encoding="utf-8")


def test_an_actuator_of_another_name_gets_the_rights_of_the_kind_in_its_settings(
    root: Path, generate: Generate
) -> None:
    settings(root, "desk.toml", "# kind = \"twilio\"\n\n  kind   = 'typing' # for the desk\n[typing]\n")
    written = generate()
    link = written["edged-actuator@desk.service.d/kind.conf"]
    assert link == "/etc/systemd/system/edged-actuator@typing.service.d/kind.conf"


@pytest.mark.parametrize(
    "text",
    ["", 'actuator = "desk"\n', '[policy]\nkind = "typing"\n', 'kind = "nonesuch"\n', 'kind = "../../tmp"\n'],
)  # fmt: skip
def test_no_rights_come_of_anything_else(root: Path, generate: Generate, text: str) -> None:
    settings(root, "desk.toml", text)
    assert not [path for path in generate() if path.endswith("kind.conf")]


def test_where_name_and_kind_are_the_same_the_installed_drop_in_does(root: Path, generate: Generate) -> None:
    settings(root, "typing.toml", 'kind = "typing"\n')
    settings(root, "twilio.toml", "[twilio]\n")
    written = generate()
    assert not [path for path in written if path.endswith("kind.conf")]
    assert "edged-actuator@twilio.service.d/secrets.conf" in written


def test_secrets_are_given_where_they_are_and_nobody_misses_the_others(root: Path, generate: Generate) -> None:
    settings(root, "front.toml", "[capture]\n")
    settings(root, "back.toml", "[capture]\n")
    for secret in ("mqtt_password", "back.mqtt_password", "evidence_key.cred", "s3_access_key"):
        settings(root, secret)
    written = generate()
    front = written["edged@front.service.d/secrets.conf"].splitlines()
    back = written["edged@back.service.d/secrets.conf"].splitlines()
    evidence = "LoadCredentialEncrypted=evidence_key:/etc/edged/evidence_key.cred"
    assert front == ["[Service]", "LoadCredential=mqtt_password:/etc/edged/mqtt_password", evidence]
    assert back == ["[Service]", "LoadCredential=mqtt_password:/etc/edged/back.mqtt_password", evidence]
    upload = written["edged-evidence-upload@front.service.d/secrets.conf"].splitlines()
    assert upload == ["[Service]", "LoadCredential=s3_access_key:/etc/edged/s3_access_key"]


def test_twilio_has_its_credential_and_no_other_actuator_does(root: Path, generate: Generate) -> None:
    settings(root, "alarm.toml", 'kind = "twilio"\n')
    settings(root, "desk.toml", 'kind = "typing"\n')
    for secret in ("twilio.cred", "alarm.key", "desk.key"):
        settings(root, secret)
    written = generate()
    assert "twilio:/etc/edged/twilio.cred" in written["edged-actuator@alarm.service.d/secrets.conf"]
    assert "LoadCredential=actuator_key:/etc/edged/alarm.key" in written["edged-actuator@alarm.service.d/secrets.conf"]
    assert "twilio" not in written["edged-actuator@desk.service.d/secrets.conf"]


def test_an_encrypted_secret_is_taken_before_a_plain_one(root: Path, generate: Generate) -> None:
    settings(root, "desk.toml", 'kind = "typing"\n')
    settings(root, "desk.key")
    settings(root, "desk.key.cred")
    secrets = generate()["edged-actuator@desk.service.d/secrets.conf"]
    assert secrets == "[Service]\nLoadCredentialEncrypted=actuator_key:/etc/edged/desk.key.cred\n"


@pytest.mark.parametrize(("version", "grow"), [(249, False), (252, False), (253, False), (254, True), (257, True)])
def test_pauses_between_restarts_grow_where_systemd_can(generate: Generate, version: int, grow: bool) -> None:
    written = generate(version)
    assert ("edged@.service.d/restart.conf" in written) is grow
    if grow:
        assert "RestartMaxDelaySec=60" in written["edged-actuator@.service.d/restart.conf"]


def test_a_machine_without_settings_is_nothing_to_fail_at(root: Path, generate: Generate) -> None:
    root.joinpath("etc/edged").rmdir()
    assert generate() == {}


def test_files_with_other_names_are_left_alone(root: Path, generate: Generate) -> None:
    settings(root, "Front Door.toml", 'kind = "typing"\n')
    settings(root, "front.toml.bak", 'kind = "typing"\n')
    assert generate() == {}
