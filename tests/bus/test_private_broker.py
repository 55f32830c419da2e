from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.bus import private_broker
from edged.bus.private_broker import PrivateBroker
from edged.errors import BrokerError


def test_it_listens_on_the_loopback_only_and_leaves_nothing() -> None:
    with PrivateBroker() as broker:
        folder, pid = broker.folder, broker.pid
        with socket.create_connection((broker.host, broker.port), timeout=2):
            pass
        state = f"{broker.port:04X} "
        listeners = [
            line for line in Path("/proc/net/tcp").read_text().splitlines() if f":{state}" in line and " 0A " in line
        ]
        assert all(line.split()[1].startswith("0100007F:") for line in listeners)
        assert len(listeners) == 1
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_it_dies_with_its_parent() -> None:
    program = (
        "import os; from edged.bus.private_broker import PrivateBroker; broker = PrivateBroker(); broker.start();"
        "print(broker.pid, broker.folder, flush=True); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    pid, folder = ended.stdout.split()
    deadline = time.monotonic() + 5
    while _runs(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(int(pid))
    for file in Path(folder).iterdir():
        file.unlink()
    Path(folder).rmdir()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_without_mosquitto_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(private_broker, "_MORE_PATHS", ())
    with pytest.raises(BrokerError, match="apt-get install mosquitto"):
        PrivateBroker()


def test_a_user_without_sbin_on_the_path_has_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert os.access(private_broker.find_mosquitto(), os.X_OK)


def test_a_configuration_it_does_not_take_is_told_in_its_words() -> None:
    broker = PrivateBroker(lines=["no_such_option 1"])
    with pytest.raises(BrokerError, match="ended at once"), broker:
        pass
    assert not broker.folder.exists()
