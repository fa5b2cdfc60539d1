"""Whose turn it is when there is little time."""

from __future__ import annotations

import pytest

from bench.peers import turns
from bench.peers.registry import CONTENDERS, Entry
from bench.peers.turns import Schedule

FIRST, SECOND = Entry("first", "a:A"), Entry("second", "a:B")


def _run(name: str, repeat: int = 0, status: str = "ok", wall: float = 1.0) -> dict[str, object]:
    return {"job": "linear", "peer": name, "repeat": repeat, "status": status, "wall_seconds": wall}


def test_each_repeat_begins_with_another_contender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTENDERS, "linear", (FIRST, SECOND))
    found = [(repeat, entry.name) for repeat, _, entry in turns.turns(["linear"], 2)]
    assert found == [(0, "first"), (0, "second"), (1, "second"), (1, "first")]


def test_what_ran_or_failed_is_not_wanted_again() -> None:
    schedule = Schedule([_run("first"), _run("second", status="failed")])
    assert not schedule.wanted((0, "linear", FIRST))
    assert schedule.wanted((1, "linear", FIRST))
    assert not schedule.wanted((1, "linear", SECOND))
    assert schedule.left_out == 0


def test_a_turn_is_given_when_the_slowest_so_far_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(turns.time, "monotonic", lambda: now)
    schedule = Schedule([_run("first", wall=20.0), _run("first", 1, wall=50.0)], within=60)
    assert schedule.wanted((2, "linear", FIRST))
    now += 15
    assert not schedule.wanted((2, "linear", FIRST))  # 45 s are left, and it once took 50
    assert schedule.wanted((0, "linear", SECOND))  # nobody knows how long
    now += 46
    assert not schedule.wanted((0, "linear", SECOND))
    assert schedule.left_out == 2
