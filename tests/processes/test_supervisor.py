"""The supervisor with real processes that die, hang, refuse to end and come back."""

from __future__ import annotations

import os
import random
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.frames import FrameSlot
from edged.messages import Beacon, CaptureReport, Failed, Pause, Upward
from edged.processes.spawning import child_environment
from edged.processes.supervisor import Supervisor
from edged.processes.table import PROCESSES, Loss, Patience, ProcessSpec
from edged.settings import MqttSettings, Settings

QUICK = Patience(pauses=(0.0, 0.05, 0.1, 0.2), final=0.5, well=1.0, jitter=0.0)


class Stage:
    """A supervisor on its selector, and what it told."""

    def __init__(self, slot: FrameSlot, patience: Patience, **toys: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[tuple[str, Upward]] = []
        self.losses: list[Loss] = []
        self.supervisor = Supervisor(
            Settings(camera="toy", mqtt=MqttSettings(username="me")),
            slot,
            self.selector,
            on_message=lambda name, message: self.heard.append((name, message)),
            on_loss=self.losses.append,
            table={name: ProcessSpec(f"tests.processes.toys:{toy}", 10.0, 1.0) for name, toy in toys.items()},
            patience=patience,
            chance=random.Random(1),
        )

    def turn(self, seconds: float = 0.2) -> None:
        for key, _ in self.selector.select(min(seconds, self.supervisor.tick())):
            key.data()

    def until(self, condition: Callable[[], object], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.turn()

    def running(self, name: str) -> bool:
        return self.supervisor.children[name].state == "running"

    def pid(self, name: str) -> int:
        pid = self.supervisor.children[name].pid
        assert pid is not None
        return pid


Setting = Callable[..., Stage]


@pytest.fixture
def stage() -> Iterator[Setting]:
    slot = FrameSlot.create(300)
    stages: list[Stage] = []
    before = own_children()

    def make(patience: Patience = QUICK, **toys: str) -> Stage:
        stages.append(Stage(slot, patience, **toys))
        stages[-1].supervisor.start()
        return stages[-1]

    yield make
    for each in stages:
        each.supervisor.stop()
        assert not each.selector.get_map()
        each.selector.close()
    slot.close()
    assert own_children() <= before  # zombies would be among them


def own_children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_children_start_with_their_settings_and_speak(stage: Setting) -> None:
    play = stage(one="steady", two="steady")
    for name in ("one", "two"):
        play.until(lambda name=name: (name, CaptureReport("streaming", "toy")) in play.heard)  # type: ignore[misc]
        play.until(lambda name=name: (name, Beacon("working", 1.0)) in play.heard)  # type: ignore[misc]
    assert not play.losses


def test_children_are_named_in_ps(stage: Setting) -> None:
    play = stage(one="steady")
    play.until(lambda: play.running("one"))
    assert Path(f"/proc/{play.pid('one')}/cmdline").read_bytes().rstrip(b"\0 ") == b"edged[toy] one"


def test_children_hold_nothing_but_their_own_descriptors(stage: Setting) -> None:
    play = stage(one="steady", two="steady")
    play.until(lambda: play.running("one") and play.running("two"))
    for name in ("one", "two"):
        open_files = [str(entry.readlink()) for entry in Path(f"/proc/{play.pid(name)}/fd").iterdir()]
        assert sum("socket:" in target for target in open_files) == 1
        assert sum("edged-frames" in target for target in open_files) == 2  # mmap keeps one of its own


def test_a_killed_child_is_replaced(stage: Setting) -> None:
    play = stage(one="steady", two="steady")
    play.until(lambda: play.running("one") and play.running("two"))
    first, other = play.pid("one"), play.pid("two")
    os.kill(first, signal.SIGKILL)
    play.until(lambda: play.losses and play.running("one"))
    assert play.losses[0].cause == "process_died"
    assert "SIGKILL" in play.losses[0].reason
    assert play.losses[0].restarts == 1
    assert play.pid("one") != first
    assert play.pid("two") == other


def test_a_stopped_child_is_replaced(stage: Setting) -> None:
    play = stage(one="steady")
    play.until(lambda: play.supervisor.children["one"].doing == "working")
    first = play.pid("one")
    os.kill(first, signal.SIGSTOP)
    play.until(lambda: play.losses and play.running("one"))
    assert play.losses[0].cause == "process_hung"
    assert "was stopped (SIGSTOP)" in play.losses[0].reason
    assert not alive(first)


def test_a_stopped_child_is_not_given_the_time_it_asked_for(stage: Setting) -> None:
    play = stage(one="stubborn")
    play.until(lambda: play.supervisor.children["one"].doing == "sulking")
    os.kill(play.pid("one"), signal.SIGSTOP)
    play.until(lambda: play.losses, seconds=20)
    assert play.losses[0].cause == "process_hung"


def test_a_hanging_child_is_replaced_by_its_own_budget(stage: Setting) -> None:
    play = stage(one="hangs")
    play.until(lambda: play.losses)
    assert play.losses[0].cause == "process_hung"
    assert "while reading a frame" in play.losses[0].reason


def test_a_child_that_never_speaks_is_replaced(stage: Setting) -> None:
    play = stage(one="steady")
    play.supervisor.stop()
    slot = play.supervisor._slot
    assert slot is not None
    silent = Stage(slot, QUICK)
    supervisor = Supervisor(
        Settings(), slot, silent.selector,
        on_message=lambda name, message: None, on_loss=silent.losses.append,
        table={"one": ProcessSpec("tests.processes.toys:mute", 0.6, 1.0)}, patience=QUICK,
    )  # fmt: skip
    silent.supervisor = supervisor
    supervisor.start()
    try:
        silent.until(lambda: silent.losses)
        assert "since its start" in silent.losses[0].reason
    finally:
        supervisor.stop()
        silent.selector.close()


def test_a_child_that_keeps_dying_backs_off_and_is_forgiven_once_it_runs_well(stage: Setting) -> None:
    play = stage(one="dies")
    play.until(lambda: len(play.losses) >= 5)
    assert [loss.pause_seconds for loss in play.losses[:5]] == [0.0, 0.05, 0.1, 0.2, 0.2]
    assert [loss.in_a_row for loss in play.losses[:5]] == [1, 2, 3, 4, 5]
    assert "SIGSEGV" in play.losses[0].reason
    one = play.supervisor.children["one"]
    object.__setattr__(one.spec, "target", "tests.processes.toys:steady")  # as if somebody had repaired it
    play.until(lambda: play.running("one"))
    assert one.last_loss is not None
    play.until(lambda: one.last_loss is None)
    assert (one.in_a_row, one.restarts) == (0, len(play.losses))


def test_a_child_on_a_slow_board_gets_more_time_to_load_until_it_can(stage: Setting) -> None:
    play = stage(one="slow")
    one = play.supervisor.children["one"]
    play.until(lambda: one.doing == "working")
    assert [loss.cause for loss in play.losses] == ["process_hung", "process_hung"], "0.5 and 1 s were too short"
    play.until(lambda: one.silences == 0)
    assert one.last_loss is None


def test_a_bug_is_told_in_a_sentence(stage: Setting) -> None:
    play = stage(one="raises")
    play.until(lambda: play.losses)
    assert play.losses[0].reason == "one: ValueError: a bug in the toy"
    assert play.losses[0].cause == "process_failed"
    assert not play.losses[0].final


def test_what_is_hopeless_is_tried_rarely(stage: Setting) -> None:
    play = stage(one="hopeless")
    play.until(lambda: len(play.losses) >= 2)
    assert play.losses[0].final
    assert play.losses[0].pause_seconds == 0.5
    assert play.losses[0].reason == "one: toy:: no toy library (apt install toys)"
    assert any(isinstance(message, Failed) and message.final for _, message in play.heard)


def test_nonsense_is_a_failure(stage: Setting) -> None:
    play = stage(one="babbles")
    play.until(lambda: play.losses)
    assert "nonsense" in play.losses[0].reason


def test_pause_and_resume_reach_everyone_also_those_born_later(stage: Setting) -> None:
    play = stage(one="steady")
    play.until(lambda: play.running("one"))
    play.supervisor.pause()
    play.until(lambda: ("one", CaptureReport("streaming", "Pause")) in play.heard)
    play.heard.clear()
    os.kill(play.pid("one"), signal.SIGKILL)
    play.until(lambda: ("one", CaptureReport("streaming", "Pause")) in play.heard)
    play.supervisor.resume()
    play.until(lambda: ("one", CaptureReport("streaming", "Resume")) in play.heard)
    assert play.supervisor.send("one", Pause())


def test_one_whose_work_is_done_is_not_replaced(stage: Setting) -> None:
    play = stage(one="brief", two="steady")
    play.until(lambda: ("one", CaptureReport("ended", "done")) in play.heard)
    play.supervisor.retire("one")
    play.until(lambda: play.supervisor.children["one"].state == "stopped")
    assert not play.losses


@pytest.mark.parametrize("toy", ["steady", "deaf", "stubborn", "hangs"])
def test_stop_ends_every_kind_of_child(stage: Setting, toy: str) -> None:
    play = stage(one=toy, two="steady")
    play.until(lambda: play.running("one") and play.running("two"))
    pids = [play.pid("one"), play.pid("two")]
    play.supervisor.stop(1.0)
    assert not any(map(alive, pids))
    assert all(each.state == "stopped" for each in play.supervisor.children.values())
    assert not play.losses


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """SIGKILL of the daemon leaves no child behind."""
    import subprocess
    import sys

    script = (
        "import selectors, time\n"
        "from edged.frames import FrameSlot\nfrom edged.processes.supervisor import *\nfrom edged.settings import Settings\n"
        "selector = selectors.DefaultSelector()\n"
        "s = Supervisor(Settings(), FrameSlot.create(300), selector, on_message=lambda n, m: None,\n"
        "    on_loss=print, table={'one': ProcessSpec('tests.processes.toys:deaf', 10, 60)})\n"
        "s.start()\n"
        "while s.children['one'].state != 'running':\n"
        "    [key.data() for key, _ in selector.select(0.1)]\n"
        "print(s.children['one'].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2]
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(pid):
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] if alive(pid) else "gone"
        if state == "Z":  # whoever adopts orphans on this machine may be slow to bury them
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.timeout(120)
def test_hundreds_of_restarts_leak_nothing(stage: Setting) -> None:
    restarts = int(os.environ.get("STRESS_RESTARTS", "15"))
    play = stage(Patience(pauses=(0.0,), jitter=0.0), one="dies")
    play.until(lambda: len(play.losses) >= 2)
    before = len(os.listdir("/proc/self/fd"))
    counts = set()
    for _ in range(restarts):
        seen = len(play.losses)
        play.until(lambda seen=seen: len(play.losses) > seen)  # type: ignore[misc]
        counts.add(len(os.listdir("/proc/self/fd")) - 2 * play.supervisor.children["one"].alive)
    assert max(counts) <= before
    assert len(play.selector.get_map()) <= 2


def test_secrets_and_systemd_stay_with_the_daemon() -> None:
    environment = child_environment(
        {"PATH": "/bin", "EDGED_MQTT__PASSWORD": "s3cret", "NOTIFY_SOCKET": "/run/x", "OMP_NUM_THREADS": "3"}
    )
    assert environment["PATH"] == "/bin"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert not any("MQTT" in name or "NOTIFY" in name for name in environment)


def test_the_table_names_what_a_daemon_runs() -> None:
    assert list(PROCESSES) == ["capture", "inference"]
    assert all(spec.heartbeat_seconds <= 2.0 for spec in PROCESSES.values())
