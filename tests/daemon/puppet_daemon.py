"""A real daemon with toy children: `python puppet_daemon.py SETTINGS_JSON_FILE`. A restart reads the file again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import ValidationError

from edged import logs
from edged.daemon.daemon import Daemon
from edged.errors import SettingProblem, SettingsError
from edged.processes.table import Patience, ProcessSpec
from edged.settings import Settings


def read(path: Path) -> Settings:
    try:
        return Settings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise SettingsError([SettingProblem(str(error.errors()[0]["loc"]), None, "is wrong")], path.name) from error


def main(arguments: list[str]) -> int:
    path = Path(arguments[0])
    settings = read(path)
    logs.set_up(settings.log, settings.camera)
    table = {name: ProcessSpec(f"tests.daemon.toys:{name}", 10.0, 1.5) for name in ("capture", "inference")}
    patience = Patience(pauses=(0.0, 0.2, 0.4, 0.8, 30.0), well=3.0)
    return Daemon(settings, reload=lambda: read(path), table=table, patience=patience).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
