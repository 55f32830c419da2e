"""The actuator is killed, told to end, started twice, or has no disk: nothing is done twice, and every job has an end."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.actuators.stage import ROOT, Stage, database_bytes


@pytest.mark.parametrize("action", ["mark", "alert", "letter"])
def test_killed_in_the_middle_it_is_not_done_again_unless_it_can_tell(stage: Stage, action: str) -> None:
    stage.start()
    job = stage.ask(action, before_seconds=60 if action != "alert" else 3)
    stage.reaches(job, "running")
    stage.until(lambda: stage.trace() == [f"begin {job}"])
    stage.kill()
    stage.start()
    told = stage.ends(job)
    if action == "alert":
        assert (told["state"], told["attempt"], stage.done(job)) == ("succeeded", 2, 1)
    else:
        assert (told["state"], stage.done(job)) == ("failed", 0)
        assert "ended in the middle: it may have been done in part" in told["reason"]
        assert stage.trace() == [f"begin {job}"]


def test_killed_after_the_deed_it_is_not_done_again(stage: Stage) -> None:
    stage.start()
    jobs = [stage.ask("alert", after_seconds=60)]
    stage.until(lambda: stage.done(jobs[0]))
    stage.kill()
    stage.start()
    assert stage.ends(jobs[0])["reason"] == "it was done before the interruption"
    jobs.append(stage.ask("mark", after_seconds=60))
    stage.until(lambda: stage.done(jobs[1]))
    stage.kill()
    stage.start()
    assert stage.ends(jobs[1])["state"] == "failed"
    assert [stage.done(each) for each in jobs] == [1, 1]


@pytest.mark.parametrize("action", ["warn", "ask", "mark"])
def test_killed_before_it_began_nothing_was_done_and_that_is_told(stage: Stage, action: str) -> None:
    stage.start(policy={"warn": {"countdown_seconds": 60}})
    first = stage.ask("mark", before_seconds=60) if action == "mark" else ""
    job = stage.ask(action)
    stage.reaches(job, {"warn": "countdown"}.get(action, "accepted"))
    stage.kill()
    stage.start()
    told = stage.ends(job)
    assert told["state"] == "failed"
    assert "before it began: nothing was done" in told["reason"]
    assert stage.trace() == ([f"begin {first}"] if first else [])


def test_a_durable_job_that_waits_is_done_after_a_kill_and_after_an_orderly_end(stage: Stage) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        stage.start()
        blocking = stage.ask("mark", before_seconds=60)
        stage.reaches(blocking, "running")
        jobs = [stage.ask("letter"), stage.ask("alert")]
        for job in jobs:
            stage.reaches(job, "accepted")
        stage.end(number)
        stage.start()
        assert [stage.ends(job)["state"] for job in jobs] == ["succeeded", "succeeded"]
        assert [stage.done(job) for job in jobs] == [1, 1]
        stage.end()


def test_a_durable_job_in_the_middle_of_an_orderly_end_is_taken_up_again(stage: Stage) -> None:
    stage.start()
    job = stage.ask("alert", before_seconds=2)
    stage.until(lambda: stage.trace() == [f"begin {job}"])
    assert stage.end() == 0
    stage.start()
    assert stage.ends(job)["state"] == "succeeded"
    assert stage.states(job) == ["accepted", "running", "accepted", "running", "succeeded"]
    assert stage.done(job) == 1


def test_a_durable_job_that_fails_for_now_is_tried_again_over_a_restart(stage: Stage) -> None:
    stage.start(retry={"first_seconds": 0.2, "longest_seconds": 0.4})
    job = stage.ask("alert", fails=2)
    stage.reaches(job, "running")
    stage.kill()
    stage.start(retry={"first_seconds": 0.2, "longest_seconds": 0.4})
    told = stage.ends(job)
    assert (told["state"], stage.done(job)) == ("succeeded", 1)
    assert told["attempt"] >= 3


def test_a_durable_job_expires_however_often_it_is_tried(stage: Stage) -> None:
    stage.start(retry={"first_seconds": 0.2, "longest_seconds": 0.4})
    job = stage.ask("alert", fails=1000, life_seconds=2.0)
    assert "expires before the next attempt" in stage.ends(job)["reason"]


def test_told_to_end_it_stops_the_job_tells_it_and_says_offline(stage: Stage) -> None:
    stage.start()
    running, waiting = stage.ask("mark", before_seconds=60), stage.ask("mark")
    stage.until(lambda: stage.trace() == [f"begin {running}"] and stage.told(waiting))
    assert stage.end() == 0
    assert [stage.ends(each)["state"] for each in (running, waiting)] == ["cancelled", "cancelled"]
    stage.until(lambda: stage.all("availability")[-1] == "offline")
    assert stage.trace() == [f"begin {running}", "release"]


def test_ctrl_c_is_status_130(stage: Stage) -> None:
    stage.start()
    assert stage.end(signal.SIGINT) == 130


def test_a_job_that_does_not_listen_is_told_as_failed_when_the_actuator_ends(stage: Stage) -> None:
    stage.start()
    job = stage.ask("mark", hangs=True)
    stage.until(lambda: stage.trace() == [f"begin {job}"])
    began = time.monotonic()
    assert stage.end() == 0
    assert time.monotonic() - began < 15  # five for the job, two for the farewell
    assert "did not stop within 5 s" in stage.ends(job)["reason"]
    stage.start()
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"
    assert len([each for each in stage.told(job) if each["state"] == "failed"]) == 1


def test_a_job_that_cannot_be_cancelled_ends_the_process_with_a_status_that_restarts_it(stage: Stage) -> None:
    process = stage.start()
    job = stage.ask("mark", hangs=True)
    stage.until(lambda: stage.trace() == [f"begin {job}"])
    stage.ask("cancel", job=job)
    told = stage.ends(job)
    assert told["state"] == "failed"
    assert "the actuator begins anew" in told["reason"]
    assert process.wait(20) == 1
    stage.start()
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"


def test_a_killed_actuator_is_offline_by_its_last_will(stage: Stage) -> None:
    stage.start()
    stage.kill()
    stage.until(lambda: stage.all("availability")[-1] == "offline")


def test_what_was_noted_and_not_handed_on_is_told_after_the_restart(stage: Stage) -> None:
    stage.start()
    job = stage.ask("mark")
    stage.ends(job)
    stage.end()
    heard = len(stage.told(job))
    # As if the process had died between its note and the outbox: an instant that cannot be hit from outside.
    with sqlite3.connect(stage.folder / "state" / "actuator-toy.jobs.db") as database:
        database.execute("UPDATE job SET sent = 0 WHERE id = ?", [job])
    database.close()
    stage.start()
    stage.until(lambda: len(stage.told(job)) > heard)
    assert stage.told(job)[-1]["state"] == "succeeded"
    assert stage.done(job) == 1


def test_what_happened_without_a_broker_is_told_when_there_is_one_even_over_a_kill(stage: Stage) -> None:
    stage.start()
    job = stage.ask("mark", before_seconds=1)
    stage.reaches(job, "running")
    stage.broker.kill()
    deadline = time.monotonic() + 20
    while f"job {job} mark: succeeded" not in stage.log():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stage.kill()
    stage.broker.start()
    stage.start()
    assert stage.ends(job)["state"] == "succeeded"
    assert stage.done(job) == 1


def test_requests_wait_in_the_broker_while_the_actuator_is_away_and_expire_there(stage: Stage) -> None:
    stage.start()
    stage.kill()
    good, late = stage.ask("mark"), stage.ask("mark", life_seconds=1.0)
    time.sleep(1.2)
    stage.start()
    assert stage.ends(good)["state"] == "succeeded"
    assert stage.ends(late)["state"] == "rejected"
    assert "expired" in stage.ends(late)["reason"]
    assert (stage.done(good), stage.done(late)) == (1, 0)


def test_a_frozen_broker_holds_nothing_up_and_hears_everything_later(stage: Stage) -> None:
    stage.start()
    job = stage.ask("warn")
    stage.reaches(job, "countdown")
    stage.broker.freeze()
    deadline = time.monotonic() + 20
    while not stage.done(job):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(6)  # longer than the keepalive
    stage.broker.thaw()
    assert stage.ends(job)["state"] == "succeeded"
    again = stage.ask("mark")
    assert stage.ends(again)["state"] == "succeeded"
    assert (stage.done(job), stage.done(again)) == (1, 1)


def test_a_frozen_actuator_does_not_begin_what_expired_meanwhile(stage: Stage) -> None:
    process = stage.start(policy={"warn": {"countdown_seconds": 2}})
    jobs = [stage.ask("warn", life_seconds=3.0), stage.ask("mark", life_seconds=3.0), stage.ask("mark")]
    stage.reaches(jobs[0], "countdown")
    process.send_signal(signal.SIGSTOP)
    time.sleep(7)  # longer than the keepalive as well
    late = stage.ask("mark", life_seconds=1.0)
    time.sleep(1.2)
    process.send_signal(signal.SIGCONT)
    assert [stage.ends(job)["state"] for job in jobs] == ["expired", "expired", "succeeded"]
    assert stage.ends(late)["state"] == "rejected"
    assert [stage.done(job) for job in (*jobs, late)] == [0, 0, 1, 0]


def test_a_second_actuator_of_the_same_name_is_refused_and_the_first_goes_on(stage: Stage) -> None:
    first = stage.start()
    second = stage.start(wait=False)
    assert second.wait(20) == 1
    assert f"another edged already runs as 'actuator-toy': process {first.pid} holds" in stage.log()
    assert "Traceback" not in stage.log()
    stage.process = first
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"


def test_a_store_that_cannot_be_written_is_one_sentence(stage: Stage) -> None:
    blocked = stage.folder / "blocked"
    blocked.write_text("a file, not a folder", encoding="utf-8")
    process = stage.start(wait=False, store__directory=str(blocked / "state"))
    assert process.wait(20) == 1
    assert "Traceback" not in stage.log()
    assert "store.directory" in stage.log()


def test_a_damaged_memory_is_begun_anew_and_trusts_nothing_from_before(stage: Stage) -> None:
    stage.start()
    old, unseen = stage.request("mark"), stage.request("mark")
    stage.send(old)
    stage.ends(old["id"])
    stage.kill()
    database = stage.folder / "state" / "actuator-toy.jobs.db"
    for path in stage.folder.glob("state/actuator-toy.jobs.db-*"):
        path.unlink()
    database.write_bytes(b"not a database " * 1000)
    stage.start()
    assert any("was damaged and begun anew" in reason for reason in stage.health()["reasons"])
    for request in (old, unseen):
        stage.send(request)
    stage.until(lambda: stage.health()["refused"].get("stale") == 2)
    assert stage.done(old["id"]) == 1
    assert stage.done(unseen["id"]) == 0


def no_room(pid: int, on: bool) -> None:
    """Every write to a file beyond its first bytes fails, for that process; SIGXFSZ is ignored by Python."""
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (16 if on else usual[1], usual[1]))


def test_on_a_full_disk_nothing_is_done_that_cannot_be_noted_and_the_stop_still_works(stage: Stage) -> None:
    process = stage.start()
    no_room(process.pid, True)
    job = stage.ask("mark")
    told = stage.ends(job)
    assert told["state"] in ("rejected", "failed")
    assert "cannot be" in told["reason"]
    stage.send(b'{"action": "stop"}')
    stage.until(lambda: stage.health()["status"] == "stopped")
    no_room(process.pid, False)
    stage.until(lambda: stage.ends(stage.ask("reset"))["state"] == "succeeded")
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"
    assert stage.done(job) == 0
    assert "Traceback" not in stage.log()


def test_a_job_during_which_the_disk_fills_up_is_told_and_not_done_twice(stage: Stage) -> None:
    process = stage.start()
    job = stage.ask("mark", before_seconds=1)
    stage.reaches(job, "running")
    no_room(process.pid, True)
    # The toy's own mark does not get through either; what counts is what is told and remembered.
    told = stage.ends(job)
    assert told["state"] in ("succeeded", "failed")
    no_room(process.pid, False)
    stage.kill()
    stage.start()
    assert stage.done(job) <= 1
    assert stage.trace().count(f"begin {job}") == 1


_TYPIST = """
import sys, time
from pathlib import Path
from edged.actuators.typing.turn import turn
from edged.actuators.worker import JobControl
lock, sheet, letter = sys.argv[1:]
print("there", flush=True)
sys.stdin.readline()
with turn(JobControl(), Path(lock)), open(sheet, "a", buffering=1) as paper:
    for _ in range(50):
        paper.write(letter + "\\n")
        time.sleep(0.002)
