"""The process of one actuator: what it keeps on disk, its key, its performer; started in order, ended in reverse."""

from __future__ import annotations

import contextlib
import logging
import os
import time

import edged
from edged.actuators.actuator import Actuator, End
from edged.actuators.durable import Ledger
from edged.actuators.settings import ActuatorSettings
from edged.actuators.table import build, device
from edged.bus.outbox import MemoryOutbox, Outbox
from edged.errors import SettingProblem, SettingsError, StoreError
from edged.keys import find_key
from edged.notices import EVENTS_UNKEPT, STARTED
from edged.processes.cores import forbid_core_dumps
from edged.processes.signals import signals_into
from edged.processes.title import process_name, set_title
from edged.store.audit import Trail
from edged.store.database import Database
from edged.store.directory import InstanceLock, state_directory
from edged.store.kept import KeptFile
from edged.store.migrations import JOB_MIGRATIONS
from edged.store.outbox import SqliteOutbox

log = logging.getLogger(__name__)

# Exit statuses, see errors.py; after 1 systemd starts it anew.
_STATUS: dict[End, int] = {"stopped": 0, "interrupted": 130, "stuck": 1}


def run_actuator(settings: ActuatorSettings) -> int:
    """Act until SIGTERM or Ctrl-C; the exit status.

    Raises StoreError when what was done cannot be remembered, for then the same could be done twice, and SettingsError.
    """
    forbid_core_dumps()
    key = find_key(settings.signing.key_file, settings.signing.credential)
    if key is None and settings.signing.required:
        cure = f'edged actuator keygen {settings.actuator}.key, then signing.key_file = "{settings.actuator}.key"'
        problem = SettingProblem("signing.key_file", None, "is not set, and requests must be signed", cure)
        raise SettingsError([problem], "the signing key")
    with contextlib.ExitStack() as stack:
        folder = state_directory(settings.store)
        lock = stack.enter_context(InstanceLock(folder, f"actuator-{settings.actuator}"))
        database = Database(folder / f"actuator-{settings.actuator}.jobs.db", JOB_MIGRATIONS)
        ledger = stack.enter_context(Ledger(database))
        problem_found = lock.problem
        if database.set_aside is not None:
            # A sender's clock may be ahead of ours.
            ledger.begin(time.time() + settings.signing.clock_tolerance_seconds)
            problem_found = f"the memory of jobs was damaged and begun anew; the old one is {database.set_aside}"
        elif not ledger.begun:
            # Also where the folder does not outlive a restart: what was asked before may have been done.
            ledger.begin(time.time())
        outbox, outbox_problem = _outbox(settings)
        stack.callback(outbox.close)
        performer = build(settings)
        stack.callback(performer.close)
        trail = Trail(folder) if settings.audit.enabled else None
        if trail is not None:
            stack.callback(trail.close)
        set_title(process_name(settings.actuator))
        mqtt = settings.mqtt
        log.info("edged %s, actuator %s (%s), MQTT at %s:%d", edged.__version__, settings.actuator, settings.kind,
                 mqtt.host, mqtt.port, extra=STARTED.extra())  # fmt: skip
        for sentence in performer.problems():
            log.warning("%s", sentence)
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        actuator = Actuator(
            settings, performer, key, ledger, outbox,
            device=device(settings),
            kept=KeptFile(folder / f"actuator-{settings.actuator}.kept.json"),
            storage_problem=problem_found or outbox_problem,
            trail=trail,
        )  # fmt: skip
        with signals_into(writer):
            return _STATUS[actuator.run(reader)]


def _outbox(settings: ActuatorSettings) -> tuple[Outbox, str]:
    """Where the states of jobs wait for the broker. Losing those is better than not acting."""
    store = settings.store
    try:
        database = Database(state_directory(store) / f"actuator-{settings.actuator}.db")
        outbox = SqliteOutbox(
            database,
            limit_count=store.limit_events,
            limit_bytes=store.limit_megabytes * 1024 * 1024,
            limit_seconds=store.limit_days * 86400,
            batch_seconds=store.batch_seconds,
        )
    except StoreError as error:
        log.error("%s; what is told waits in memory only", error, extra=EVENTS_UNKEPT.extra())
        return MemoryOutbox(), f"what is told is not kept over a restart: {error}"
    return outbox, ""
