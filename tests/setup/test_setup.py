"""`edged setup`: at a terminal with somebody who mistypes, without one, and with a broker that wants a password."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from edged.bus.private_broker import PrivateBroker
from edged.configuration.loading import load
from tests.cli.edged_command import REPOSITORY, edged
from tests.pseudo_terminal import need_terminals

PASSWORD = "geheim-12"


@pytest.fixture
def closed_broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    """One that lets in front only, with a password."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not here (package mosquitto)")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "front", PASSWORD], check=True, capture_output=True)
    passwords.chmod(0o600)
    with PrivateBroker(lines=[f"password_file {passwords}"], anonymous=False) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "settings"
    made.mkdir()
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unattended(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return edged("setup", "--yes", "--directory", str(folder), *arguments)


def at_terminal(folder: Path, *arguments: str) -> pexpect.spawn[str]:
    """The command with a person at it. Its own environment, so that nothing of ours answers for the person."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGED_")}
    need_terminals()
    return pexpect.spawn(
        sys.executable,
        ["-m", "edged", "setup", "--directory", str(folder), *arguments],
        cwd=str(REPOSITORY),
        env={**environment, "NO_COLOR": "1", "TERM": "dumb"},
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 400),
    )


def ended(terminal: pexpect.spawn[str]) -> int:
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus is not None
    return terminal.exitstatus


def test_a_person_who_mistypes_each_answer_once_gets_there(folder: Path, closed_broker: PrivateBroker) -> None:
    terminal = at_terminal(folder)
    terminal.expect("Name of the camera")
    terminal.sendline("Front Door")
    terminal.expect("'Front Door' cannot be a name")
    terminal.expect("Name of the camera")
    terminal.sendline("front")
    terminal.expect("Which camera")
    terminal.sendline(str(folder / "nowhere.mp4"))
    terminal.expect("No picture: .*nowhere.mp4")
    terminal.expect("all the same")
    terminal.sendline("n")
    terminal.expect("Which camera")
    terminal.sendline("sitter:")
    terminal.expect("a picture of 640×480")
    terminal.expect("MQTT broker")
    terminal.sendline("local host")
    terminal.expect("'local host' is no broker")
    terminal.expect("MQTT broker")
    terminal.sendline(f"127.0.0.1:{free_port()}")
    terminal.expect("No broker answers")
    terminal.expect("all the same")
    terminal.sendline("n")
    terminal.expect("MQTT broker")
    terminal.sendline(f"127.0.0.1:{closed_broker.port}")
    terminal.expect("does not let us in|refuses the user name")
    terminal.expect("User name")
    terminal.sendline("")  # the camera's name, which is what the access list in config/ expects
    terminal.expect("Password")
    terminal.waitnoecho()
    terminal.sendline(PASSWORD)
    terminal.expect("lets us in")
    terminal.expect("Wrote .*front.toml")
    assert PASSWORD not in str(terminal.before)
    assert ended(terminal) == 0

    settings = load(folder / "front.toml", environment={})
    assert (settings.camera, settings.capture.source) == ("front", "sitter:")
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.username) == (
        "127.0.0.1",
        closed_broker.port,
        "front",
    )
    assert settings.mqtt.password_file == folder / "front.mqtt_password"
    assert (folder / "front.mqtt_password").read_text() == PASSWORD + "\n"
    assert PASSWORD not in (folder / "front.toml").read_text()
    for name in ("front.toml", "front.mqtt_password"):
        assert not stat.S_IMODE((folder / name).stat().st_mode) & 0o027  # root and the group at most
    assert sorted(path.name for path in folder.iterdir()) == ["front.mqtt_password", "front.toml"]


def test_somebody_who_does_not_want_a_file_changed_keeps_it(folder: Path) -> None:
    (folder / "front.toml").write_text("# mine\n")
    terminal = at_terminal(folder, "--name", "front")
    terminal.expect("is there already")
    terminal.sendline("")
    terminal.expect("Nothing was changed")
    assert ended(terminal) == 0
    assert [path.name for path in folder.iterdir()] == ["front.toml"]
    assert (folder / "front.toml").read_text() == "# mine\n"


def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    terminal = at_terminal(folder, "--name", "front", "--camera", "sitter:")
    terminal.expect("MQTT broker")
    terminal.sendintr()
    assert ended(terminal) == 130
    assert list(folder.iterdir()) == []


def test_without_a_terminal_it_says_what_to_give(folder: Path) -> None:
    done = edged("setup", "--directory", str(folder))
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "no camera was named (--camera" in unattended(folder).stderr
    assert "no broker was named (--broker" in unattended(folder, "--camera", "sitter:").stderr
    assert list(folder.iterdir()) == []


def test_unattended_with_a_password_from_a_file(folder: Path, tmp_path: Path, closed_broker: PrivateBroker) -> None:
    given = tmp_path / "given"
    given.write_text(PASSWORD + "\n")
    broker = ("--broker", f"127.0.0.1:{closed_broker.port}", "--user", "front")
    refused = unattended(folder, "--camera", "sitter:", *broker)
    assert refused.returncode == 5
    assert "not authori" in refused.stderr or "password" in refused.stderr
    assert list(folder.iterdir()) == []
    done = unattended(folder, "--camera", "sitter:", *broker, "--password-file", str(given))
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert (folder / "front.mqtt_password").read_text() == PASSWORD + "\n"


def test_a_test_that_fails_writes_nothing_unless_told_to(folder: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = unattended(folder, "--camera", "/dev/video97", "--broker", nobody)
    assert (done.returncode, list(folder.iterdir())) == (3, [])
    assert "there is no such camera" in done.stderr
    done = unattended(folder, "--camera", "sitter:", "--broker", nobody)
    assert (done.returncode, list(folder.iterdir())) == (5, [])
    assert "no broker answers" in done.stderr
    done = unattended(folder, "--camera", "/dev/video97", "--broker", nobody, "--untested")
    assert done.returncode == 0
    assert load(folder / "front.toml", environment={}).capture.source == "/dev/video97"


def test_what_was_there_stays_where_the_answers_do_not_differ(folder: Path, broker: PrivateBroker) -> None:
    path = folder / "front.toml"
    before = (
        '# the hall\ncamera = "front"\n\n[capture]\nsource = "sitter:"  # for now\nrotate_degrees = 180\n\n[mqtt]\n'
        f'host = "127.0.0.1"\nport = {free_port()}\n'
    )
    path.write_text(before)
    refused = unattended(folder, "--broker", f"127.0.0.1:{broker.port}")
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert path.read_text() == before
    done = unattended(folder, "--broker", f"127.0.0.1:{broker.port}", "--overwrite")
    assert done.returncode == 0, done.stderr
    after = path.read_text()
    assert "# the hall\n" in after
    assert 'source = "sitter:"  # for now\nrotate_degrees = 180\n' in after
    assert load(path, environment={}).mqtt.port == broker.port
    assert (folder / "front.toml.old").read_text() == before
    again = unattended(folder, "--overwrite")
    assert "is right as it is" in again.stdout
    assert path.read_text() == after


def test_another_broker_is_not_told_who_we_are_at_the_one_before(folder: Path, broker: PrivateBroker) -> None:
    (folder / "front.toml").write_text(
        '[capture]\nsource = "sitter:"\n[mqtt]\nhost = "old.example"\nusername = "front"\npassword = "geheim-12"\n'
    )
    done = unattended(folder, "--broker", f"127.0.0.1:{broker.port}", "--overwrite")
    assert done.returncode == 0, done.stderr
    settings = load(folder / "front.toml", environment={})
    assert (settings.mqtt.username, settings.mqtt.password) == ("", None)


def test_an_actuators_settings_and_broken_ones_are_left_alone(folder: Path) -> None:
    (folder / "typing.toml").write_text('kind = "typing"\n')
    done = unattended(folder, "--name", "typing", "--camera", "sitter:", "--broker", "localhost", "--overwrite")
    assert done.returncode == 2
    assert "is an actuator's" in done.stderr
    (folder / "front.toml").write_text("camera = \n")
    done = unattended(folder, "--camera", "sitter:", "--broker", "localhost", "--overwrite")
    assert done.returncode == 2
    assert "not valid TOML" in done.stderr
    assert (folder / "front.toml").read_text() == "camera = \n"


def test_a_folder_that_is_not_there_is_named_with_the_cure(tmp_path: Path) -> None:
    done = unattended(tmp_path / "none", "--camera", "sitter:", "--broker", "localhost")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--camera", "", "--broker", "localhost:{port}"], 3, "the camera does not work"),
        (["--camera", "sitter:", "--broker", "localhost:{port}", "--password-file", "{given}"], 2, "goes with --user"),
        (
            ["--camera", "sitter:", "--broker", "localhost:{port}", "--ca-file", "/none.pem"],
            2,
            "/none.pem is not there",
        ),
        (["--camera", "sitter:", "--broker", "localhost", "--ca-file", "{given}", "--no-tls"], 2, "without TLS"),
    ],
)
def test_answers_that_would_not_be_used_are_refused(
    folder: Path, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    (tmp_path / "given").write_text(PASSWORD + "\n")
    port = free_port()
    done = unattended(folder, *(each.format(port=port, given=tmp_path / "given") for each in arguments))
    assert (done.returncode, list(folder.iterdir())) == (status, []), done.stderr
    assert said in done.stderr


def test_who_names_an_authority_is_never_heard_in_clear(folder: Path, tmp_path: Path, broker: PrivateBroker) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(ssl.DER_cert_to_PEM_cert(bytes(10)))
    done = unattended(
        folder, "--camera", "sitter:", "--broker", f"127.0.0.1:{broker.port}", "--ca-file", str(authority), "--untested"
    )
    assert done.returncode == 0, done.stderr
    tls = load(folder / "front.toml", environment={}).mqtt.tls
    assert (tls.enabled, tls.ca_file) == (True, authority)


def test_options_that_go_with_a_broker_are_not_dropped_at_a_terminal(folder: Path, tmp_path: Path) -> None:
    terminal = at_terminal(folder, "--name", "front", "--password-file", str(tmp_path / "given"))
    terminal.expect("--password-file goes with --broker")
    assert ended(terminal) == 2


def test_a_folder_named_from_here_holds_everywhere(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "given").write_text(PASSWORD + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "edged", "setup", "--yes", "--directory", folder.name, "--camera", "sitter:", "--untested",
         "--broker", f"127.0.0.1:{free_port()}", "--user", "front", "--password-file", "given"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    named = load(folder / "front.toml", environment={}).mqtt.password_file
    assert named == folder / "front.mqtt_password"


def test_a_password_that_cannot_be_put_in_its_place_lies_nowhere_else(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "given").write_text(PASSWORD + "\n")
    (folder / "front.mqtt_password").mkdir()
    done = unattended(
        folder, "--camera", "sitter:", "--broker", f"127.0.0.1:{free_port()}", "--user", "front", "--untested",
        "--password-file", str(tmp_path / "given"),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{folder / 'front.mqtt_password'} cannot be written: Is a directory" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["front.mqtt_password"]
