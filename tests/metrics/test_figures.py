"""Counting, the page of it, and what keeps both within bounds."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edged.metrics.exposition import exposition
from edged.metrics.figures import MOST_SERIES, Figures, Sample
from edged.metrics.table import ACTUATOR, CAMERA, Family, series_names

COUNTER = Family("edged_things_total", "counter", "Things.", ("kind",))
TIMES = Family("edged_wait_seconds", "histogram", "Waits.", ("kind",), (0.1, 1.0))


def page(figures: Figures, *samples: Sample) -> str:
    return exposition(
        (COUNTER, TIMES), {"camera": "front"}, [*samples, *figures.counters()], figures.histograms()
    ).decode()


def test_a_value_at_the_end_of_a_bucket_is_in_it() -> None:
    figures = Figures([TIMES])
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        figures.observe("edged_wait_seconds", value, "a")
    [(name, labels, distribution)] = figures.histograms()
    assert (name, labels, distribution.counts) == ("edged_wait_seconds", ("a",), (2, 2, 1))
    assert distribution.total == pytest.approx(8.65)


def test_the_page_has_buckets_that_grow_a_sum_and_a_count() -> None:
    figures = Figures([COUNTER, TIMES])
    for value in (0.05, 0.5, 7.0):
        figures.observe("edged_wait_seconds", value, "a")
    lines = page(figures).splitlines()
    assert 'edged_wait_seconds_bucket{camera="front",kind="a",le="0.1"} 1.0' in lines
    assert 'edged_wait_seconds_bucket{camera="front",kind="a",le="1.0"} 2.0' in lines
    assert 'edged_wait_seconds_bucket{camera="front",kind="a",le="+Inf"} 3.0' in lines
    assert 'edged_wait_seconds_count{camera="front",kind="a"} 3.0' in lines


def test_a_counter_is_there_before_its_first_increase() -> None:
    figures = Figures([COUNTER])
    figures.count("edged_things_total", "a", by=0)
    assert 'edged_things_total{camera="front",kind="a"} 0.0' in page(figures)
    figures.count("edged_things_total", "a")
    assert 'edged_things_total{camera="front",kind="a"} 1.0' in page(figures)


def test_labels_from_outside_cannot_fill_the_memory() -> None:
    figures = Figures([COUNTER, TIMES])
    for number in range(10 * MOST_SERIES):
        figures.count("edged_things_total", f"k{number}")
        figures.observe("edged_wait_seconds", 0.5, f"k{number}")
    assert len(figures.counters()) == len(figures.histograms()) == MOST_SERIES + 1
    assert sum(sample.value for sample in figures.counters()) == 10 * MOST_SERIES
    assert Sample("edged_things_total", 9 * MOST_SERIES, ("other",)) in figures.counters()


def test_nothing_is_lost_when_threads_count_and_look_at_the_same_time() -> None:
    figures = Figures([COUNTER, TIMES])

    def work() -> None:
        for _ in range(5000):
            figures.count("edged_things_total", "a")
            figures.observe("edged_wait_seconds", 0.5, "a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        page(figures)
    for thread in threads:
        thread.join()
    assert figures.counters() == [Sample("edged_things_total", 20_000, ("a",))]
    assert figures.histograms()[0][2].counts == (0, 20_000, 0)


def test_a_label_with_quotes_and_lines_is_written_so_that_it_can_be_read() -> None:
    awkward = 'a "b"\\\nc'
    figures = Figures([COUNTER])
    figures.count("edged_things_total", awkward)
    read = [sample for family in text_string_to_metric_families(page(figures)) for sample in family.samples]
    assert [sample.labels["kind"] for sample in read] == [awkward]


@pytest.mark.parametrize("families", [CAMERA, ACTUATOR], ids=["camera", "actuator"])
def test_names_keep_to_the_conventions(families: tuple[Family, ...]) -> None:
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"edged_[a-z]+(_[a-z]+)*", family.name), family
        assert (family.kind == "counter") == family.name.endswith("_total"), family
        assert family.sentence.endswith((".", "…")), family
        assert bool(family.buckets) == (family.kind == "histogram"), family
        assert list(family.buckets) == sorted(set(family.buckets)), family
        assert not {"camera", "actuator", "le", "job", "instance"} & set(family.labels), family
        if family.kind == "histogram":
            assert family.name.endswith("_seconds"), family
            assert series_names(family)[0] == f"{family.name}_bucket"


@pytest.mark.parametrize("families", [CAMERA, ACTUATOR], ids=["camera", "actuator"])
def test_promtool_finds_nothing_to_say_about_the_names(families: tuple[Family, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (package prometheus)")
    figures = Figures(families)
    samples = [Sample(each.name, 1, each.labels) for each in families if each.kind == "gauge"]
    for each in families:
        if each.kind == "counter":
            figures.count(each.name, *each.labels)
        elif each.kind == "histogram":
            figures.observe(each.name, 0.5, *each.labels)
    text = exposition(families, {"camera": "front"}, [*samples, *figures.counters()], figures.histograms())
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
