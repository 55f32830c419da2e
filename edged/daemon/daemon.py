"""The daemon of one camera: signals, and one life after another until somebody ends it.

`restart` begins a new life in the same process, which works however the daemon was started (by systemd, in a
terminal, within `edged demo`): every child is a fresh interpreter then, the settings are read anew, the broker is
connected anew. Events that the broker has not acknowledged are carried over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import edged
from edged.bus.outbox import MemoryOutbox, Outbox
from edged.daemon.life import End, Life
from edged.daemon.tuning import begin
from edged.errors import EdgedError, RestoreUnfinished, StoreError
from edged.notices import BUG, EVENTS_UNKEPT, RESTARTING, STARTED
from edged.processes.signals import WORDS, signals_into
from edged.processes.table import Patience, ProcessSpec
from edged.processes.title import process_name, set_title
from edged.settings import Settings
from edged.store.database import Database
from edged.store.directory import InstanceLock, state_directory
from edged.store.kept import KeptFile
from edged.store.outbox import SqliteOutbox
from edged.systemd_notify import SystemdNotifier

log = logging.getLogger(__name__)

# Exit statuses, see errors.py.
_STATUS: dict[End, int] = {"stopped": 0, "source_ended": 0, "interrupted": 130}
_STOP = 0  # what `stop` writes in the pipe; signals write their number


class Daemon:
    """Runs a camera.

    reload: reads the settings anew, for the restart command; may raise SettingsError, which refuses the restart.
    table, patience: other children than the real ones, and how they are treated.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings] | None = None,
        table: Mapping[str, ProcessSpec] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._table = table
        self._patience = patience
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._life: Life | None = None

    def run(self) -> int:
        """Run until SIGTERM, Ctrl-C, `stop` or the end of the source; returns the exit status.

        Signals are taken over while it runs if this is the main thread.
        """
        systemd = SystemdNotifier()
        folder, lock, outbox, kept, problem = _open_store(self._settings)
        set_title(process_name(self._settings.camera))
        mqtt = self._settings.mqtt
        log.info("edged %s, camera %s, MQTT at %s:%d", edged.__version__, self._settings.camera, mqtt.host, mqtt.port,
                 extra=STARTED.extra())  # fmt: skip
        try:
            with signals_into(self._wake_writer):
                while True:
                    self._life = Life(
                        begin(self._settings, kept), outbox, kept, systemd=systemd, folder=folder,
                        storage_problem=problem,
                        reload=self._reload, table=self._table, patience=self._patience,
                    )  # fmt: skip
                    end = self._life.run(self._wake_reader, self._woken)
                    if end != "restart":
                        return _STATUS[end]
                    self._settings = self._life.next_settings or self._settings
                    log.info("restarting", extra=RESTARTING.extra())
        except EdgedError:
            raise
        except Exception:
            # All has been stopped in order and `offline` was said; systemd starts a new one.
            log.exception("edged has a bug and ends", extra=BUG.extra())
            return 1
        finally:
            outbox.close()
            if lock is not None:
                lock.close()
            reader, writer = self._wake_reader, self._wake_writer
            self._wake_reader = self._wake_writer = -1  # a late `stop` must not write in what gets the number next
            os.close(reader)
            os.close(writer)

    def stop(self) -> None:
        """End a running daemon from another thread."""
        with contextlib.suppress(OSError):
            os.write(self._wake_writer, bytes([_STOP]))

    def _woken(self) -> None:
        """Somebody wrote in the pipe: a signal, or `stop`."""
        assert self._life is not None
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._wake_reader, 64):
                if number == signal.SIGINT:
                    self._life.end("interrupted")
                elif number in (_STOP, signal.SIGTERM, signal.SIGHUP):
                    self._life.end("stopped")
                else:
                    continue
                if number:
                    log.info("%s: ending", WORDS[signal.Signals(number)])


def _open_store(settings: Settings) -> tuple[Path | None, InstanceLock | None, Outbox, KeptFile, str]:
    """The folder, the camera's lock, its outbox on disk and what it was told from afar. Where there is no disk to write: one in memory, and why.

    Watching on is better than not running over a bad card. Raises StoreError only when another daemon has the camera, or while a
    restore is not finished.
    """
    try:
        folder = state_directory(settings.store)
    except RestoreUnfinished:
        raise
    except StoreError as error:
        log.error("%s; events wait in memory only", error, extra=EVENTS_UNKEPT.extra())
        return None, None, MemoryOutbox(), KeptFile(None), f"events are not kept over a restart: {error}"
    lock = InstanceLock(folder, settings.camera)
    kept = KeptFile(folder / f"{settings.camera}.kept.json")
    try:
        database = Database(folder / f"{settings.camera}.db")
        outbox = SqliteOutbox(
            database,
            limit_count=settings.store.limit_events,
            limit_bytes=settings.store.limit_megabytes * 1024 * 1024,
            limit_seconds=settings.store.limit_days * 86400,
            batch_seconds=settings.store.batch_seconds,
        )
    except StoreError as error:
        log.error("%s; events wait in memory only", error, extra=EVENTS_UNKEPT.extra())
        return folder, lock, MemoryOutbox(), kept, f"events are not kept over a restart: {error}; then restart edged"
    aside = database.set_aside
    damage = f"the database was damaged and begun anew; the old one is {aside}" if aside else ""
    return folder, lock, outbox, kept, damage or lock.problem
