"""Our own: two datasets, the truth about them included."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bench.peers.contender import Generator


class _Ours(Generator):
    packages: ClassVar[tuple[str, ...]] = ("scalable-training",)
    dataset: ClassVar[str]
    note = "with checksums and the best possible score of the rows"

    def write(self, rows: int, out: Path, threads: int) -> None:
        """Generate."""
        import data_gen

        data_gen.generate(self.dataset, rows=rows, out=out, seed=0, workers=threads)


class Physics(_Ours):
    """28 float columns and a label, as `make_classification` is asked for."""

    dataset = "physics"


class Fraud(_Ours):
    """A wide mix of numbers, categories and times, as TPC-H's `lineitem` is."""

    dataset = "fraud"
