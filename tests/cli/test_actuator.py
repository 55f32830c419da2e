"""`edged actuator keygen`, `check` and `run`: what they say, and what they refuse."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.actuators.stage import ROOT, environment
from tests.cli.edged_command import edged


def toy(*arguments: str, given: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """`edged actuator ARGUMENTS`, with the toy among the kinds."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.actuators.toy", "actuator", *arguments],
        cwd=ROOT, input=given or "", capture_output=True, text=True, check=False, timeout=60,
        env=environment(**variables),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def settings(folder: Path, text: str) -> str:
    path = folder / "toy.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_keygen_writes_a_key_for_the_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "toy.key"
    done = edged("actuator", "keygen", str(path))
    assert done.returncode == 0
    assert done.stdout.startswith(f"wrote {path}: give it to the actuator (signing.key_file)")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text(encoding="ascii")
    assert len(bytes.fromhex(content)) == 32
    assert content.strip() not in done.stdout + done.stderr
    again = edged("actuator", "keygen", str(path))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert path.read_text(encoding="ascii") == content


def test_keygen_says_where_it_cannot_write(tmp_path: Path) -> None:
    done = edged("actuator", "keygen", str(tmp_path / "nowhere" / "toy.key"))
    assert done.returncode == 1
    assert done.stderr == f"edged: {tmp_path}/nowhere/toy.key cannot be written: No such file or directory\n"


def test_check_lists_actions_and_bindings(tmp_path: Path) -> None:
    path = settings(
        tmp_path,
        'kind = "toy"\n[signing]\nrequired = false\n[policy.rare]\nenabled = true\n[policy.mark]\nconfirm = "confirm"\n'
        '[[bindings]]\nname = "greet"\ntopic = "edged/camera/+/event/blink"\naction = "say"\ntext = "hello {camera}"\n',
    )
    done = toy("check", "chalk", "-c", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "chalk (toy): the settings are good",
        "  mark: Leaves a mark. (when confirmed)",
        "  warn: Leaves a mark after a countdown. (after a countdown)",
        "  ask: Leaves a mark when confirmed. (when confirmed)",
        "  say: Leaves a mark for a text. (at once)",
        "  alert: Leaves a mark, once, whatever happens. (at once)",
        "  letter: Leaves a mark, kept on disk. (at once)",
        "  rare: Leaves a mark, if it is turned on. (at once)",
        "  binding greet: edged/camera/+/event/blink -> say",
    ]


def test_check_says_everything_that_does_not_go_together(tmp_path: Path) -> None:
    path = settings(
        tmp_path,
        'kind = "toy"\n[policy.marc]\nenabled = true\n'
        '[[bindings]]\nname = "one"\ntopic = "a/b"\naction = "sya"\n'
        '[[bindings]]\nname = "two"\ntopic = "a/b"\naction = "say"\n'
        '[[bindings]]\nname = "three"\ntopic = "a/b"\naction = "mark"\noptions = { wrong = 1 }\n'
        '[[bindings]]\nname = "four"\ntopic = "a/b"\naction = "stop"\ntext = "no"\n'
        '[[bindings]]\nname = "five"\ntopic = "a/b"\naction = "confirm"\n'
        '[[bindings]]\nname = "six"\ntopic = "a/b"\naction = "mark"\noptions = { before_seconds = "{x}" }\n',
    )
    for command in ("check", "run"):
        key = tmp_path / "toy.key"
        if not key.exists():
            assert edged("actuator", "keygen", str(key)).returncode == 0
        done = toy(command, "chalk", "-c", path, "--set", f"signing.key_file={key}")
        assert done.returncode == 2
        told = done.stderr[done.stderr.index("edged: ") :].splitlines()
        assert told[0].endswith("5 problems")
        assert [line.strip() for line in told[1:]] == [
            "policy.marc: there is no such action (did you mean mark?)",
            "bindings.one.action = 'sya': there is no such action (did you mean say?)",
            'bindings.two.text: say needs a text (e.g. text = "{camera}")',
            (
                "bindings.three.options: mark has no option 'wrong' (there are before_seconds, after_seconds, fails, hopeless, "
                "hangs, refuses, breaks)"
            ),
            "bindings.four.text: stop takes no text (leave it out)",
        ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "tpying"\n', "kind = 'tpying': there is no such kind of actuator (did you mean typing?)"),
        ('kind = "toy"\nqueue_lenght = 3\n', "did you mean queue_length"),
        ('kind = "toy"\nqueue_length = 0\n', "queue_length = 0"),
        ('kind = "toy"\n[toy]\ntrcae = "x"\n', "did you mean toy.trace"),
        ('kind = "toy"\n[signing]\nrequired = false\n[mqtt]\nhost = "broker.example"\n', "only possible with a broker on"),
        ('kind = "toy"\n[[bindings]]\nname = "x"\ntopic = "a/#/b"\naction = "mark"\n', "topic"),
        ('kind = "toy"\n[[bindings]]\nname = "x"\ntopic = "a"\naction = "say"\ntext = "{a!r}"\n', "{a!r} must be the name"),
        ('kind = "toy"\n[policy.mark]\nconfirm = "maybe"\n', "confirm"),
        ("kind = \n", "line 1"),
    ],
)  # fmt: skip
def test_wrong_settings_are_exit_2_and_named(tmp_path: Path, text: str, words: str) -> None:
    done = toy("check", "chalk", "-c", settings(tmp_path, text))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_variable_may_say_the_kind_and_a_wrong_one_is_named() -> None:
    checked = toy("check", "chalk", EDGED_ACTUATOR_KIND="toy")
    assert "chalk (toy): the settings are good" in checked.stdout
    # Good, but it could not work yet.
    assert checked.returncode == 1
    assert "problem: there is no key yet: edged actuator keygen FILE" in checked.stderr
    wrong = toy("check", "toy", EDGED_ACTUATOR_QUEU_LENGTH="3")
    assert wrong.returncode == 2
    assert "did you mean EDGED_ACTUATOR_QUEUE_LENGTH?" in wrong.stderr


