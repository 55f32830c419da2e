"""Nothing leaves the device but what goes to the broker: every connection and datagram, seen by the kernel."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# An address and its family in any call that can open or use a connection.
_ADDRESS = re.compile(
    r"(?P<call>connect|sendto|sendmsg|sendmmsg)\(.*sa_family=(?P<family>AF_\w+)"
    r"(?:.*?sin6?_port=htons\((?P<port>\d+)\))?(?:.*?(?:inet_addr\(|inet_pton\(AF_INET6, )\"(?P<host>[^\"]+)\")?"
)
_LOCAL_FAMILIES = {"AF_UNIX", "AF_UNSPEC", "AF_NETLINK"}


@pytest.mark.timeout(120)
def test_the_demo_with_everything_on_speaks_to_its_broker_and_to_nobody_else(
    tmp_path: Path, models_directory: Path
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    everything = ["stream.landmarks=true", "snapshot.enabled=true", "inference.max_faces=4", "inference.detector=auto"]
    options = [part for setting in everything for part in ("--set", setting)]
    filters = "trace=connect,sendto,sendmsg,sendmmsg,bind"
    done = subprocess.run(
        [strace, "-f", "-qq", "-s", "8", "-e", filters, "-o", str(trace), sys.executable, "-m", "edged", "demo",
         "--seconds", "6", "--json", *options],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    assert report["frames"] > 0, "the demo must have run for this to mean anything"
    found = [match for line in trace.read_text().splitlines() if (match := _ADDRESS.search(line))]
    remote = [match for match in found if match["family"] not in _LOCAL_FAMILIES]
    # The broker's port is the one that was connected to; each connection must be to it, on loopback.
    ports = {match["port"] for match in remote if match["call"] == "connect"}
    assert len(ports) == 1, f"connected to more than the broker: {[match[0] for match in remote]}"
    assert {match["host"] for match in remote} <= {"127.0.0.1", "::1"}, [match[0] for match in remote]
    assert {match["port"] for match in remote} == ports, [match[0] for match in remote]
