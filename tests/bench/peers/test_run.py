"""The whole comparison: order, journal, resuming, what ends up in the document."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.peers import profiles, run
from bench.peers.launch import Launch
from bench.peers.registry import CONTENDERS
from bench.peers.summary import peer_row, sections
from scalable.errors import UsageError
from scalable.report import render
from scalable.report.results import read_results


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALABLE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(
        profiles.PROFILES,
        "quick",
        replace(
            profiles.PROFILES["quick"],
            rows=20_000,
            row_group=1024,
            generated=3_000,
            served=3,
            repeats=2,
            timeout=120,
        ),
    )


class _Fake:
    """Stands in for the processes of contenders and notes who ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, die_after: int | None = None) -> None:
        self.ran: list[tuple[str, str]] = []
        self.die_after = die_after
        monkeypatch.setattr(run, "launch", self)

    def __call__(self, how: Launch, job: str, name: str, task: Path) -> dict[str, Any]:
        if len(self.ran) == self.die_after:
            raise KeyboardInterrupt
        assert json.loads(task.read_text())["job"] == job
        self.ran.append((job, name))
        if name == "vw text":
            return {"status": "absent", "message": "no vw"}
        if name == "snapml":
            return {"status": "failed", "message": "it broke"}
        return {"status": "ok", "seconds": float(len(self.ran)), "rows": 10, "quality": {"auc": 0.5}}


def test_contenders_take_turns_and_failures_are_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = _Fake(monkeypatch)
    found = run.run_versus("quick", ["linear"], tmp_path / "out", threads=1)
    names = [entry.name for entry in CONTENDERS["linear"]]
    assert [name for _, name in fake.ran[: len(names)]] == names
    second = [name for _, name in fake.ran[len(names) :]]
    rotated = [*names[1:], names[0]]
    assert second == [name for name in rotated if name not in ("vw text", "snapml")]
    rows = {row["peer"]: row for row in found["sections"]["peers"]}
    assert (rows["vw text"]["status"], rows["vw text"]["message"]) == ("absent", "no vw")
    assert rows["snapml"]["status"] == "failed"
    assert rows["scalable sgd"]["ours"]
    assert len(rows["scalable sgd"]["samples"]) == 2
    dataset = found["sections"]["dataset"]
    assert rows["liblinear"]["checksum"] == dataset["checksum"]
    assert dataset["train_rows"] + dataset["held_out_rows"] == 20_000
    assert found["kind"] == "versus"
    assert read_results(tmp_path / "out" / "results.json") == found
    assert "it broke" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("die_after", [0, 3, 12])
