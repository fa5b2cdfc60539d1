"""Vowpal Wabbit: from Parquet through its text format, and from its binary cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner
from bench.peers.task import Task, batches, labels, matrix


def write_text(path: Path, rows: Iterable[Any], features: list[str], target: str) -> None:
    """Write rows as VW text, ``label |f 0:value ...``; names are column numbers, which VW does not hash."""
    line = "%d |f " + " ".join(f"{j}:%.6g" for j in range(len(features))) + "\n"
    with open(path, "w", encoding="ascii", buffering=2**20) as file:
        for batch in rows:
            signs = 2 * labels(batch, target) - 1
            table = np.column_stack([signs, matrix(batch, features, np.float64)])
            for start in range(0, len(table), 1024):
                part = table[start : start + 1024]
                file.write((line * len(part)) % tuple(part.ravel().tolist()))


def _learn(arguments: str, model: Path) -> None:
    from vowpalwabbit import Workspace

    options = f"--loss_function logistic -b 18 --quiet --no_stdin -f {model} {arguments}"
    Workspace(options).finish()


class _VowpalWabbit(Learner):
    modules: ClassVar[tuple[str, ...]] = ("vowpalwabbit",)
    packages: ClassVar[tuple[str, ...]] = ("vowpalwabbit",)
    one_thread = True

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict through VW itself, from text."""
        from vowpalwabbit import Workspace

        path, features, target = model
        text, answers = path.with_suffix(".test"), path.with_suffix(".answers")
        write_text(text, rows.to_batches(), features, target)
        Workspace(f"-i {path} -t -d {text} --link logistic -p {answers} --quiet --no_stdin").finish()
        return np.loadtxt(answers, dtype=np.float64, ndmin=1)


class Text(_VowpalWabbit):
    """Default options, one pass; writing the text is part of the time."""

    note = "Parquet to VW's text is part of the time"

    def train(self, task: Task) -> Any:
        """Convert, then one pass."""
        folder = Path(task.scratch)
        write_text(folder / "train.vw", batches(task.parts()), task.features, task.target)
        _learn(f"-d {folder / 'train.vw'}", folder / "model")
        return folder / "model", task.features, task.target


class Cache(_VowpalWabbit):
    """Default options, one pass over VW's own binary cache, made beforehand."""

    note = "starts from VW's own cache; prepare_seconds, what making that took, is not in the time"

    def prepare(self, task: Task) -> None:
        """Convert to text, then to the cache."""
        from vowpalwabbit import Workspace

        folder = Path(task.scratch)
        text, cache = folder / "train.vw", folder / "train.cache"
        write_text(text, batches(task.parts()), task.features, task.target)
        # `--noop` reads and parses without learning; `-k` makes the cache anew.
        Workspace(f"--noop -d {text} --cache_file {cache} -k --quiet --no_stdin").finish()
        text.unlink()

    def train(self, task: Task) -> Any:
        """One pass over the cache."""
        folder = Path(task.scratch)
        _learn(f"-d {folder / 'train.vw'} --cache_file {folder / 'train.cache'}", folder / "model")
        return folder / "model", task.features, task.target
