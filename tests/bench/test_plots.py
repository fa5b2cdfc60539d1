from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import plots


@pytest.mark.parametrize("name", plots.PLOTS)
def test_the_committed_picture_shows_its_record(name: str) -> None:
    plot = plots.PLOTS[name]
    text = (plots.RESULTS / f"{name}.svg").read_text()
    assert plots.origin(plot, plots.figures_of(plot)) in text, "run `python -m bench.plots`"


def test_every_picture_is_drawn_and_says_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for plot in plots.PLOTS.values():
        (tmp_path / f"{plot.record}.json").write_text((plots.RESULTS / f"{plot.record}.json").read_text())
    monkeypatch.setattr(plots, "RESULTS", tmp_path)
    plots.main()
    for name, plot in plots.PLOTS.items():
        text = (tmp_path / f"{name}.svg").read_text()
        assert plots.origin(plot, plots.figures_of(plot)) in text
        assert "<dc:date>" not in text  # the same record gives the same bytes on another day
    for value in plots.figures_of(plots.PLOTS["inference_steps"]).values():
        assert re.search(f">{value:.3g}<", (tmp_path / "inference_steps.svg").read_text())


def test_other_figures_have_another_origin() -> None:
    plot = plots.PLOTS["inference_steps"]
    assert plots.origin(plot, {"a": 1.0}) != plots.origin(plot, {"a": 1.1})


def test_exponent_of_a_power_law() -> None:
    rows = [1000, 2000, 8000]
    assert plots.exponent(rows, [3e-6 * n**1.5 for n in rows]) == pytest.approx(1.5)
