"""What watches the rows that are answered: the one place where a monitor is attached to the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Observer(Protocol):
    """Sees each request that was answered, such as to count its rows for drift.

    It is called between requests, in the server's own thread, so it has to be quick and must not raise.
    """

    def observe(self, model: str, version: str, rows: Any, predictions: np.ndarray) -> None:
        """Take what was asked and what was answered.

        Parameters
        ----------
        model, version : str
        rows : list of dict or pyarrow.Table
            As the predictor got them, stored features included; not to be changed.
        predictions : ndarray, shape (n_rows,) or (n_rows, n_outputs)
        """

    def metrics(self, others: Sequence[Any] = ()) -> str:
        """Return lines in Prometheus' text format, each ended; they are added to ``/metrics``.

        Parameters
        ----------
        others : sequence
            What `counts` gave in the other workers of a server, where there are several; else it is not given.
        """

    def counts(self) -> Any:
        """Return what has to be added up over workers, ready for JSON; asked where there are several."""
