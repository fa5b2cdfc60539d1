"""asv's files, as asv 0.6 writes them."""

from __future__ import annotations

import json
import math

import pytest

from scalable.cli.bench.report import command
from scalable.errors import DataError
from scalable.report.asv import read_asv
from scalable.report.page import render

COLUMNS = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"]


def result(commit, date, seconds):
    return {
        "commit_hash": commit, "date": date, "params": {"machine": "box"}, "result_columns": COLUMNS, "version": 2,
        "results": {
            "linear.Sgd.time_epoch": [
                seconds, [["10", "1000"], ["'a'"]], "v", date, 1.0,
                [value * 0.9 if value else None for value in seconds], [-math.inf, math.inf],
            ],
            "linear.track_rows": [[7.5], [], "v", date, 1.0],
            "linear.failing": [None, [], "v", date, 1.0],
        },
    }  # fmt: skip


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / ".asv" / "results"
    (root / "box").mkdir(parents=True)
    units = {
        "linear.Sgd.time_epoch": {"unit": "seconds"},
        "linear.track_rows": {"unit": "ns/row"},
        "version": 2,
    }
    (root / "benchmarks.json").write_text(json.dumps(units))
    machine = {
        "machine": "box",
        "cpu": "a cpu",
        "num_cpu": "2",
        "ram": "16315432",
        "os": "Linux",
        "version": 1,
    }
    (root / "box" / "machine.json").write_text(json.dumps(machine))
    for number, seconds in enumerate([[0.5, 2.0], [0.4, None], [0.25, math.nan]]):
        path = root / "box" / f"{number}-env.json"
        path.write_text(json.dumps(result(f"{number:x}" * 40, 1_700_000_000_000 + number, seconds)))
    return root


def test_reads_values_units_and_intervals(directory):
    document = read_asv(directory)
    series = {(line["benchmark"], line["params"]): line for line in document["sections"]["history"]}
    assert set(series) == {
        ("linear.Sgd.time_epoch", "10, a"),
        ("linear.Sgd.time_epoch", "1000, a"),
        ("linear.track_rows", ""),
    }
    epoch = series["linear.Sgd.time_epoch", "10, a"]
    assert epoch["unit"] == "seconds"
    assert [point["value"] for point in epoch["points"]] == [0.5, 0.4, 0.25]
    assert epoch["points"][0]["low"] == pytest.approx(0.45)
    assert epoch["points"][0]["high"] is None  # asv writes an infinity for too few samples
    assert len(series["linear.Sgd.time_epoch", "1000, a"]["points"]) == 1
    assert document["machine"] == {
        "cpu": "a cpu",
        "cores": 2,
        "memory_bytes": 16315432 * 1024,
        "system": "Linux",
    }
    assert document["git_commit"] == "2" * 40


def test_numbers_among_parameters_are_named(directory):
    known = json.loads((directory / "benchmarks.json").read_text())
    known["linear.Sgd.time_epoch"]["param_names"] = ["rows", "kind"]
    (directory / "benchmarks.json").write_text(json.dumps(known))
    named = {line["params"] for line in read_asv(directory)["sections"]["history"]}
    assert named == {"rows 10, a", "rows 1000, a", ""}


def test_one_commit_is_no_history_and_far_values_share_a_log_axis(directory):
    for name in ("1-env.json", "2-env.json"):
        (directory / "box" / name).unlink()
    page = render([read_asv(directory)])
    assert "<svg" not in page
    assert "linear.track_rows" in page  # in the table
    far = result("3" * 40, 1_700_000_000_009, [0.01, 2.0])
    (directory / "box" / "3-env.json").write_text(json.dumps(far))
    page = render([read_asv(directory)])
    assert page.count("<svg") == 2
    assert page.count("Log scale.") == 1
    assert page.count("Bands: 99% intervals.") == 1  # tracked numbers have none


def test_history_is_a_page_of_its_own(directory, tmp_path):
    command(asv=directory, out=tmp_path / "history.html", quiet=True)
    assert "linear.Sgd.time_epoch" in (tmp_path / "history.html").read_text()


def test_the_directory_above_will_do(directory):
    assert read_asv(directory.parent) == read_asv(directory)


def test_becomes_a_page(directory):
    page = render([read_asv(directory)])
    assert "linear.Sgd.time_epoch" in page
    assert "−50.0%" in page or "-50.0%" in page
    assert page.count("<svg") == 2


def test_one_of_several_machines_must_be_named(directory):
    (directory / "other").mkdir()
    (directory / "other" / "machine.json").write_text("{}")
    with pytest.raises(DataError, match=r"\['box', 'other'\]; name the one"):
        read_asv(directory)
    assert read_asv(directory, machine="box")["sections"]["history"]


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_damaged_files_are_named(directory, content):
    (directory / "box" / "1-env.json").write_text(content)
    with pytest.raises(DataError, match=r"1-env\.json"):
        read_asv(directory)


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"benchmarks\.json: cannot be read"):
        read_asv(tmp_path)
