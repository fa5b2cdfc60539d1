from __future__ import annotations

from collections.abc import Iterator

import pytest

from scalable import progress
from scalable.cli.screen.compiling import compilation_shown
from scalable.cli.screen.line import human, megabytes
from scalable.cli.screen.meter import measured, memory_now


class Lines:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, float]] = []

    def open(self, label: str, total: float | None, unit: str) -> Lines:
        self.log.append(("open", label, total or 0))
        return self

    def advance(self, amount: float, **metrics: float | str) -> None:
        self.log.append(("advance", "", amount))

    def close(self, finished: bool) -> None:
        self.log.append(("close", "", 0))


@pytest.fixture
def lines() -> Iterator[Lines]:
    reporter = Lines()
    progress.install(reporter)
    yield reporter
    progress.install(None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (999, "999"),
        (1000, "1k"),
        (1_250_000, "1.25M"),
        (999_999, "1000k"),
        (2.5e9, "2.5G"),
    ],
)
def test_counts_are_short(value: float, text: str) -> None:
    assert human(value) == text


def test_sizes() -> None:
    assert megabytes(1.5e9) == "1.50 GB"
    assert megabytes(12_345_678) == "12 MB"


def test_compilation_is_shown_once_and_only_when_it_happens(lines: Lines) -> None:
    import numba

    @numba.njit
    def double(x: float) -> float:
        return 2 * x

    with compilation_shown():
        assert double(2.0) == 4.0
    kinds = [entry[0] for entry in lines.log]
    assert kinds[0] == "open"
    assert kinds[-1] == "close"
    assert kinds.count("advance") >= 1
    lines.log.clear()
    with compilation_shown():
        assert double(3.0) == 6.0
    assert lines.log == []


def test_stages_are_metered() -> None:
    before = memory_now()
    with measured("grow", rows=10) as stage:
        ballast = bytearray(64 * 2**20)
        ballast[::4096] = b"x" * len(ballast[::4096])
        memory_now()
    assert stage.seconds > 0
    assert stage.peak_memory_bytes > 0.5 * before
    assert stage.to_json()["rows_per_second"] == pytest.approx(10 / stage.seconds)
