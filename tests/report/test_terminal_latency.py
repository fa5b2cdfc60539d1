"""The terminal's tables of latency: quantiles of enough calls, absences once, everything that was measured."""

from io import StringIO

import pytest
from rich.console import Console

from scalable.report import render
from scalable.report.others import machine_line
from scalable.report.terminal import print_summary


@pytest.fixture
def sections():
    engine = {"engine": "ours", "calls": 400, "p50_us": 2.0, "p99_us": 5.0, "load_seconds": 0.25, "batch": 1,
              "memory_bytes": 2**20, "first_prediction_seconds": 0.5}  # fmt: skip
    absent = {"engine": "theirs", "status": "absent", "message": "not installed", "batch": 1}
    few = {"engine": "ours", "calls": 5, "p50_us": 200.0, "p99_us": 777.0, "batch": 1000}
    served = {"engine": "ours", "mode": "one at a time", "fraction": 0.5, "rate": 1000.0, "calls": 400, "p50_us": 3.0,
              "p99_us": 9.0}  # fmt: skip
    return {
        "latency": {"1": [engine, absent], "1000": [few]},
        "open_loop": [served],
        "waterfall": [{"title": "Steps", "unit": "us/row", "steps": [{"name": "walk", "value": 1.5}]}],
        "requests": [{"request": "dict", "engine": "ours", "calls": 300, "p50_us": 12.0}],
    }


def printed(results):
    out = StringIO()
    print_summary(results, Console(file=out, width=200))
    return out.getvalue()


def test_everything_measured_is_seen_and_absences_once(sections):
    text = printed({"sections": sections, "machine": {"others": 0.1, "load": 3.0, "cores": 2}})
    for shown in (
        "one row at a time",
        "1,000 rows a call",
        "Loading",
        "1 MiB",
        "Open loop",
        "Steps",
        "Requests",
        "dict",
    ):
        assert shown in text, shown
    assert text.count("theirs") == 1
    assert "theirs: absent, not installed" in text
    assert "777" not in text  # the slowest of five calls is no p99
    assert "busy" not in text


def test_other_work_on_the_machine_is_said_in_one_line(sections):
    results = {"sections": sections, "machine": {"others": 1.8, "load": 0.1, "cores": 2}}
    text = printed(results)
    assert "The machine was busy: others used 1.8 of its processors; ratios" in render([results])
    assert text.count("The machine was busy: others used 1.8 of its processors") == 1
    assert machine_line({"others": None, "load": 18.0}) is None
