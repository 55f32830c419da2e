"""Running the real command in a process of its own.

The process is forked from one that has most libraries loaded (multiprocessing's fork server): some hundred commands are
run, and starting Python takes longer than most of them. What a start of its own loads, and what signals do to it, is
tested with `python -m edged`.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_TIMEOUT_SECONDS = 60.0
# Not what makes threads (numpy, OpenCV): a fork would leave them behind.
_LOADED = [
    "edged.cli.application",
    "edged.settings",
    "edged.store.history",
    "edged.bus.subscriber",
    "tests.cli.edged_command",
]

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(_LOADED)


def edged(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`edged ARGUMENTS`, without a terminal, 200 columns wide."""
    done = edged_bytes(*arguments, environment={"COLUMNS": "200", "NO_COLOR": "1", **(environment or {})})
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def edged_bytes(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """As it comes, with these variables on top of ours. Raises TimeoutExpired after a minute."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / "stdout", Path(folder) / "stderr"]
        process = _forking.Process(target=_become_edged, args=(arguments, {**os.environ, **environment}, said))
        process.start()
        process.join(_TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(
                ["edged", *arguments], _TIMEOUT_SECONDS, *(file.read_bytes() for file in said)
            )
        status = process.exitcode
        process.close()
        return subprocess.CompletedProcess(["edged", *arguments], status, *(file.read_bytes() for file in said))


def _become_edged(arguments: tuple[str, ...], environment: dict[str, str], said: list[Path]) -> None:
    with Path(os.devnull).open("rb") as nothing, said[0].open("wb") as stdout, said[1].open("wb") as stderr:
        for number, file in enumerate((nothing, stdout, stderr)):
            os.dup2(file.fileno(), number)
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["edged", *arguments]
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))  # as Python itself would have
    from edged.cli import main

    main()