def test_an_interrupted_comparison_resumes_where_it_was(
    die_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _Fake(monkeypatch)
    run.run_versus("quick", ["linear"], tmp_path / "whole", threads=1)
    first = _Fake(monkeypatch, die_after)
    with pytest.raises(KeyboardInterrupt):
        run.run_versus("quick", ["linear"], tmp_path / "out", threads=1)
    second = _Fake(monkeypatch)
    run.run_versus("quick", ["linear"], tmp_path / "out", resume=True, threads=1)
    assert first.ran + second.ran == whole.ran
    third = _Fake(monkeypatch)
    run.run_versus("quick", ["linear"], tmp_path / "out", resume=True, threads=1)
    assert not third.ran


def test_a_killed_comparison_leaves_a_whole_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Fake(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        run.run_versus("quick", ["linear"], tmp_path / "out", threads=1)
    found = read_results(tmp_path / "out" / "results.json")["sections"]
    assert Counter(row["status"] for row in found["peers"]) == {"ok": 3, "not run": 7}
    assert found["setting"]["unfinished"] == "interrupted in repeat 1"
    assert found["dataset"]["rows"] == 20_000
    assert "its turn did not come" in render([{**read_results(tmp_path / "out" / "results.json")}])


def test_other_jobs_are_kept_on_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Fake(monkeypatch)
    run.run_versus("quick", ["linear"], tmp_path / "out", threads=1)
    found = run.run_versus("quick", ["generation"], tmp_path / "out", resume=True, threads=1, rounds=1)
    assert {row["job"] for row in found["sections"]["peers"]} == {"linear", "generation"}
    assert found["sections"]["dataset"]["rows"] == 20_000
    assert found["sections"]["setting"]["repeats"] == "1 to 2"
    assert "unfinished" not in found["sections"]["setting"]


def test_what_there_is_no_time_for_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _Fake(monkeypatch)
    found = run.run_versus("quick", ["generation"], tmp_path / "out", threads=1, within=0)
    assert not fake.ran
    assert {row["status"] for row in found["sections"]["peers"]} == {"not run"}
    assert found["sections"]["setting"]["unfinished"] == "no time for 10 of the 10 turns asked for"
    found = run.run_versus("quick", ["generation"], tmp_path / "out", resume=True, threads=1, within=1e6)
    assert {row["repeats"] for row in found["sections"]["peers"]} == {2}


def test_starting_over_by_mistake_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Fake(monkeypatch)
    run.run_versus("quick", ["generation"], tmp_path / "out", threads=1, rounds=1)
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    run.run_versus("quick", ["generation"], tmp_path / "out", threads=1, rounds=1)
    assert (tmp_path / "out" / "previous.jsonl").read_bytes() == before


def test_resuming_may_ask_for_more_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = _Fake(monkeypatch)
    run.run_versus("quick", ["linear"], tmp_path / "out", threads=1, rounds=1)
    assert len(once.ran) == len(CONTENDERS["linear"])
    more = _Fake(monkeypatch)
    found = run.run_versus("quick", ["linear"], tmp_path / "out", resume=True, threads=1, rounds=3)
    assert Counter(more.ran)["linear", "scalable sgd"] == 2
    assert found["sections"]["setting"]["repeats"] == "3"


def test_another_setting_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Fake(monkeypatch)
    run.run_versus("quick", ["generation"], tmp_path / "out", threads=1)
    with pytest.raises(UsageError, match=r"was begun with the setting {'threads': 1}, not {'threads': 2}"):
        run.run_versus("quick", ["generation"], tmp_path / "out", resume=True, threads=2)
    with pytest.raises(UsageError, match="'limit': '7 s'"):
        run.run_versus("quick", ["generation"], tmp_path / "out", resume=True, threads=1, limit=7)


def test_bad_requests_are_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="quick, standard, full"):
        run.run_versus("huge", None, tmp_path / "out")
    with pytest.raises(UsageError, match="cooking"):
        run.run_versus("quick", ["cooking"], tmp_path / "out")
    monkeypatch.setenv("SCALABLE_VERSUS_CACHE", "tepid")
    with pytest.raises(UsageError, match="warm, cold"):
        run.run_versus("quick", ["linear"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_processes_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = replace(profiles.PROFILES["quick"], repeats=1)  # turns and repeats are shown by others
    monkeypatch.setitem(profiles.PROFILES, "quick", once)
    ours = tuple(e for e in CONTENDERS["linear"] if e.name in ("scalable newton", "bare scan"))
    monkeypatch.setitem(CONTENDERS, "linear", ours)
    found = run.run_versus("quick", ["linear"], tmp_path / "out", threads=1)
    rows = {row["peer"]: row for row in found["sections"]["peers"]}
    assert Counter(row["status"] for row in rows.values()) == {"ok": 2}
    newton = rows["scalable newton"]
    assert 0.5 < newton["quality"]["auc"] < found["sections"]["dataset"]["truth"]["auc"]["expected"] + 0.02
    assert newton["peak_memory_bytes"] > 10 * 2**20
    assert newton["rows"] == found["sections"]["dataset"]["train_rows"]
    assert (newton["threads"], newton["cache"]) == (1, "warm")
    assert "bench.peers.child linear 'scalable newton'" in newton["command"]


def test_summary_is_median_of_times_and_worst_of_memory() -> None:
    runs = [
        {"job": "linear", "peer": "p", "repeat": i, "status": "ok", "seconds": s, "peak_memory_bytes": m, "rows": 5,
         "quality": {"auc": a}}
        for i, (s, m, a) in enumerate([(3.0, 10, 0.7), (1.0, 30, 0.7), (2.0, 20, 0.6)])
    ]  # fmt: skip
    row = peer_row(runs)
    assert (row["seconds"], row["samples"], row["peak_memory_bytes"]) == (2.0, [3.0, 1.0, 2.0], 30)
    assert row["quality_range"] == {"auc": pytest.approx(0.1)}
    failed = peer_row([*runs, {**runs[0], "status": "failed", "message": "at last"}])
    assert (failed["status"], failed["message"], failed["samples"]) == ("failed", "at last", [3.0, 1.0, 2.0])


def test_latency_keeps_the_run_of_the_median_and_all_medians() -> None:
    def one(repeat: int, p50: float) -> dict[str, Any]:
        lines = [{"engine": "e", "batch": b, "p50_us": p50 * b, "p99_us": 9 * p50} for b in (1, 100)]
        return {
            "job": "inference",
            "peer": "e",
            "repeat": repeat,
            "status": "ok",
            "latency": lines,
            "version": "1",
        }

    absent = {"job": "inference", "peer": "f", "repeat": 0, "status": "absent", "message": "none"}
    found = sections([one(0, 5.0), absent, one(1, 3.0), one(2, 4.0)])["latency"]
    assert list(found) == ["1", "100"]
    assert (found["1"][0]["p50_us"], found["1"][0]["samples_us"]) == (4.0, [3.0, 4.0, 5.0])
    assert found["1"][1]["message"] == "none"
    assert found["100"][0]["p50_us"] == 400.0
