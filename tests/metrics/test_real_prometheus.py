"""A real Prometheus watches a real daemon and a real actuator: every panel has something to show, every alert is loaded."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.actuators.stage import Stage
from tests.brokers import broker_here
from tests.daemon.conftest import Theatre
from tests.metrics.asking import ROOT, port_in
from tests.metrics.dashboard import queries

# What this machine or these toys do not have: a thermal zone, hooks.
ABSENT = ("edged_board_", "edged_hook_", "edged_frame_rate_limit_hertz")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """Scrapes every second."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        binary = shutil.which("prometheus")
        if binary is None:
            pytest.skip("prometheus is not installed (package prometheus)")
        self._folder = folder
        folder.mkdir()
        config = yaml.safe_load((ROOT / "config/prometheus/edged.yml").read_text(encoding="utf-8"))
        config["scrape_configs"][0] |= {
            "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": [{"targets": targets}],
        }  # fmt: skip
        config["global"] = {"evaluation_interval": "500ms"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        shutil.copy(ROOT / "config/prometheus/alerts.yml", folder)
        self._port = free_port()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self._port}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")
            return None

    def result(self, expression: str) -> list[Any]:
        found = self.ask("query", query=expression)
        return list(found["result"]) if found else []

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Theatre, Stage]]:
    """A camera and an actuator at one broker."""
    for name in ("camera", "actuator"):
        (tmp_path / name).mkdir()
    broker = broker_here()
    broker.start()
    theatre, stage = Theatre(tmp_path / "camera", broker), Stage(tmp_path / "actuator", broker)
    theatre.listen()
    stage.listener.start()
    try:
        yield theatre, stage
    finally:
        stage.close()
        theatre.close()


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_panel_has_something_to_show_and_every_alert_is_loaded(
    pair: tuple[Theatre, Stage], tmp_path: Path
) -> None:
    theatre, stage = pair
    theatre.start()
    stage.start()
    theatre.wait_for("ok")
    targets = [f"127.0.0.1:{port_in(each.log)}" for each in (theatre, stage)]
    prometheus = Prometheus(tmp_path / "prometheus", targets)
    try:
        eventually(lambda: len(prometheus.result("up == 1")) == 2)
        for _ in range(3):
            theatre.pull("faces", "1")
            stage.ends(stage.ask("mark"))
            theatre.pull("faces", "0")
        missing = {}
        for title, expression in queries():
            asked = (
                expression.replace("$__rate_interval", "1m").replace('"$camera"', '".+"').replace('"$actuator"', '".+"')
            )
            if not any(name in asked for name in ABSENT):
                missing[f"{title}: {asked}"] = asked
        assert len(missing) > 30

        def shown() -> bool:
            for key, expression in list(missing.items()):
                if prometheus.result(expression):
                    del missing[key]
            return not missing

        try:
            eventually(shown, 60.0)
        except AssertionError:
            pytest.fail(f"nothing to show: {missing}")
        eventually(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"})
        assert [rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"] == []
        assert theatre.daemon is not None
        theatre.daemon.terminate()
        theatre.daemon.wait(20)
        eventually(lambda: prometheus.result('ALERTS{alertname="EdgedDown"}') != [])
    finally:
        prometheus.close()
