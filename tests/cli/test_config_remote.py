"""What `edged config set` and `get` say when they are asked for what cannot be, or the broker says no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.private_broker import PrivateBroker
from tests.cli.edged_command import edged


@pytest.mark.parametrize("command", ["set", "get"])
@pytest.mark.parametrize("name", ["+", "#", "a/b", "Front", ""])
def test_a_name_that_would_bend_the_topic_is_refused(command: str, name: str) -> None:
    done = edged("config", command, "--camera", name, *(["a=1"] if command == "set" else []))
    assert done.returncode == 2
    assert "no camera's name" in done.stderr


def test_one_key_given_twice_is_a_question() -> None:
    done = edged("config", "set", "inference.max_faces=2", "inference.max_faces=3")
    assert done.returncode == 2
    assert "inference.max_faces is given twice" in done.stderr
    done = edged("config", "set", "inference.max_faces=2", "--unset", "inference.max_faces")
    assert "given twice" in done.stderr


def test_an_empty_key_is_refused() -> None:
    assert "a name is empty" in edged("config", "get", "").stderr


def test_nobody_there_is_told(broker: PrivateBroker) -> None:
    done = edged("config", "set", "inference.max_faces=2", "--port", str(broker.port), "--timeout", "0.3")
    assert done.returncode == 5
    assert "no answer from the camera 'front'" in done.stderr


def test_a_broker_that_does_not_let_this_user_publish_is_told_and_not_waited_for(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read edged/#\n", encoding="utf-8")
    rules.chmod(0o600)
    with PrivateBroker(lines=[f"acl_file {rules}"]) as broker:
        # The command would wait longer than the test waits for it.
        done = edged("config", "set", "inference.max_faces=2", "--port", str(broker.port), "--timeout", "600")
    assert done.returncode == 5
    assert "does not let us publish on edged/camera/front/config/change" in done.stderr
    assert "not authorized" in done.stderr.lower()


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    with PrivateBroker() as running:
        yield running
