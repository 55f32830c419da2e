"""A kind of actuator that leaves a trace: a line in a file when a job begins and one when it is done.

Run as a module it is `edged`, with the kind `toy` in the table of kinds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic import BaseModel, ConfigDict

from edged.actuators.performer import ActionSpec, Control, Wish
from edged.actuators.settings import ActuatorSettings
from edged.actuators.table import KINDS, Kind
from edged.errors import ActionFailed, Cancelled, RequestRefused
from edged.settings import option


class ToySettings(BaseModel):
    """Where the toy leaves its trace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trace: Path = option(Path("/nowhere"), "File that each job appends to.")
    problem: Path = option(Path("/nowhere"), "File whose content keeps the toy from working.")


class ToyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """before_seconds, after_seconds: pauses around the deed. fails: attempts that fail, to be tried again. hangs: takes
    no notice of being told to stop. refuses, breaks: a refusal, a bug.
    """

    before_seconds: float = 0.0
    after_seconds: float = 0.0
    fails: int = 0
    hopeless: bool = False
    hangs: bool = False
    refuses: str = ""
    breaks: bool = False


ACTIONS: Mapping[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec("mark", "Leaves a mark.", options=ToyOptions),
        ActionSpec("warn", "Leaves a mark after a countdown.", "countdown", options=ToyOptions),
        ActionSpec("ask", "Leaves a mark when confirmed.", "confirm", options=ToyOptions),
        ActionSpec("say", "Leaves a mark for a text.", options=ToyOptions, needs_text=True),
        ActionSpec("alert", "Leaves a mark, once, whatever happens.", options=ToyOptions, durable=True, resumes=True),
        ActionSpec("letter", "Leaves a mark, kept on disk.", options=ToyOptions, durable=True),
        ActionSpec("rare", "Leaves a mark, if it is turned on.", options=ToyOptions, enabled=False),
    )
}


class Toy:
    """Marks."""

    kind = "toy"
    actions = ACTIONS

    def __init__(self, settings: ActuatorSettings) -> None:
        own: ToySettings = getattr(settings, self.kind)
        self._trace = own.trace
        self._problem = own.problem

    def check(self, wish: Wish) -> None:
        if wish.options["refuses"]:
            raise RequestRefused(wish.options["refuses"])

    def sensitive(self, wish: Wish) -> bool:
        return False

    def perform(self, wish: Wish, control: Control) -> str:
        if wish.interrupted and f"done {wish.id}" in self._trace.read_text(encoding="utf-8").splitlines():
            return "it was done before the interruption"
        self._write(f"begin {wish.id}")
        options = ToyOptions(**wish.options)
        if options.breaks:
            raise ValueError(f"a bug that quotes {wish.text.value if wish.text else ''}")
        if options.hangs:
            while True:
                time.sleep(0.05)
        if control.wait(options.before_seconds):
            raise Cancelled("nothing was marked")
        if wish.attempt <= options.fails:
            raise ActionFailed("the chalk broke", retry=True)
        if options.hopeless:
            raise ActionFailed("there is no chalk")
        self._write(f"done {wish.id}")
        control.wait(options.after_seconds)
        return "marked"

    def release(self) -> None:
        self._write("release")

    def problems(self) -> list[str]:
        try:
            return [self._problem.read_text(encoding="utf-8")]
        except FileNotFoundError:
            return []

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, line: str) -> None:
        fd = os.open(self._trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, f"{line}\n".encode())
        finally:
            os.close(fd)


def register() -> None:
    """Put the toy into the table of kinds."""
    KINDS["toy"] = Kind("Leaves a trace.", f"{Toy.__module__}:ToySettings", f"{Toy.__module__}:Toy")


if __name__ == "__main__":
    from edged.cli import main
    from tests.actuators import toy

    toy.register()
    main()
