"""What an actuator remembers, on a real SQLite file: killed, damaged, full, shared, and forgotten in its time."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.actuators.durable import COUNT_SECONDS, KEEP_SECONDS, Ledger
from edged.actuators.job import Order, rejected
from edged.actuators.latch import Latch
from edged.actuators.sensitive import Text
from edged.actuators.settings import PolicySettings, SigningSettings
from edged.errors import StoreError
from edged.settings import MqttSettings
from edged.store.database import Database
from edged.store.migrations import JOB_MIGRATIONS
from tests.actuators.bench import NOON, Bench
from tests.store.conftest import Card, card  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[2]


def opened(folder: Path) -> Ledger:
    return Ledger(Database(folder / "actuator-bench.jobs.db", JOB_MIGRATIONS))


@pytest.fixture
def no_room() -> Iterator[Callable[[bool], None]]:
    """Makes every write beyond the first bytes of any file fail, for this process alone, and takes it back."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    def switch(on: bool) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if on else usual[0], usual[1]))

    yield switch
    switch(False)


# -- killed ---------------------------------------------------------------------------------------------------------


def killed(folder: Path, seed: int, seconds: float) -> list[tuple[str, str]]:
    """A child that asks an engine for jobs is killed in the middle of it; what it said: word and id."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.actuators.killed_asker", str(folder), str(seed)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    lines = [line.split() for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return [(word, job_id) for word, job_id in lines]


@pytest.mark.slow
def test_killed_between_any_two_steps_nothing_is_begun_twice_and_each_job_has_one_end(tmp_path: Path) -> None:
    chance = random.Random(5)
    begun: list[str] = []
    ended: dict[str, set[str]] = {}
    for seed in range(12):
        for word, job_id in killed(tmp_path, seed, chance.uniform(0.0, 0.3)):
            if word == "begin":
                begun.append(job_id)
            else:
                ended.setdefault(job_id, set()).add(word)
    assert len(begun) == len(set(begun)) > 50
    assert [ends for ends in ended.values() if len(ends) > 1] == []
    bench = Bench(tmp_path)
    for job_id in begun:
        told = bench.ledger.told(job_id)
        assert told is not None
        assert ended.get(job_id, {told.state}) == {told.state}
    assert bench.ledger.unfinished() == []
    bench.ledger.close()


def test_what_was_promised_or_begun_is_on_the_card_when_the_plug_is_pulled(card: Card) -> None:  # noqa: F811
    def after(name: str) -> list[str | None]:
        cut = card.after_a_power_cut(name)
        cut.mount()
        try:
            with opened(cut.mounted) as ledger:
                told = [ledger.told(each) for each in (order.id, refused.id)]
                closed = Latch(ledger.beside("stopped")).closed
        finally:
            cut.unmount()
        return [None if each is None else each.state for each in told] + ["stopped" if closed else None]

    bench = Bench(card.mounted)
    try:
        order, refused = bench.order("count"), bench.order("off")
        bench.engine.submit(order, bench.now)
        assert after("1.img") == ["accepted", None, None]
        bench.wait(3)
        bench.engine.submit(refused, bench.now)
        assert after("2.img") == ["running", "rejected", None]
        bench.end()
        assert after("3.img") == ["succeeded", "rejected", None]
        bench.engine.stop("smoke", bench.now)
        assert after("4.img") == ["succeeded", "rejected", "stopped"]
        bench.engine.reset(bench.now)
        assert after("5.img") == ["succeeded", "rejected", None]
    finally:
        bench.ledger.close()  # or the card could not be unmounted


# -- damaged --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rubbish", "cut", "empty", "page"])
def test_a_damaged_file_is_set_aside_and_what_is_older_is_not_trusted(tmp_path: Path, how: str) -> None:
    bench = Bench(tmp_path)
    for _ in range(300):
        bench.ask("off")
    bench.ledger.close()
    file = tmp_path / "actuator-bench.jobs.db"
    content = bytearray(file.read_bytes())
    if how == "rubbish":
        content[:] = b"rubbish" * 1000
    elif how == "cut":
        del content[len(content) // 2 :]
    elif how == "page":
        content[2048:8192] = os.urandom(6144)
    else:
        content.clear()
    file.write_bytes(content)
    database = Database(file, JOB_MIGRATIONS)
    assert (database.set_aside is None) == (how == "empty")
    ledger = Ledger(database)
    assert not ledger.begun  # so whoever starts it says from when on requests are trusted
    ledger.begin(NOON)
    ledger.close()
    ledger = opened(tmp_path)
    assert (ledger.begun, ledger.trusted_since) == (True, NOON)
    ledger.close()


# -- a disk that is full --------------------------------------------------------------------------------------------


def test_on_a_full_disk_nothing_is_begun_and_it_is_said_why(tmp_path: Path, no_room: Callable[[bool], None]) -> None:
    bench = Bench(tmp_path)
    waiting = bench.ask("count")
    no_room(True)
    told = bench.take(bench.request())
    assert [each.state for each in told] == ["rejected"]
    assert "cannot be noted, so it is not done" in told[0].reason
    bench.wait(3)
    assert bench.states(waiting)[-1] == "failed"
    assert "not begun, for it cannot be noted" in bench.last(waiting).reason
    assert bench.begun == []
    assert "is not on the disk" in bench.engine.problem
    no_room(False)
    bench.wait(1)
    bench.carry(bench.engine.tick(bench.now))
    assert bench.engine.problem == ""
    bench.crash()
    assert set(bench.states(waiting)) == {"accepted", "countdown", "failed"}  # the end is told again, and no other
    assert bench.take(bench.request())[0].state == "accepted"
    bench.ledger.close()


def test_a_job_that_ends_while_the_disk_is_full_has_the_same_end_after_a_restart(
    tmp_path: Path, no_room: Callable[[bool], None]
) -> None:
    bench = Bench(tmp_path)
    job = bench.ask("alert")
    no_room(True)
    bench.end("succeeded", "sent")
    assert bench.states(job)[-1] == "succeeded"
    no_room(False)
    bench.carry(bench.engine.tick(bench.now))
    bench.crash()
    bench.wait(0)
    assert len(bench.begun) == 1
    told = bench.ledger.told(job)
    assert told is not None
    assert told.state == "succeeded"
    bench.ledger.close()


def test_stop_and_cancel_work_on_a_full_disk_and_the_stop_is_kept_when_it_can_be(
    tmp_path: Path, no_room: Callable[[bool], None]
) -> None:
    bench = Bench(tmp_path)
    job = bench.ask("do")
    no_room(True)
    (told,) = bench.take(bench.request("cancel", options={"job": job}))
    assert (told.state, bench.halted()) == ("succeeded", True)
    bench.end("cancelled", "stopped")
    assert bench.states(job)[-1] == "cancelled"
    bench.take(bench.request("stop"))
    assert bench.stopped()
    no_room(False)
    bench.carry(bench.engine.tick(bench.now))
    assert bench.engine.problem == ""
    bench.crash()
    assert bench.stopped()
    assert "asked for" in bench.engine.latch.words
    bench.ledger.close()


def test_a_confirmation_that_cannot_be_noted_does_nothing(tmp_path: Path, no_room: Callable[[bool], None]) -> None:
    bench = Bench(tmp_path)
    job = bench.ask("ask")
    no_room(True)
    assert [each.state for each in bench.take(bench.request("confirm", options={"job": job}))] == ["rejected"]
    assert bench.begun == []
    no_room(False)
    assert bench.take(bench.request("confirm", options={"job": job}))[-1].state == "succeeded"
    assert bench.states(job)[-1] == "running"
    bench.ledger.close()


def test_a_stop_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    latch = Latch(folder / "x.stopped")
    shutil.rmtree(folder)
    latch.close("smoke", NOON)
    assert latch.closed
    assert "would not outlive a restart" in latch.problem
    with pytest.raises(StoreError, match="cannot be removed"):
        latch.open()
    assert latch.closed
    folder.mkdir()
    latch.keep()
    assert (latch.problem, Latch(folder / "x.stopped").words) == ("", "since 2023-11-14T22:13:20.000Z: smoke")
    latch.open()
    assert not Latch(folder / "x.stopped").closed


def test_a_latch_that_cannot_be_read_is_not_taken_for_open(tmp_path: Path) -> None:
    (tmp_path / "x.stopped").mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        Latch(tmp_path / "x.stopped")


# -- two at a time --------------------------------------------------------------------------------------------------


def test_two_processes_on_one_file_do_not_both_take_a_request(tmp_path: Path) -> None:
    one, two = Bench(tmp_path), Bench(tmp_path)
    request = one.request()
    assert one.take(request)[0].state == "accepted"
    assert [each.state for each in two.take(request)] == ["running"]
    order = one.order("off")
    one.ledger.note(order, rejected("bench", order.id, "off", "no", NOON))
    with pytest.raises(StoreError, match="cannot be used"):
        two.ledger.note(order, rejected("bench", order.id, "off", "no", NOON))
    assert (len(one.begun), len(two.begun)) == (1, 0)
    one.ledger.close()
    two.ledger.close()


# -- forgetting -----------------------------------------------------------------------------------------------------


def longest(model: type[SigningSettings | MqttSettings | PolicySettings], name: str) -> float:
    (most,) = [each.le for each in model.model_fields[name].metadata if hasattr(each, "le")]
    return float(most)


def test_ids_are_known_beyond_any_redelivery_and_counts_beyond_any_limit() -> None:
    life, tolerance = (
        longest(SigningSettings, "longest_life_seconds"),
        longest(SigningSettings, "clock_tolerance_seconds"),
    )
    assert life + tolerance < KEEP_SECONDS
    assert longest(MqttSettings, "session_expiry_seconds") < KEEP_SECONDS
    assert longest(PolicySettings, "limit_seconds") <= COUNT_SECONDS


def test_only_what_is_old_and_has_ended_and_was_told_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.actuators.durable.KEEP_AT_LEAST", 2)
    bench = Bench(tmp_path)

    def known(*orders: Order) -> list[bool]:
        bench.ledger.forget_old(bench.now.unix)
        return [bench.ledger.told(each.id) is not None for each in orders]

    refused, untold, done, kept = bench.order("off"), bench.order("off"), bench.order("do"), bench.order("letter")
    bench.carry(bench.engine.submit(refused, bench.now))
    bench.engine.submit(untold, bench.now)
    bench.carry(bench.engine.submit(done, bench.now))
    bench.end()
    bench.carry(bench.engine.submit(kept, bench.now))
    newest = [bench.order("off") for _ in range(2)]
    for each in newest:
        bench.carry(bench.engine.submit(each, bench.now))
    assert known(refused, untold, done, kept, *newest) == [True] * 6
    bench.jump(KEEP_SECONDS + 59)
    assert known(refused, untold, done, kept, *newest) == [True] * 6
    bench.jump(2)
    assert known(refused, untold, done, kept, *newest) == [False, True, True, True, True, True]
    bench.jump(COUNT_SECONDS)
    assert known(refused, untold, done, kept, *newest) == [False, True, False, True, True, True]
    bench.ledger.close()


def test_the_file_holds_no_sensitive_text_and_the_clear_text_of_durable_jobs_only_until_they_end(
    tmp_path: Path,
) -> None:

    bench = Bench(tmp_path)
    bench.ask("say", Text("hunter2", sensitive=True))
    bench.ask("say", Text("ephemeral clear text"))
    assert bench.ledger.unfinished()[0].order is None
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hunter" not in kept
    assert b"ephemeral" not in kept
    job = bench.ask("letter", Text("call me"))
    (left,) = [each for each in bench.ledger.unfinished() if each.order]
    assert left.order is not None
    assert left.order.text == Text("call me")
    bench.carry(bench.engine.cancel(job, "no", bench.now))
    assert [each.order for each in bench.ledger.unfinished()] == [None, None]
    bench.ledger.close()


def test_what_is_told_is_kept_as_it_was_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job = bench.ask("do")
    bench.end("succeeded", "tipped „Grüße“")
    told = bench.ledger.told(job)
    assert told == bench.last(job)
    assert json.loads(json.dumps(told.reason)) == "tipped „Grüße“"
    bench.ledger.close()


def test_nothing_of_a_text_is_left_on_the_disk_once_its_job_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job = bench.ask("alert", Text("a secret of hers"))

    def kept() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert b"a secret of hers" in kept(), "a durable job must be known again after a power cut"
    bench.end()
    assert bench.last(job).state == "succeeded"
    assert b"a secret of hers" not in kept()
    bench.ledger.close()
