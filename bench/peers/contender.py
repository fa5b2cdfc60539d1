"""What a contender is: something that learns from, or writes, Parquet.

Modules of contenders import their packages inside methods only, so that an absent one can be told apart
from a broken one, and so that what it costs to import is never timed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.task import Task


class Absent(Exception):  # noqa: N818  not an error: a reason
    """A contender cannot run in this environment; the message says why."""


class Unfit(Exception):  # noqa: N818  not an error: a reason
    """A contender does not learn from columns like these; the message says why, and which would do."""


class Contender(ABC):  # noqa: B024  learners and generators add what is abstract
    """What learners and generators share.

    Attributes
    ----------
    modules : tuple of str
        What must be importable.
    packages : tuple of str
        Distributions whose versions are reported; the first one's is the contender's.
    one_thread : bool
        Whether it cannot use more than one thread.
    note : str
        What a reader must know to read its time rightly.
    """

    modules: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    one_thread: ClassVar[bool] = False
    note: ClassVar[str] = ""

    @classmethod
    def check(cls) -> None:
        """Raise `Absent` when a package is missing."""
        for module in cls.modules:
            try:
                import_module(module)
            except ImportError as error:
                raise Absent(f"{error}; pip install {cls.packages[0]}") from error

    def start(self, task: Task) -> None:  # noqa: B027  most have nothing to start
        """Start what a user would have running already, such as a cluster; not timed."""

    def close(self) -> None:  # noqa: B027  most have nothing to end
        """End what `start` started."""


class Learner(Contender):
    """Learns a binary target from Parquet."""

    def prepare(self, task: Task) -> None:
        """Convert the data when a contender is meant to start from its own format; timed apart."""

    @abstractmethod
    def train(self, task: Task) -> Any:
        """Read the training parts of `task` from disk and return a model: the timed part."""

    @abstractmethod
    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Return probabilities of class 1 for a ``pyarrow.Table``, shape (n_rows,); None if it cannot learn."""


class Generator(Contender):
    """Writes Parquet of made-up rows."""

    @abstractmethod
    def write(self, rows: int, out: Path, threads: int) -> None:
        """Write about `rows` rows into the empty directory `out`: the timed part."""
