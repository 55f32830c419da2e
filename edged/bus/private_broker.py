"""A mosquitto of our own, on a free loopback port, for the demo and the tests."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from edged.errors import BrokerError

START_SECONDS = 10.0
STOP_SECONDS = 2.0
# Debian puts mosquitto where only root's PATH looks.
_MORE_PATHS = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin")
_PR_SET_PDEATHSIG = 1


def find_mosquitto() -> str:
    """Path of the mosquitto broker. Raises BrokerError with the command that installs it."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_PATHS))
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise BrokerError("mosquitto is not installed (sudo apt-get install mosquitto)")
    return found


class PrivateBroker:
    """Starts on a free loopback port, admits everybody on this machine, leaves nothing behind.

    It dies with this process, however that ends (on Linux even with the thread that called `start`: call it on one
    that lives). `kill`, `freeze`, `thaw` and a second `start` on the same port are
    for tests. Use it as a context manager, or call `start` and `stop`.
    """

    host = "127.0.0.1"

    def __init__(self, *, lines: Iterable[str] = (), anonymous: bool = True, persistent: bool = False) -> None:
        """lines: more of mosquitto's configuration, for the listener. persistent: sessions and retained messages
        survive `kill` and `start` (saved at each change).
        """
        self._program = find_mosquitto()
        self._folder = Path(tempfile.mkdtemp(prefix="edged-broker-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        configuration = [
            "per_listener_settings false",
            f"listener {self.port} {self.host}",
            f"allow_anonymous {'true' if anonymous else 'false'}",
            "set_tcp_nodelay true",
            # Its default of 1000 drops messages for a subscriber that is slow for a moment.
            "max_queued_messages 0",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            f"persistence {'true' if persistent else 'false'}",
            *lines,
        ]
        if persistent:
            configuration += [
                f"persistence_location {self._folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        # As root, mosquitto would drop to a user who may not read this folder.
        if os.geteuid() == 0:
            configuration.append("user root")
        self._configuration = self._folder / "mosquitto.conf"
        self._configuration.write_text("\n".join(configuration) + "\n", encoding="utf-8")
        self._log = self._folder / "mosquitto.log"

    @property
    def pid(self) -> int:
        """Process id while running, else 0."""
        return self._process.pid if self._process is not None else 0

    @property
    def folder(self) -> Path:
        """Where configuration and log are; gone after `stop`."""
        return self._folder

    def start(self) -> None:
        """Start and wait until it accepts connections. Raises BrokerError with what mosquitto said."""
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                # Away from the terminal's Ctrl-C: it must outlive us long enough to hear us say goodbye.
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call, takes no lock
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BrokerError(f"mosquitto ended at once: {self._last_words()}")
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            time.sleep(0.01)
        self.kill()
        raise BrokerError(f"mosquitto did not open its port: {self._last_words()}")

    def kill(self) -> None:
        """SIGKILL: no farewell, nothing saved but what was."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM: sessions are saved if persistent; `start` brings it back."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and remove its folder."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> PrivateBroker:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a frozen one would not notice
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it said nothing"


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends the signal when the thread that started the process ends, however it does."""
    library = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _free_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((PrivateBroker.host, 0))
        port: int = probe.getsockname()[1]
        return port
