"""A comparison becomes a record: no paths of a machine, a picture, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import plots
from bench.peers import page
from bench.peers.picture import PLOT, draw
from scalable.report.document import new_results
from scalable.report.results import read_results, write_results


def _results(out: Path) -> Path:
    def peer(name: str, seconds: float, auc: float) -> dict[str, Any]:
        command = (
            f"/some/where/.venv/bin/python -m bench.peers.child linear {name} --task {out}/tasks/linear.json"
        )
        return {
            "job": "linear", "peer": name, "status": "ok", "ours": name == "ours", "seconds": seconds,
            "least_seconds": seconds, "most_seconds": 2 * seconds, "quality": {"auc": auc}, "command": command,
        }  # fmt: skip

    lost = "cannot import name (/some/where/.venv-peers/lib/python3.11/site-packages/x.py)"
    gone = {"job": "linear", "peer": "gone", "status": "absent", "message": lost}
    points = [[n / 1000, float(n)] for n in range(1001)]
    latency = {"1": [{"engine": "e", "p50_us": 1.0, "quantiles_us": points}]}
    sections = {"peers": [peer("ours", 1.0, 0.7), peer("theirs", 2.0, 0.6), gone], "latency": latency}
    write_results(
        out / "results.json", new_results("versus", sections, command=f"scalable versus --out {out}")
    )
    return out / "results.json"


def test_a_record_says_nothing_of_where_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "README.md").write_text(
        "<!-- table:versus:peers ?job=linear peer status quality.auc=AUC -->\n<!-- /table -->\n"
    )
    page.record(_results(tmp_path / "out"), tmp_path)
    document = read_results(tmp_path / page.RECORD)
    assert str(tmp_path) not in json.dumps(document)
    assert "/some" not in json.dumps(document)
    ours, _, gone = document["sections"]["peers"]
    assert (
        ours["command"] == ".venv/bin/python -m bench.peers.child linear ours --task versus/tasks/linear.json"
    )
    assert gone["message"] == "cannot import name (.venv-peers/lib/python3.11/site-packages/x.py)"
    assert document["command"] == "scalable versus --out versus"
    points = document["sections"]["latency"]["1"][0]["quantiles_us"]
    assert len(points) < 90
    assert points[-1] == [1.0, 1000.0]
    assert "| ours | ok | 0.7000 |" in (tmp_path / "README.md").read_text()
    picture = (tmp_path / page.PICTURE).read_text()
    assert plots.origin(PLOT, PLOT.figures(document["sections"])) in picture
    assert ">ours<" in picture


def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["page", str(tmp_path / "nowhere")])
    assert page.main() == 1
    assert "results.json: cannot be read" in capsys.readouterr().err


def test_the_committed_picture_shows_its_record() -> None:
    text = (plots.RESULTS / "versus.svg").read_text()
    assert plots.origin(PLOT, plots.figures_of(PLOT)) in text, "run `python -m bench.plots`"


@pytest.mark.parametrize(("least", "most"), [(30.0, 160.0), (0.2, 40.0), (2.0, 3.0)])
def test_every_axis_of_time_has_numbers(least: float, most: float) -> None:
    found = {
        name: {"seconds": [seconds] * 3, "auc": 0.7, "ours": name == "ours"}
        for name, seconds in (("ours", least), ("theirs", most))
    }
    (axes,) = draw({"boosting": found}).axes
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert len(shown) >= 1 if most < 2 * least else len(shown) >= 2
