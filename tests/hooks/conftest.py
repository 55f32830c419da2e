"""Toy hooks on the path of whatever is started, and a host for them on a selector of its own."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.hooks.host import Hooks
from edged.observations import Box, Face, Observation
from edged.processes.table import Loss, Patience
from edged.settings import Settings
from tests.daemon.conftest import stage, theatre  # noqa: F401 - fixtures
from tests.hooks.packages import install_toys

QUICK = Patience(pauses=(0.0, 0.05, 0.1, 0.2), final=0.5, well=1.0, jitter=0.0, doublings=0)


class Host:
    """Hooks, what they said and which were lost."""

    def __init__(self, patience: Patience, hooks: dict[str, Any], **more: Any) -> None:
        self.said: list[tuple[str, dict[str, Any], int, float]] = []
        self.losses: list[Loss] = []
        self.selector = selectors.DefaultSelector()
        settings = Settings.model_validate({"hooks": hooks, **more})
        self.hooks = Hooks(
            settings,
            self.selector,
            on_said=lambda *said: self.said.append(said),
            on_loss=self.losses.append,
            patience=patience,
        )
        self.hooks.start()

    def turn(self) -> None:
        for key, _ in self.selector.select(min(0.1, self.hooks.tick())):
            key.data()

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"it did not happen: {self.said}, {self.losses}, {self.hooks.states()}"
            self.turn()
        return found

    def running(self, *names: str) -> bool:
        return all(self.hooks.states()[name].status == "running" for name in names)

    def data(self, name: str) -> list[dict[str, Any]]:
        return [data for hook, data, _, _ in self.said if hook == name]

    def pid(self, name: str) -> int:
        pid = self.hooks._supervisor.children[f"hook {name}"].pid
        assert pid is not None
        return pid

    def close(self) -> None:
        self.hooks.stop(1.5)
        assert not self.selector.get_map()
        self.selector.close()


def event(kind: str = "presence", **fields: Any) -> dict[str, Any]:
    return {"id": "x", "camera": "front", "kind": kind, "frame": 12, "at_ms": 480.0, **fields}


def observation(sequence: int = 1, faces: int = 0) -> Observation:
    found = tuple(Face(track, Box(1, 2, 3, 4), 0.9) for track in range(faces))
    return Observation(sequence, sequence, sequence * 40.0, 0, 0, 64, 64, faces=found)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the toy hooks, on the path of every Python that is started."""
    folder = tmp_path / "site"
    install_toys(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", "")))))
    return folder


Hosting = Callable[..., Host]


@pytest.fixture
def host(site: Path) -> Iterator[Hosting]:
    hosts: list[Host] = []

    def make(hooks: dict[str, Any], patience: Patience = QUICK, **more: Any) -> Host:
        hosts.append(Host(patience, hooks, **more))
        return hosts[-1]

    yield make
    for each in hosts:
        each.close()
