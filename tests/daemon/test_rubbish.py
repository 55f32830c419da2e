"""Rubbish from the broker, over a real broker to a real daemon: each gets an answer, and nothing changes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from edged.bus.commands import CommandDesk, Reply
from edged.bus.message import Message
from edged.remote.verdict import Rejected, judge
from edged.settings import Settings
from tests.daemon.conftest import Theatre
from tests.remote.bad_payloads import bad_commands, bad_config

COUNT = 300


def answers(theatre: Theatre) -> list[Any]:
    return [payload for topic, payload in theatre.heard if topic.startswith("response/")]


def test_five_thousand_bad_commands_are_each_answered_with_an_error() -> None:
    desk = CommandDesk("edged", "front")
    for number, (name, payload) in enumerate(itertools.islice(bad_commands(random.Random(5)), 5000)):
        taken = desk.take(Message(f"edged/camera/front/command/{name}", payload, 1, False), float(number))
        assert isinstance(taken, Reply), (name, payload)
        assert b'"status":"error"' in taken.payload


@pytest.mark.slow
def test_bad_settings_and_commands_change_nothing_and_each_gets_one_answer(theatre: Theatre) -> None:
    theatre.until(lambda: theatre.last("config/state"))
    before, children = theatre.last("config/state"), theatre.children()
    assert theatre.daemon is not None
    pid = theatre.daemon.pid
    wrong = (payload for payload in bad_config(random.Random(11))
             if isinstance(judge(Settings(), {}, payload, "config/change"), Rejected))  # fmt: skip
    commands = bad_commands(random.Random(12))
    for done in range(0, COUNT, 20):
        for payload in itertools.islice(wrong, 20):
            theatre.publish("config/change", payload)
        theatre.until(lambda done=done: len(theatre.all("config/result")) >= done + 20)  # type: ignore[misc]
        for name, payload in itertools.islice(commands, 20):
            theatre.publish(f"command/{name}", payload)
        theatre.until(lambda done=done: len(answers(theatre)) >= done + 20)  # type: ignore[misc]
    assert len(theatre.all("config/result")) == COUNT
    assert {result["status"] for result in theatre.all("config/result")} == {"rejected"}
    assert all(
        error["path"] and error["reason"] for result in theatre.all("config/result") for error in result["errors"]
    )
    assert all(result["errors"] for result in theatre.all("config/result"))
    assert len(answers(theatre)) == COUNT
    assert {answer["status"] for answer in answers(theatre)} == {"error"}
    assert (theatre.daemon.pid, theatre.daemon.poll(), theatre.children()) == (pid, None, children)
    theatre.ask("reconnect")
    theatre.heard.clear()
    theatre.until(lambda: theatre.last("config/state"))
    after = theatre.last("config/state")
    assert (after["revision"], after["settings"], after["changed"]) == (0, before["settings"], {})
    theatre.wait_for("ok")


@pytest.mark.slow
def test_ten_megabytes_leave_the_daemon_as_it_was(theatre: Theatre) -> None:
    theatre.publish("config/set", b"x" * 10_000_000, retain=True)
    theatre.publish("config/change", b'{"inference": {"max_faces": 7}}')
    theatre.until(
        lambda: theatre.last("config/state") and theatre.last("config/state")["settings"]["inference"]["max_faces"] == 7
    )
