"""`edged act` and a toy actuator, each in its own process, over a real broker."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.keys import make_key
from tests.actuators.stage import ROOT, Stage, environment
from tests.brokers import broker_here
from tests.pseudo_terminal import open_terminal


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    broker = broker_here(persistent=True)
    with broker:
        made = Stage(tmp_path, broker)
        made.listener.start()
        try:
            made.listener.wait_ready(10)
            yield made
        finally:
            made.close()


def command(stage: Stage, *arguments: str, key: bool = True, name: str = "toy") -> list[str]:
    chosen = ["--key", str(stage.key_file)] if key else []
    where = ["--host", stage.broker.host, "--port", str(stage.broker.port)]
    return [sys.executable, "-W", "error", "-m", "tests.actuators.toy", "act", name, *arguments, *where, *chosen]


def begin(stage: Stage, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(stage, *arguments), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment(),
    )  # fmt: skip


def act(
    stage: Stage, *arguments: str, key: bool = True, name: str = "toy", given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(stage, *arguments, key=key, name=name),
        cwd=ROOT, input=given, capture_output=True, check=False, timeout=60, env=environment(),
    )  # fmt: skip
    told = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in told.stderr
    return told


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    first, *rest = done.stdout.splitlines()
    assert first.startswith("job ")
    return rest


def test_the_exit_status_is_the_outcome(stage: Stage) -> None:
    stage.start(policy={"ask": {"confirm_seconds": 1}})
    done = act(stage, "mark")
    assert (done.returncode, lines(done), done.stderr) == (0, ["accepted", "running: begun", "succeeded: marked"], "")
    failed = act(stage, "mark", "-o", "hopeless=true")
    assert (failed.returncode, lines(failed)[-1]) == (1, "failed: there is no chalk")
    rejected = act(stage, "mark", "-o", "refuses=not today")
    assert (rejected.returncode, lines(rejected)) == (6, ["rejected: not today"])
    expired = act(stage, "ask")
    assert expired.returncode == 8
    assert "nobody confirmed it within 1 s" in expired.stdout


def test_ctrl_c_cancels_the_job_and_the_status_says_so(stage: Stage) -> None:
    stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=60")
    stage.until(lambda: any(line.startswith("begin") for line in stage.trace()))
    asker.send_signal(signal.SIGINT)
    output, errors = asker.communicate(timeout=20)
    assert asker.returncode == 7
    assert "cancelling" in errors
    assert output.splitlines()[-1] == "cancelled: cancelled by request; nothing was marked"
    assert "Traceback" not in errors


def test_a_second_ctrl_c_leaves_at_once_and_says_how_to_cancel(stage: Stage) -> None:
    process = stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=60", "--id", "a-long-job")
    stage.until(lambda: any(line.startswith("begin") for line in stage.trace()))
    process.send_signal(signal.SIGSTOP)
    asker.send_signal(signal.SIGINT)
    assert asker.stderr is not None
    assert "cancelling" in asker.stderr.readline()
    asker.send_signal(signal.SIGINT)
    _, errors = asker.communicate(timeout=20)
    assert asker.returncode == 130
    assert errors == "edged: left; the job may go on (edged act toy cancel a-long-job)\n"


def test_a_reader_that_has_enough_costs_neither_the_job_nor_its_status(stage: Stage) -> None:
    """As with `edged act … | head -1`."""
    stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=1")
    assert asker.stdout is not None
    assert asker.stdout.readline().startswith("job ")
    asker.stdout.close()
    assert asker.stderr is not None
    with asker.stderr:
        assert asker.stderr.read() == ""
    assert asker.wait(timeout=20) == 0
    assert any(line.startswith("begin") for line in stage.trace())


def test_cancel_stop_and_reset_from_elsewhere(stage: Stage) -> None:
    stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=60", "--id", "a-long-job")
    stage.until(lambda: any(line.startswith("begin") for line in stage.trace()))
    assert act(stage, "cancel", "a-long-job").returncode == 0
    asker.communicate(timeout=20)
    assert asker.returncode == 7
    stopped = act(stage, "stop", "smoke in the kitchen", key=False)
    assert (stopped.returncode, lines(stopped)) == (0, ["succeeded: stopped, until reset"])
    refused = act(stage, "mark")
    assert refused.returncode == 6
    assert "smoke in the kitchen" in refused.stdout
    assert act(stage, "reset", key=False).returncode == 6
    assert act(stage, "reset").returncode == 0
    assert act(stage, "mark").returncode == 0


def test_confirming_by_hand_and_by_flag(stage: Stage) -> None:
    stage.start()
    asker = begin(stage, "ask", "--id", "to-be-confirmed")
    stage.until(lambda: any(each["waits_for_confirmation"] for each in stage.told("to-be-confirmed")))
    assert act(stage, "confirm", "to-be-confirmed").returncode == 0
    output, _ = asker.communicate(timeout=20)
    assert asker.returncode == 0
    assert "edged act toy confirm to-be-confirmed" in output
    assert act(stage, "ask", "--confirm").returncode == 0


def test_json_is_one_state_a_line(stage: Stage) -> None:
    stage.start()
    done = act(stage, "mark", "--json", "--id", "the-same-id")
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["state"] for each in states] == ["accepted", "running", "succeeded"]
    assert {each["id"] for each in states} == {"the-same-id"}
    again = act(stage, "mark", "--json", "--id", "the-same-id")
    assert [json.loads(line)["state"] for line in again.stdout.splitlines()] == ["succeeded"]
    assert stage.done("the-same-id") == 1


def test_without_waiting_it_ends_when_the_job_is_accepted(stage: Stage) -> None:
    stage.start()
    done = act(stage, "mark", "-o", "before_seconds=1", "--no-wait", "--id", "left-alone")
    assert (done.returncode, lines(done)) == (0, ["accepted"])
    assert stage.ends("left-alone")["state"] == "succeeded"


def test_no_broker_is_exit_5_and_one_sentence(stage: Stage) -> None:
    stage.broker.kill()
    done = act(stage, "mark")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("edged: no broker answers at 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_an_actuator_that_is_offline_gets_nothing_unless_it_is_queued(stage: Stage) -> None:
    stage.start()
    stage.end()
    done = act(stage, "mark", "--id", "not-sent-at-all")
    assert (done.returncode, done.stdout) == (5, "")
    assert "is offline: nothing was sent" in done.stderr
    asker = begin(stage, "mark", "--queue", "--id", "sent-all-the-same")
    time.sleep(1)
    stage.start()
    output, _ = asker.communicate(timeout=20)
    assert (asker.returncode, output.splitlines()[-1]) == (0, "succeeded: marked")
    assert stage.done("not-sent-at-all") == 0


def test_nobody_of_that_name_is_exit_5_and_says_until_when_it_may_be_done(stage: Stage) -> None:
    done = act(stage, "mark", name="tpyo")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no actuator 'tpyo' has been seen on the broker at 127.0.0.1:" in done.stderr
    assert "may still be done" in done.stderr


def test_another_key_or_none_is_rejected_in_one_sentence(stage: Stage) -> None:
    stage.start()
    unsigned = act(stage, "mark", key=False)
    assert unsigned.returncode == 6
    assert "not signed" in unsigned.stdout
    assert "--key FILE" in unsigned.stderr
    other = stage.folder / "other.key"
    make_key(other)
    wrong = act(stage, "mark", "--key", str(other), key=False)
    assert wrong.returncode == 6
    assert "signed with another key" in wrong.stdout
    assert stage.trace() == []


def test_the_key_comes_from_the_settings_file_too(stage: Stage) -> None:
    stage.start()
    settings = stage.folder / "toy.toml"
    settings.write_text(f'kind = "toy"\n[signing]\nkey_file = "{stage.key_file.name}"\n', encoding="utf-8")
    assert act(stage, "mark", "-c", str(settings), key=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mark", "--id", "a/b"], "an id has 8 to 64 of the characters A-Z, a-z, 0-9, - and _, and 'a/b' is none"),
        (["mark", "-o", "novalue"], "--option = 'novalue': has no name and value"),
        (["mark", "-o", "before_seconds=NaN"], "options must be plain JSON"),
        (["mark", "-o", "before_seconds=99999999999999999999"], "with whole numbers below 2^53"),
        (["say", "\udcff"], "the text is no Unicode"),
        (["say", "hush", "--sensitive"], "everybody on this machine can read a command line"),
        (["stop", "--sensitive"], "stop takes no text"),
        (["mark", "--key", "/nowhere/key"], "cannot be read: No such file or directory (edged actuator keygen"),
        (["mark", "--key", "/"], "--key = '/': cannot be read: Is a directory"),
        (["mark", "--set", "mqtt.prot=1"], "mqtt.prot"),
        (["mark", "-c", "/nowhere/settings.toml"], "/nowhere/settings.toml"),
    ],
)
def test_wrong_usage_is_exit_2_with_place_reason_and_cure(stage: Stage, arguments: list[str], words: str) -> None:
    done = act(stage, *arguments, key="--key" not in arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "hush" not in done.stderr


def test_a_name_that_is_none_is_exit_2(stage: Stage) -> None:
    done = act(stage, "mark", name="Not A/Name")
    assert done.returncode == 2
    assert "actuator = 'Not A/Name'" in done.stderr


def test_a_key_that_others_can_read_is_refused_and_not_shown(stage: Stage) -> None:
    stage.key_file.chmod(0o644)
    done = act(stage, "mark")
    assert done.returncode == 2
    assert "is open to every user of this machine" in done.stderr
    assert stage.key_file.read_text(encoding="ascii").strip() not in done.stderr


def test_text_is_read_from_standard_input_and_too_much_of_it_is_refused_here(stage: Stage) -> None:
    stage.start()
    done = act(stage, "say", "-", given="grüße\n".encode())
    assert done.returncode == 0
    assert any(each["text"].startswith("<5 characters") for _, each in stage.heard_jobs())
    large = act(stage, "say", "-", given=b"x" * 300_000)
    assert large.returncode == 2
    assert "makes a request of 300" in large.stderr
    broken = act(stage, "say", "-", given=b"secret\xff")
    assert broken.returncode == 2
    assert "is no UTF-8" in broken.stderr
    assert "secret" not in broken.stderr


def test_sensitive_text_is_piped_in_sealed_and_never_shown(stage: Stage) -> None:
    stage.start()
    done = act(stage, "say", "--sensitive", "--confirm", given=b"open sesame\n")
    assert done.returncode == 0
    assert "sesame" not in done.stdout + done.stderr + stage.log() + repr(stage.heard_jobs())
    assert any("11 characters, salted hash" in each["text"] for _, each in stage.heard_jobs())


def test_while_it_follows_the_text_is_in_no_table_of_processes_and_in_no_core_dump(stage: Stage) -> None:
    stage.start()
    asker = subprocess.Popen(
        command(stage, "say", "--sensitive"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment(),
    )  # fmt: skip
    assert asker.stdin is not None
    asker.stdin.write(b"open sesame")
    asker.stdin.close()
    stage.until(lambda: any(each["waits_for_confirmation"] for _, each in stage.heard_jobs()))
    assert resource.prlimit(asker.pid, resource.RLIMIT_CORE) == (0, 0)
    shown = b"".join(Path(f"/proc/{asker.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))
    asker.send_signal(signal.SIGABRT)
    assert asker.stdout is not None
    said = asker.stdout.read()
    asker.wait(20)
    asker.stdout.close()
    key = stage.key_file.read_bytes().strip()
    assert [needle for needle in (b"sesame", key, bytes.fromhex(key.decode())) if needle in shown + said] == []
    assert str(stage.key_file).encode() in shown


def test_sensitive_text_is_asked_for_at_a_terminal_without_echo(stage: Stage) -> None:
    stage.start()
    outer, inner = open_terminal()
    asker = subprocess.Popen(
        command(stage, "say", "--sensitive", "--confirm"),
        cwd=ROOT, stdin=inner, stdout=inner, stderr=inner, start_new_session=True, env=environment(),
    )  # fmt: skip
    os.close(inner)
    shown = b""
    answered = False
    while asker.poll() is None:
        if select.select([outer], [], [], 0.1)[0]:
            try:
                shown += os.read(outer, 1024)
            except OSError:
                break  # the other end is closed
        if b"Text: " in shown and not answered:
            answered = True
            os.write(outer, b"open sesame\n")
    assert asker.wait(20) == 0
    os.close(outer)
    assert b"sesame" not in shown


def test_a_broker_that_restarts_in_the_middle_does_not_lose_the_end(stage: Stage) -> None:
    stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=3")
    stage.until(lambda: any(line.startswith("begin") for line in stage.trace()))
    stage.broker.kill()
    for saved in stage.broker.folder.glob("*.db*"):
        saved.unlink()
    time.sleep(4)
    stage.broker.start()
    output, _ = asker.communicate(timeout=40)
    assert (asker.returncode, output.splitlines()[-1]) == (0, "succeeded: marked")
    assert len([line for line in stage.trace() if line.startswith("done")]) == 1


def test_an_actuator_that_dies_in_the_middle_and_comes_back_tells_the_end(stage: Stage) -> None:
    stage.start()
    asker = begin(stage, "mark", "-o", "before_seconds=60")
    assert asker.stdout is not None
    while not asker.stdout.readline().startswith("running"):  # it has heard of it, and not only the actuator
        assert asker.poll() is None
    stage.kill()
    stage.start()
    output, errors = asker.communicate(timeout=40)
    assert asker.returncode == 1
    assert "the actuator has gone offline" in errors
    assert "ended in the middle" in output.splitlines()[-1]


def test_whoever_may_not_ask_hears_it_from_the_broker(tmp_path: Path) -> None:
    passwords, access, password = tmp_path / "passwords", tmp_path / "acl", tmp_path / "password"
    passwords.touch(mode=0o600)
    password.write_text("right", encoding="utf-8")
    access.write_text("user guest\ntopic read edged/actuator/toy/#\n", encoding="utf-8")
    access.chmod(0o600)
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not here (package mosquitto)")
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "guest", "right"], check=True, capture_output=True)
    broker = broker_here(lines=[f"password_file {passwords}", f"acl_file {access}"], anonymous=False)
    with broker:
        stage = Stage(tmp_path, broker)
        who = ["--set", "mqtt.username=guest", "--set", f"mqtt.password_file={password}"]
        done = act(stage, "mark", *who)
        assert (done.returncode, done.stdout) == (5, "")
        assert "does not let us publish on edged/actuator/toy/request: not authorized" in done.stderr
        password.write_text("wrong", encoding="utf-8")
        wrong = act(stage, "mark", *who)
        assert wrong.returncode == 5
        assert wrong.stderr.count("\n") == 1
        assert "wrong" not in wrong.stderr.replace("is wrong", "")
        stage.close()


def test_rubbish_on_the_answer_topic_is_passed_over_and_strangers_cannot_steer_the_terminal(stage: Stage) -> None:
    asker = begin(stage, "mark", "--id", "answered-by-us")
    output = errors = ""
    for _ in range(40):
        stage.publish("edged/actuator/toy/job/answered-by-us", b"\xff{")
        stage.publish(
            "edged/actuator/toy/job/answered-by-us",
            {"id": "answered-by-us", "actuator": "toy", "action": "mark", "state": "failed", "at": "x",
             "reason": "\x1b[2J gone"},
        )  # fmt: skip
        try:
            output, errors = asker.communicate(timeout=0.25)
            break
        except subprocess.TimeoutExpired:
            continue
    assert asker.returncode == 1
    assert "\x1b" not in output
    assert "Traceback" not in errors