"""


def test_two_actuators_that_share_a_keyboard_take_turns(stage: Stage) -> None:
    lock, sheet = stage.folder / "keyboard.lock", stage.folder / "sheet"
    typists = [
        subprocess.Popen(
            [sys.executable, "-c", _TYPIST, str(lock), str(sheet), letter],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for letter in "ab"
    ]  # fmt: skip
    for typist in typists:
        assert typist.stdout is not None
        assert typist.stdout.readline() == "there\n"
    for typist in typists:
        typist.communicate("go\n", timeout=20)
    typed = sheet.read_text(encoding="utf-8").replace("\n", "")
    assert typed in ("a" * 50 + "b" * 50, "b" * 50 + "a" * 50)


SECRET = "Fünf-Äpfel-77-correct-horse"


def test_no_sensitive_text_and_no_key_is_in_any_log_topic_database_or_process_table(stage: Stage) -> None:
    process = stage.start(log__level="debug")
    key = stage.key
    assert key is not None
    wishes = [
        stage.ask("say", SECRET, sensitive=True),
        stage.ask("say", SECRET, sensitive=True, breaks=True),
        stage.ask("alert", SECRET, sensitive=True),
        stage.ask("say", SECRET, sensitive=True, refuses=f"may not say {SECRET}"),
    ]
    for wish in wishes[:2]:
        stage.until(lambda wish=wish: any(each["waits_for_confirmation"] for each in stage.told(wish)))  # type: ignore[misc]
        stage.ask("confirm", job=wish)
        stage.ends(wish)
    for wish in wishes[2:]:
        assert stage.ends(wish)["state"] == "rejected"
    broken = stage.request("say", SECRET, sensitive=True)
    broken["sealed"] = broken["sealed"][:-8] + "AAAAAAA="
    stage.send(broken)
    stage.ends(broken["id"])
    command = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))
    kept = database_bytes(stage.folder / "state")
    assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)
    stage.end(signal.SIGABRT)  # whatever it says in its death
    hay = {
        "log": stage.log_file.read_bytes(),
        "topics": repr(stage.heard).encode(),
        "databases": kept + database_bytes(stage.folder / "state"),
        "process table": command,
        "broker": b"".join(path.read_bytes() for path in stage.broker.folder.iterdir() if path.is_file()),
        "trace": stage.trace_file.read_bytes(),
    }
    needles = [
        SECRET.encode(),
        SECRET.encode("utf-16-le"),
        repr(SECRET.encode())[2:-1].encode(),
        key,
        key.hex().encode(),
    ]
    found = [(place, needle) for place, content in hay.items() for needle in needles if needle in content]
    assert found == []
    assert wishes[0].encode() in hay["databases"]
    assert wishes[0].encode() in hay["log"]
