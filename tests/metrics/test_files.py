"""The dashboard, the alerts and the list of targets name what there is, and promtool likes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any, get_args

import pytest
import yaml

from edged.actuators.loading import load_actuator
from edged.actuators.table import KINDS
from edged.events import HealthStatus
from edged.jobs import ActuatorStatus
from edged.metrics.table import ACTUATOR, CAMERA, series_names
from edged.settings import Settings
from tests.metrics.asking import ROOT
from tests.metrics.dashboard import DASHBOARD, queries

PROMETHEUS = ROOT / "config" / "prometheus"
FAMILIES = {family.name: family for family in (*CAMERA, *ACTUATOR)}
SERIES = {name: family for family in FAMILIES.values() for name in series_names(family)}


def alerts() -> list[dict[str, Any]]:
    read = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (package prometheus)")
    done = subprocess.run([found, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def unknown(expression: str) -> set[str]:
    """Series, labels and their values in a query that there are not."""
    wrong = set(re.findall(r"\bedged_\w+", expression)) - set(SERIES)
    for name, matchers in re.findall(r"\b(edged_\w+)\{([^}]*)\}", expression):
        known = {"camera", "actuator", "job", "instance", "le", *SERIES[name].labels} if name in SERIES else set()
        wrong |= {f"{name}.{label}" for label in re.findall(r"(\w+)\s*[=!]", matchers) if label not in known}
    return wrong


def test_every_query_of_the_dashboard_names_what_there_is() -> None:
    expressions = [expression for _, expression in queries()]
    assert len(expressions) > 30
    assert {expression: wrong for expression in expressions if (wrong := unknown(expression))} == {}


def test_every_figure_has_its_place_in_the_dashboard() -> None:
    shown = set(re.findall(r"\bedged_\w+", " ".join(expression for _, expression in queries())))
    shown |= {"edged_info"}  # by which cameras and actuators are listed
    assert {family.name for family in FAMILIES.values() if not shown & set(series_names(family))} - {
        "edged_info"
    } == set()


def test_the_dashboard_is_one_that_grafana_can_lay_out() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        # A data source of this very machine would be nobody else's.
        for each in (panel, *panel.get("targets", ())):
            assert panel["type"] == "row" or each["datasource"]["uid"] == "${datasource}"


def stats() -> list[dict[str, Any]]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in panels if panel["type"] == "stat"]


def test_what_is_shown_as_now_is_now_and_says_of_whom() -> None:
    """Over a range, the last value of a status of hours ago would stand beside today's."""
    for panel in stats():
        assert all(each["instant"] and not each["range"] for each in panel["targets"]), panel["title"]
        assert panel["options"]["textMode"] in ("auto", "name"), panel["title"]


def test_only_a_good_status_is_green() -> None:
    (panel,) = [each for each in stats() if each["title"] == "Status"]
    colors = {}
    for status in {*get_args(HealthStatus), *get_args(ActuatorStatus)}:
        found = [panel["fieldConfig"]["defaults"]["color"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]:
            if re.search(override["matcher"]["options"].strip("/"), f"front: {status}"):
                found += [each["value"]["fixedColor"] for each in override["properties"]]
        colors[status] = found[-1]
    assert [status for status, color in colors.items() if color == "green"] == ["ok"]
    assert {colors[status] for status in ("no_camera", "stalled", "stopped")} == {"red"}


def test_every_alert_names_what_there_is_says_what_to_do_and_has_two_cases() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text(encoding="utf-8"))["tests"]
    tried = [(each["alertname"], bool(each["exp_alerts"])) for case in cases for each in case["alert_rule_test"]]
    for rule in alerts():
        assert unknown(rule["expr"]) == set(), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert {(rule["alert"], True), (rule["alert"], False)} <= set(tried), f"{rule['alert']} wants a case"


def test_the_targets_are_the_ports_that_are_the_default() -> None:
    read = yaml.safe_load((PROMETHEUS / "edged.yml").read_text(encoding="utf-8"))
    targets = read["scrape_configs"][0]["static_configs"][0]["targets"]
    settings = [Settings().metrics, *(load_actuator(kind, None, {}, {}).settings.metrics for kind in KINDS)]
    assert targets == [f"{each.address}:{each.port}" for each in settings]


def test_promtool_likes_the_alerts() -> None:
    promtool("check", "rules", "alerts.yml")


def test_promtool_likes_the_targets() -> None:
    promtool("check", "config", "edged.yml")


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", "alerts.test.yml")
