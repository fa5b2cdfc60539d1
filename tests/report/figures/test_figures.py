"""What figures show, read back from their SVG and their descriptions."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from scalable.report.figures import bars, labels, latency, pareto, quality, scaling, style, waterfall
from scalable.report.figures.style import SERIES, Palette, variable


def description(picture):
    return re.search(r"<desc[^>]*>(.*?)</desc>", picture.svg)[1]


def texts(picture):
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)


def test_a_palette_keeps_its_colours_and_starts_again_when_used_up():
    palette = Palette()
    given = [palette.colour(f"name {n}") for n in range(len(SERIES) + 1)]
    assert given[: len(SERIES)] == list(SERIES)
    assert given[-1] == SERIES[0]
    assert palette.colour("name 3") == SERIES[3]
    assert palette.entry("name 1").colour == variable(SERIES[1]) == "--s2"


def test_bars_are_as_long_as_their_values():
    items = [bars.Bar("half", 2.0, "2.12345 s", SERIES[0]), bars.Bar("whole", 4.0, "4 s", SERIES[0])]
    picture = bars.bars("Time", items)
    assert description(picture) == "half: 2.12345 s; whole: 4 s"
    assert "2.12345 s" in texts(picture)  # coordinates are rounded, text is not
    paths = re.findall(r'd="M ([\d.]+) [^"]*?L ([\d.]+) [^"]*"[^>]*fill: var\(--s1\)', picture.svg)
    lengths = [abs(float(right) - float(left)) for left, right in paths]
    assert lengths[0] == pytest.approx(lengths[1] / 2, rel=0.01)


POINTS = [
    pareto.Contender("slow and good", 10.0, 0.90),
    pareto.Contender("fast and bad", 1.0, 0.80),
    pareto.Contender("beaten", 5.0, 0.79),
    pareto.Contender("between", 4.0, 0.85, ours=True),
]


def test_the_front_is_what_nobody_beats_on_both():
    names = [point.name for point in pareto.front(POINTS, larger=True)]
    assert names == ["fast and bad", "between", "slow and good"]
    losses = [pareto.Contender(p.name, p.seconds, 1 - p.quality) for p in POINTS]
    assert [point.name for point in pareto.front(losses, larger=False)] == names


def test_of_equals_in_time_only_the_better_is_on_the_front():
    tied = [pareto.Contender("worse", 1.0, 0.1), pareto.Contender("better", 1.0, 0.2)]
    assert [point.name for point in pareto.front(tied, larger=True)] == ["better"]


def test_pareto_names_everyone():
    picture = pareto.pareto("AUC against time", "AUC", True, POINTS, Palette())
    names = ["1 fast and bad", "2 between", "3 beaten", "4 slow and good"]  # as numbered in the figure
    assert [entry.name for entry in picture.legend] == names
    assert {"1", "2", "3", "4"} <= set(texts(picture))
    assert "beaten: 5 s, AUC 0.79000" in description(picture)
    assert "Diamonds" in picture.caption


def test_names_stand_apart():
    points = [(0.5 + 0.01 * n, 0.5) for n in range(5)]
    with style.canvas() as (figure, axes):
        axes.set(xlim=(0, 1), ylim=(0, 1))
        figure.draw_without_rendering()
        labels.place(axes, points, [f"name {n}" for n in range(5)], ["red"] * 5, 8)
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_scaling_curves_say_their_values():
    picture = scaling.cost_per_row({"train": [(1e8, 2e-8), (1e7, 1e-8)]}, Palette())
    assert description(picture) == "train: 10 ns at 10M, 20 ns at 100M"
    picture = scaling.workers({"train": [(1, 1.0), (2, 1.9)]}, Palette())
    assert picture.legend[-1].name == "ideal"
    assert {"1", "2"} <= set(texts(picture))


def test_memory_starts_at_zero_and_counts_in_powers_of_two():
    labels = texts(scaling.memory({"train": [(1e7, 3e8), (1e8, 3.1e8)]}, Palette()))
    assert {"0 B", "128 MiB", "256 MiB"} <= set(labels)


@pytest.mark.parametrize(("larger", "factors"), [(False, ["2×", "0.5×"]), (True, ["0.5×", "2×"])])
def test_waterfall_says_what_each_step_brought(larger, factors):
    steps = [{"name": "start", "value": 10.0}, {"name": "a", "value": 5.0}, {"name": "b", "value": 10.0}]
    words = description(waterfall.waterfall("Steps", "ns/row", steps, larger))
    assert words == f"start: 10 ns/row; a: 5 ns/row  ({factors[0]}); b: 10 ns/row  ({factors[1]})"


def test_sparse_groups_of_a_reliability_diagram_are_joined():
    groups = [
        {"predicted": 0.001, "observed": o, "weight": 1000.0, "error": 0.0}
        for o in (0.0, 0.0, 0.003, 0.001, 0.0)
    ]
    groups += [{"predicted": 0.1, "observed": 0.2, "weight": 1000.0, "error": 0.0}]
    joined = quality._joined(groups)
    assert [group["weight"] for group in joined] == [5000, 1000]
    assert joined[0]["observed"] == pytest.approx(0.0008)
    assert joined[0]["error"] == pytest.approx(np.sqrt(0.001 * 0.999 / 5000))
    assert groups[0]["weight"] == 1000.0  # the document is left alone


def engine(name, p50, **more):
    quantiles = [[q / 100, p50 * (0.5 + q / 100)] for q in range(101)]
    return {
        "engine": name,
        "batch": 1,
        "p50_us": p50,
        "p99_us": p50 * 1.49,
        "quantiles_us": quantiles,
        **more,
    }


def test_the_baseline_is_the_marked_engine_or_lightgbms_own():
    ours, native, other = engine("ours", 5), engine("LightGBM Booster.predict", 50), engine("other", 9)
    assert latency.baseline([ours, native, other]) is native
    other["baseline"] = True
    assert latency.baseline([ours, native, other]) is other
    assert latency.baseline([ours]) is None


def test_speedups_are_relative_to_the_baseline():
    rows = [engine("ours", 5.0), engine("Booster.predict", 50.0)]
    picture = latency.speedups("1", rows, Palette())
    assert description(picture) == "ours: 10×; Booster.predict: 1×"
    assert latency.speedups("1", rows[:1], Palette()) is None


def test_distributions_are_labelled_in_units_of_time():
    picture = latency.distribution("1000", [engine("ours", 5.0), engine("Booster.predict", 500.0)], Palette())
    assert picture.title == "1,000 rows a call"
    assert description(picture) == "ours: p50 5 µs, p99 7.45 µs; Booster.predict: p50 500 µs, p99 745 µs"
    assert any(text.endswith("µs") for text in texts(picture))
