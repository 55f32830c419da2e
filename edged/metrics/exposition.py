"""Prometheus' text format. The only file that imports prometheus_client.

Everything is read at the moment it is asked for (a custom collector); the library keeps no figures of ours, and its
own registry, with figures of the interpreter that nobody asked for, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from edged.metrics.figures import Distribution, Labels, Sample
from edged.metrics.table import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def exposition(
    families: Iterable[Family],
    common: Mapping[str, str],
    samples: Iterable[Sample],
    histograms: Iterable[tuple[str, Labels, Distribution]],
) -> bytes:
    """The page of /metrics. common: labels that every series bears. Raises KeyError for what is not in the table."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(_metrics(families, common, samples, histograms)))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, metrics: Iterable[_Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[_Metric]:
        return iter(self._metrics)


def _metrics(
    families: Iterable[Family],
    common: Mapping[str, str],
    samples: Iterable[Sample],
    histograms: Iterable[tuple[str, Labels, Distribution]],
) -> list[_Metric]:
    made: dict[str, _Metric] = {}
    rows = {family.name: family for family in families}
    values = list(common.values())
    for family in rows.values():
        labels = [*common, *family.labels]
        if family.kind == "histogram":
            made[family.name] = HistogramMetricFamily(family.name, family.sentence, labels=labels)
        elif family.kind == "counter":
            made[family.name] = CounterMetricFamily(family.name, family.sentence, labels=labels)
        else:
            made[family.name] = GaugeMetricFamily(family.name, family.sentence, labels=labels)
    for name, value, labels_of in samples:
        metric = made[name]
        assert not isinstance(metric, HistogramMetricFamily)
        metric.add_metric([*values, *labels_of], value)
    for name, labels_of, distribution in histograms:
        metric = made[name]
        assert isinstance(metric, HistogramMetricFamily)
        metric.add_metric([*values, *labels_of], _cumulative(rows[name], distribution), distribution.total)
    return list(made.values())


def _cumulative(family: Family, distribution: Distribution) -> list[tuple[str, float]]:
    found = []
    so_far = 0
    for end, count in zip([*map(str, family.buckets), "+Inf"], distribution.counts, strict=True):
        so_far += count
        found.append((end, float(so_far)))
    return found
