"""The gate: its verdicts on known samples, and its turns on real builds, one slowed on purpose."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from bench.gate.build import ROOT, build, commit_of, same_packages
from bench.gate.calibrate import calibrate, search
from bench.gate.check import SLOWED, _all, by_work, count, error_rates, kept, trusted
from bench.gate.slowdown import SLOWDOWNS, Slowdown, inject
from bench.gate.turns import side, take_turns
from bench.gate.verdict import interval, judge, judge_all, markdown, sign_p
from scalable.errors import UsageError


def _noise(n: int, scale: float, seed: int = 0) -> np.ndarray:
    return 100 * np.exp(np.random.default_rng(seed).normal(0, scale, n))


def test_sign_p_is_the_binomial_test() -> None:
    for slower in range(13):
        ratios = [1.5] * slower + [0.9] * (12 - slower)
        assert sign_p(ratios) == pytest.approx(binomtest(slower, 12, alternative="greater").pvalue)


def test_a_slowdown_of_a_fifth_is_flagged_and_noise_is_not() -> None:
    a, b = _noise(36, 0.03, 1), _noise(36, 0.03, 2)
    assert judge(a, b)["verdict"] == "same"
    assert judge(a, 1.2 * b)["verdict"] == "slower"
    assert judge(1.2 * b, a)["verdict"] == "faster"
    assert judge(a, 1.05 * a * _noise(36, 0.02, 3) / 100)["verdict"] == "slower", "a twentieth, less noise"
    assert judge(a, 1.02 * a)["verdict"] == "same", "sure, but within the factor"
    assert judge([100, 100], [150, 150])["verdict"] == "cannot tell", "two pairs are not enough to be sure"


def test_drift_shared_by_both_sides_does_not_flag() -> None:
    drift = np.linspace(1, 4, 36)
    assert judge(drift * _noise(36, 0.03, 3), drift * _noise(36, 0.03, 4))["verdict"] == "same"


def test_wild_noise_on_one_side_is_not_called_sure() -> None:
    random = np.random.default_rng(5)
    found = judge(_noise(36, 0.01), 100 * np.where(random.random(36) < 0.6, 1.3, 0.8))
    assert found["ratio"] > 1.1
    assert found["verdict"] == "cannot tell"


def test_the_interval_of_a_median_has_the_level_it_says() -> None:
    for n in range(6, 40):
        least, most = interval(range(n))
        k = int(least) + 1
        assert most == n - k
        assert 2 * binom.cdf(k - 1, n, 0.5) <= 0.05 < 2 * binom.cdf(k, n, 0.5)
    assert interval([1.0, 2.0]) == (0.0, float("inf"))


def test_noise_too_wild_to_call_the_sides_alike_is_said() -> None:
    found = judge(_noise(36, 0.01), 100 * np.linspace(0.7, 1.5, 36))
    assert found["verdict"] == "cannot tell"
    text = markdown(judge_all({"wild": {"base": [1.0] * 4, "head": [1.0] * 4}}), "main", "topic")
    assert "nothing slower; cannot tell: wild" in text


def _run(
    check: str, slower: tuple[str, ...] = (), works: tuple[str, ...] = ("a", "b"), ratio: float = 1.0
) -> Any:
    return {"check": check, "slower": list(slower), "faster": [], "ratios": dict.fromkeys(works, ratio)}


def test_false_alarms_are_told_with_what_they_bound() -> None:
    rows = [_run(f"A/A {k}") for k in range(30)]
    found = error_rates(rows)
    assert found["comparisons"] == 60
    assert found["rate_at_most"] == pytest.approx(1 - 0.05 ** (1 / 60))
    rows[3]["faster"] = ["a"]
    found = error_rates(rows)
    assert found["false_alarms"] == 1, "faster than itself is as wrong as slower"
    assert binom.cdf(1, 60, found["rate_at_most"]) == pytest.approx(0.05)
    assert [row["false_alarms"] for row in by_work(rows)] == [1, 0]


def test_slowdowns_found_are_told_with_what_they_bound() -> None:
    works = tuple(SLOWED)
    rows = [_run(f"slowed {k}", works, works, 1.05) for k in range(20)]
    rows[7]["slower"] = list(works[1:])
    found = error_rates(rows)
    assert found["slowdowns"] == 20 * len(works)
    assert found["slowdowns_found"] == 20 * len(works) - 1
    assert binom.sf(
        found["slowdowns_found"] - 1, found["slowdowns"], found["found_at_least"]
    ) == pytest.approx(0.05)
    assert found["comparisons"] == 0, "a slowed run is no comparison of alike builds"


@pytest.mark.parametrize(
    ("alarms", "comparisons", "found", "slowdowns", "well"),
    [(1, 1000, 95, 100, True), (2, 1000, 95, 100, False), (0, 1000, 94, 100, False), (2, 2000, 0, 0, True),
     (0, 0, 0, 0, False)],
)  # fmt: skip
def test_what_is_trusted(alarms: int, comparisons: int, found: int, slowdowns: int, well: bool) -> None:
    rates = {
        "false_alarms": alarms, "comparisons": comparisons, "slowdowns_found": found, "slowdowns": slowdowns
    }  # fmt: skip
    assert trusted(rates) is well


def test_a_check_goes_on_with_a_record_of_the_same_commit_only(tmp_path: Path) -> None:
    record, setting = tmp_path / "gate.json", {"commit": "a" * 40, "share": 0.05}
    assert kept(record, setting) == []
    rows = [_run("A/A 1"), _run("A/A 2"), _run("slowed 1")]
    record.write_text(json.dumps({"sections": {"gate_check": rows, "setting": setting}}))
    assert kept(record, setting) == rows
    assert (count(rows, "A/A"), count(rows, "slowed")) == (2, 1)
    with pytest.raises(UsageError, match="was made with"):
        kept(record, {**setting, "commit": "b" * 40})


def test_summary_names_what_is_slower_and_what_was_skipped() -> None:
    rows = judge_all({
        "fast": {"base": [1.0] * 20, "head": [1.0] * 20},
        "slow": {"base": [1.0] * 20, "head": [2.0] * 20},
        "new": {"base": [], "head": [], "missing": "base: ImportError: no module"},
    })  # fmt: skip
    text = markdown(rows, "main", "topic")
    assert "topic against main: **slower: slow**" in text
    assert "| new | | | | | | skipped: base: ImportError: no module |" in text
    assert "2.000" in text


def test_a_reason_with_lines_and_bars_stays_in_its_cell() -> None:
    text = markdown([{"work": "new", "verdict": "skipped", "message": "head:\nint | None"}], "main", "topic")
    assert "| new | | | | | | skipped: head: int \\| None |" in text


def test_sides_that_do_not_differ_are_not_measured(tmp_path: Path) -> None:
    for side_name, extra in (("one", ""), ("other", "x = 1\n")):
        for package in ("scalable", "data_gen", "bench"):
            (tmp_path / side_name / package).mkdir(parents=True)
            (tmp_path / side_name / package / "a.py").write_text(extra if package == "bench" else "")
    one, other = tmp_path / "one", tmp_path / "other"
    assert same_packages(one, other), "what measures does not count"
    (other / "scalable" / "a.py").write_text("x = 1\n")
    assert not same_packages(one, other)
    (other / "scalable" / "a.py").rename(other / "scalable" / "b.py")
    (one / "scalable" / "a.py").write_text("x = 1\n")
    assert not same_packages(one, other), "the same content under another name"
    assert "nothing to measure" in markdown([], "main", "topic")


def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(UsageError, match="no-such-branch: not a commit"):
        commit_of("no-such-branch")


@pytest.mark.slow
def test_a_wheel_holds_the_packages_of_its_commit(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    made = build("HEAD", tmp_path / "packages")
    for package in ("scalable", "data_gen", "bench"):
        assert (made.directory / package / "__init__.py").is_file()
    assert (made.directory / "scalable" / "report" / "page.html.j2").is_file()


def _copy(target: Path) -> Path:
    for package in ("scalable", "data_gen"):
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_sides_import_their_own_copy_and_an_error_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    packages = _copy(tmp_path / "copy")
    (packages / "scalable" / "evaluate" / "__init__.py").write_text("raise ImportError('of this copy')\n")
    with side(packages) as one:
        assert one.sample("decode") > 0
        assert "of this copy" in str(one.sample("measure"))
        assert "KeyError" in str(one.sample("no such work"))
        assert one.sample("descent") > 0
    assert not list(temporary.iterdir()), "its files must go when it is killed"


@pytest.mark.parametrize(
    "slowdown", [SLOWDOWNS[0], *(pytest.param(one, marks=pytest.mark.slow) for one in SLOWDOWNS[1:])]
)
def test_an_injected_slowdown_shows_in_its_work(tmp_path: Path, slowdown: Slowdown) -> None:
    # Several fold, so that no noise of a busy machine could do it; `make gate-check` is about a twentieth.
    one = _copy(tmp_path / "one")
    shutil.copytree(one, tmp_path / "two")
    inject(tmp_path / "two", slowdown, loops=2000 if slowdown.work == "forest_row" else 4_000_000)
    found = take_turns(one, tmp_path / "two", [slowdown.work], starts=1, turns=4)[slowdown.work]
    assert len(found["base"]) == len(found["head"]) == 4
    assert np.median(found["head"]) > 2 * np.median(found["base"])


@pytest.mark.slow
@pytest.mark.parametrize("slowdown", SLOWDOWNS)
def test_calibration_measures_what_it_delivers(tmp_path: Path, slowdown: Slowdown) -> None:
    # Fivefold: on a busy machine what is added may be off by half of the work itself, and a loop of no turns seem to
    # cost all that a smaller share asks for.
    loops, delivered = calibrate(_copy(tmp_path / "one"), slowdown, 4.0)
    assert loops > 0
    assert delivered == pytest.approx(4.0, rel=0.4)


@pytest.mark.parametrize("guess", [1, 16, 2**14])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("wrapper", "loop"), [(0.08, 0.009), (0.0002, 1.3e-5)])
def test_the_search_hits_the_share_whatever_the_wrapper_costs(
    guess: int, noise: float, wrapper: float, loop: float
) -> None:
    random = np.random.default_rng(0)

    def measured(loops: int, starts: int) -> float:
        return wrapper + loop * loops + noise * random.normal() / starts**0.5

    loops, delivered = search(measured, 0.2, guess)
    assert wrapper + loop * loops == pytest.approx(0.2, abs=0.02)
    assert delivered == pytest.approx(0.2, abs=0.02)


def test_the_search_says_when_the_wrapper_alone_costs_more() -> None:
    assert search(lambda loops, _: 0.26 + 0.01 * loops, 0.2, 16) == (0, 0.26)


def test_the_search_ends_when_another_function_was_slowed() -> None:
    with pytest.raises(RuntimeError, match="not what is called"):
        search(lambda loops, starts: 0.001, 0.2, 16)


def test_runs_side_by_side_keep_their_order_and_a_processor_each(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    both = threading.Barrier(2)

    def one(base: Path, head: Path, name: str, works: Sequence[str] = ()) -> dict[str, Any]:
        both.wait(10.0)
        return {"check": name, "held_to": os.sched_getaffinity(0)}

    monkeypatch.setattr("bench.gate.check._one", one)
    rows = list(_all([(Path(), Path(), f"A/A {k}", ()) for k in range(4)], 2))
    assert [row["check"] for row in rows] == [f"A/A {k}" for k in range(4)]
    assert all(len(row["held_to"]) == 1 for row in rows)
    assert len({frozenset(row["held_to"]) for row in rows}) == min(2, len(before))
    assert os.sched_getaffinity(0) == before
