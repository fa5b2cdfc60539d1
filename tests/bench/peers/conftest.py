from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import data_gen
from bench.peers.task import Task


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("peers") / "physics"
    data_gen.generate("physics", rows=20_000, out=out, seed=0, row_group_rows=1024)
    return out


@pytest.fixture
def task(dataset: Path, tmp_path: Path) -> Task:
    return Task(
        "linear", 20_000, data=str(dataset), tiny=str(dataset), target="signal", threads=2, trees=4, leaves=15,
        scratch=str(tmp_path),
    )  # fmt: skip


@pytest.fixture
def boosting(task: Task) -> Task:
    return replace(task, job="boosting")