BINDINGS = """
kind = "toy"
[[bindings]]
name = "greet"
topic = "edged/camera/+/event/blink"
action = "say"
text = "{camera} blinked"
cooldown_seconds = 5
[[bindings.when]]
field = "gesture"
equals = "double"
"""


def event(second: int, gesture: str = "double") -> str:
    at = f"2026-01-01T00:00:{second:02}.000Z"
    return json.dumps({"id": f"{second}", "camera": "front", "kind": "blink", "at": at, "gesture": gesture}) + "\n"


def test_check_lists_what_would_fire_for_recorded_events_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    path = settings(tmp_path, BINDINGS)
    recorded = event(1) + event(2) + event(3, "single") + event(9)
    recording = tmp_path / "events.jsonl"
    recording.write_text(recorded, encoding="utf-8")
    done = toy("check", "chalk", str(recording), "-c", path, TZ="UTC")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2026-01-01 00:00:01.000  greet: say 'front blinked'",
        "2026-01-01 00:00:02.000  greet: say  kept back: it fired 1.0 s ago (cooldown_seconds = 5)",
        "2026-01-01 00:00:09.000  greet: say 'front blinked'",
    ]
    piped = toy("check", "chalk", "-", "-c", path, "--json", given=recorded)
    steps = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [(step["binding"], step["text"], bool(step["kept"])) for step in steps] == [
        ("greet", "front blinked", False), ("greet", None, True), ("greet", "front blinked", False),
    ]  # fmt: skip
    nothing = toy("check", "chalk", "-", "-c", path, given=event(1, "single"))
    assert nothing.stdout == "no binding would fire\n"


@pytest.mark.parametrize("given", ["x\n", "[]\n", "{}\n", '{"topic": 7}\n', "\udcff\n"])
def test_check_names_the_line_that_is_no_event(tmp_path: Path, given: str) -> None:
    recording = tmp_path / "events.jsonl"
    recording.write_bytes((event(1) + given).encode("utf-8", "surrogateescape"))
    done = toy("check", "chalk", str(recording), "-c", settings(tmp_path, BINDINGS))
    assert done.returncode == 3
    assert f"{recording}, line 2: " in done.stderr


def test_run_without_a_key_says_how_to_make_one() -> None:
    done = toy("run", "chalk", "--set", "kind=toy")
    assert done.returncode == 2
    assert "signing.key_file: is not set" in done.stderr
    assert "edged actuator keygen chalk.key" in done.stderr


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("ab" * 32, 0o644, "is open to every user of this machine (chmod o= "),
        ("ab" * 31, 0o600, "has 31 bytes instead of 32"),
        ("geheim", 0o600, "is not a key: 64 hexadecimal digits"),
        ("", 0o600, "has 0 bytes instead of 32"),
        ("\u00fc" * 64, 0o600, "is not a key: 64 hexadecimal digits"),
    ],
)
def test_run_refuses_a_key_file_that_is_none_without_showing_it(
    tmp_path: Path, content: str, mode: int, words: str
) -> None:
    key = tmp_path / "toy.key"
    key.write_text(content, encoding="utf-8")
    key.chmod(mode)
    done = toy("run", "chalk", "--set", "kind=toy", "--set", f"signing.key_file={key}")
    assert done.returncode == 2
    assert words in done.stderr
    assert f"signing.key_file = '{key}'" in done.stderr
    assert not content or content not in done.stderr


def test_run_takes_the_key_from_a_systemd_credential(tmp_path: Path) -> None:
    credential = tmp_path / "actuator_key"
    credential.write_text("geheim", encoding="utf-8")
    credential.chmod(0o400)
    done = toy("run", "chalk", "--set", "kind=toy", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert done.returncode == 2
    assert "signing.credential" in done.stderr
    assert "is not a key" in done.stderr
    assert "geheim" not in done.stderr
