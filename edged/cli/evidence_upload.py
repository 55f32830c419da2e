"""`edged evidence upload`: copies of the evidence elsewhere."""

from __future__ import annotations

import os
import select
from typing import Annotated

import typer

from edged import logs
from edged.cli.options import ConfigFile, Set, overrides
from edged.configuration.loading import load
from edged.errors import SettingProblem, SettingsError, UploadFailed
from edged.evidence.album import Album, Entry
from edged.evidence.spool import Spool
from edged.evidence.upload import Uploader
from edged.processes.signals import signals_into
from edged.settings import Settings
from edged.store.audit import note
from edged.store.directory import evidence_directory, state_directory


def upload(
    once: Annotated[
        bool, typer.Option("--once", help="Copy what waits and end; exit 1 if something could not be copied.")
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Copy evidence to the S3-compatible store of evidence.upload, encrypted as it is; runs until it is ended.

    A process of its own, with the store's keys and without the camera. While the store is away, what is kept waits.
    """
    settings = load(config, overrides(set_))
    logs.set_up(settings.log, settings.camera, "evidence-upload", secrets=logs.secrets_of(settings))
    if not settings.evidence.upload.enabled:
        cure = "evidence.upload.enabled = true, with endpoint, bucket and keys"
        raise SettingsError([SettingProblem("evidence.upload.enabled", False, "copies are not made", cure)])
    spool = _spool(settings)
    if once:
        print(f"{spool.turn()} copied, {len(spool.waiting())} wait")
        if spool.problem:
            raise UploadFailed(spool.problem)
        return
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with signals_into(writer):
            while True:
                spool.turn()
                if select.select([reader], [], [], spool.pause_seconds)[0]:
                    return
    finally:
        os.close(reader)
        os.close(writer)


def _spool(settings: Settings) -> Spool:
    folder = state_directory(settings.store)
    wanted = settings.evidence.upload

    def uploaded(entry: Entry, name: str) -> None:
        if settings.audit.enabled:
            data = {
                "what": "copied",
                "event": entry.event,
                "to": wanted.endpoint,
                "bucket": wanted.bucket,
                "name": name,
            }
            note(folder, "evidence", data, by="edged evidence", camera=settings.camera)

    return Spool(
        Album(evidence_directory(folder, settings.camera)),
        settings.camera,
        Uploader(wanted),
        uploaded,
        wanted.retry_max_seconds,
    )
