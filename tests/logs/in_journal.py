"""Runs a command under a real journald: `unshare --mount python -m tests.logs.in_journal FOLDER COMMAND…`.

Everything that it mounts is in a mount namespace of its own and gone with it. The command's standard error leads to the
journal, and JOURNAL_STREAM says so, as systemd does it for a unit. FOLDER gets what the journal has in the end:
`entries.json`, a line each, and `explained`, as `journalctl --catalog` shows it to people.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

journal = importlib.import_module("systemd.journal")  # beside the folder of that name

ROOT = Path(__file__).resolve().parents[2]
JOURNALD = next((path for path in map(Path, ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"))
                 if path.exists()), None)  # fmt: skip
SOCKETS = [Path("/run/systemd/journal") / name for name in ("socket", "stdout")]


def main(arguments: list[str]) -> int:
    folder, command = Path(arguments[0]), arguments[1:]
    run("mount", "--make-rprivate", "/")
    for place in ("/run", "/var/log", "/var/lib/systemd"):
        run("mount", "-t", "tmpfs", "tmpfs", place)
    Path("/run/systemd/journal").mkdir(parents=True)
    Path("/var/lib/systemd/catalog").mkdir()
    run("mount", "--bind", str(ROOT / "systemd"), "/usr/lib/systemd/catalog")
    run("journalctl", "--update-catalog")
    assert JOURNALD is not None
    with subprocess.Popen([JOURNALD], stdin=subprocess.DEVNULL) as journald:
        try:
            deadline = time.monotonic() + 10
            while not all(each.exists() for each in SOCKETS):
                assert time.monotonic() < deadline, "journald does not start"
                time.sleep(0.02)
            stream = journal.stream_fd("unit", journal.LOG_INFO, True)  # with priorities in front, as of a unit
            found = os.fstat(stream)
            status = subprocess.run(
                command,
                stderr=stream,
                env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
                check=False,
            ).returncode
            os.close(stream)
            run("journalctl", "--sync")
            everything = ("journalctl", "--quiet", "--no-pager", "--directory", "/run/log/journal", "_TRANSPORT=journal",
                          "+", "_TRANSPORT=stdout")  # fmt: skip
            (folder / "entries.json").write_text(run(*everything, "--output", "json", "--all"), encoding="utf-8")
            (folder / "explained").write_text(run(*everything, "--catalog"), encoding="utf-8")
        finally:
            journald.terminate()
    return status


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
