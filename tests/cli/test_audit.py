"""`edged audit`: showing, verifying and renewing the trail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from edged.store.audit import NAME, Head, Trail
from edged.store.audit_check import records
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from edged.store.history import History
from edged.topics import AuditState
from tests.brokers import broker_here
from tests.cli.edged_command import edged


@pytest.fixture
def trail() -> Path:
    """Five records; the folder."""
    folder = Path(os.environ["EDGED_STATE_DIR"])
    writing = Trail(folder)
    for number in range(5):
        writing.append("security" if number % 2 else "config", {"number": number}, by="test", camera="front")
    writing.sync()
    writing.close()
    return folder


def _cut(folder: Path, keep: int) -> None:
    path = folder / NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))


def test_records_are_shown_the_oldest_first(trail: Path) -> None:
    lines = edged("audit", "show", "--last", "3").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "4", "5"]
    found = [json.loads(line) for line in edged("audit", "show", "--kind", "security", "--json").stdout.splitlines()]
    assert [record["data"]["number"] for record in found] == [1, 3]
    assert edged("audit", "show", "--since", "1h").stdout.count("\n") == 5
    assert edged("audit", "show", "--since", "2100-01-01").stdout == ""
    assert edged("audit", "show", "--since", "soon").returncode == 2


def test_a_good_trail_is_good_and_its_head_can_be_noted(trail: Path) -> None:
    found = edged("audit", "verify")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("good   5 records")
    head = edged("audit", "head").stdout.strip()
    assert edged("audit", "verify", "--head", head).returncode == 0
    assert edged("audit", "verify", "--head", head[:-1]).returncode == 2


def test_tampering_is_named_and_is_the_exit_status(trail: Path) -> None:
    path = trail / NAME
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"number":2', b'"number":7'))
    found = edged("audit", "verify")
    assert (found.returncode, found.stdout) == (1, "wrong  line 3 (record 3) was changed, or added\n")
    assert json.loads(edged("audit", "verify", "--json").stdout)["problems"] == [
        "line 3 (record 3) was changed, or added"
    ]
    assert edged("audit", "head").returncode == 1
    path.write_bytes(whole)
    _cut(trail, 3)
    assert "it was cut" in edged("audit", "verify").stdout


def test_a_damaged_trail_is_set_aside_and_the_next_is_good(trail: Path) -> None:
    path = trail / NAME
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":7'))
    assert edged("audit", "renew").returncode == 2  # a reason is asked for
    found = edged("audit", "renew", "--reason", "the card was damaged")
    assert found.returncode == 0, found.stderr
    assert edged("audit", "verify").returncode == 0
    assert "the card was damaged" in edged("audit", "show").stdout
    assert edged("audit", "show", "--all").stdout.count("\n") == 5  # but for the one that was changed


def test_no_trail_is_said(tmp_path: Path) -> None:
    for command in ("show", "verify", "head"):
        found = edged("audit", command)
        assert found.returncode == 1
        assert "is not there" in found.stderr


def test_a_cut_shows_against_what_the_broker_has(trail: Path) -> None:
    broker = broker_here()
    broker.start()
    try:
        where = ["--set", f"mqtt.host={broker.host}", "--set", f"mqtt.port={broker.port}"]
        assert "nothing is retained" in edged("audit", "verify", "--broker", *where).stderr
        number, _, digest = edged("audit", "head").stdout.strip().partition(":")
        state = AuditState("2026-07-01T12:00:00.000Z", int(number), digest, "")
        with Subscriber(MqttSettings(host=broker.host, port=broker.port), ["none"]) as publisher:
            publisher.publish("edged/camera/front/audit", msgspec.json.encode(state), retain=True)
        assert edged("audit", "verify", "--broker", *where).returncode == 0
        kept = Trail(trail)
        _cut(trail, 4)
        (trail / "audit.head").write_bytes(msgspec.json.encode(_head_of(trail)) + b"\n")
        kept.close()
        assert edged("audit", "verify").returncode == 0
        found = edged("audit", "verify", "--broker", *where)
        assert found.returncode == 1
        assert "the broker says that record 5 was written: it was cut" in found.stdout
    finally:
        broker.stop()


def _head_of(folder: Path) -> Head:
    """What whoever cuts a trail would note beside it."""
    last = json.loads((folder / NAME).read_bytes().splitlines()[-1])
    return Head(last["seq"], last["hash"])


def test_who_is_forgotten_is_recorded_and_where_their_name_is_left_is_said(trail: Path) -> None:
    with Gallery(trail) as gallery:
        gallery.enrol("anna", [NewVector("model", "1", bytes(512), 0.9, "image", "anna.jpg")])
    History(trail, "front", keep_seconds=86400, limit_bytes=10**8).close()
    found = edged("faces", "forget", "anna")
    assert found.returncode == 0, found.stderr
    assert "edged history --person anna --purge" in found.stdout
    record = next(each for each in records(trail) if each.kind == "forgotten")
    assert (record.by, record.data["name"], record.data["vectors"]) == ("edged faces", "anna", 1)
    assert edged("audit", "verify").returncode == 0
