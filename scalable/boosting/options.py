"""What a fit is asked for beyond LightGBM's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from scalable.boosting.params import Params
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.models.parameters import nearest

ON_LOSS = ("raise", "replace", "shrink")


@dataclass(frozen=True, slots=True)
class Options:
    """Evaluation, callbacks, checkpoints and what to do when a worker is lost.

    Attributes
    ----------
    valid : Source or sequence of Source
        Sets of validation rows, each evaluated over all workers after every iteration.
    names : sequence of str
        What the sets are called in results, by default ``valid_0``, ``valid_1`` ...
    training_set : str
        Which of the sets is the training rows, where one is: early stopping does not look at it.
    early_stopping : int
        Iterations without improvement of the first metric before training stops; 0 for never.
    custom_metrics : sequence of callable
        ``func(y_true, y_pred, weight) -> (name, value, higher_is_better)`` on the validation rows of
        all workers; `y_pred` after the link.
    eval_metric : sequence of str
        LightGBM's metrics, evaluated before those of the parameter ``metric``.
    callbacks : sequence of callable
        LightGBM callbacks; run on every worker with the same values.
    init_score : str or sequence of str
        Columns of the scores that training starts from, one for each score of a row.
    eval_init_score : sequence of those, or None
        The same of each validation set; by default the columns of `init_score`.
    init_model : lightgbm.Booster, fitted estimator or None
        Trees to continue from.
    checkpoint : str or None
        Directory for checkpoints, visible to the driver and to the first worker.
    checkpoint_every : int
        Iterations between checkpoints.
    resume : bool
        Continue from the newest checkpoint of the same data and parameters.
    cache : str or None
        Directory for the filled datasets: the next fit on the same rows, columns and bins reads them
        back instead of decoding and binning. Visible to the workers, which may each have their own.
    on_loss : str
        When a worker is lost: "raise", carry on with "replace"d workers, or "shrink" to those left.
    silence : float
        Seconds without a sign of life after which a worker counts as lost.
    """

    valid: Any = ()
    names: Sequence[str] = ()
    training_set: str = ""
    early_stopping: int = 0
    custom_metrics: Sequence[Any] = ()
    eval_metric: Sequence[str] = ()
    callbacks: Sequence[Any] = ()
    init_score: Any = None
    eval_init_score: Any = None
    init_model: Any = None
    checkpoint: str | None = None
    checkpoint_every: int = 10
    resume: bool = False
    cache: str | None = None
    on_loss: str = "raise"
    silence: float = 20.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return options by name; raises a UsageError with the nearest name on one that does not exist."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise UsageError(f"fit has no option {name!r}; {nearest(name, known)}")
        return cls(**given)

    def __post_init__(self) -> None:
        """Bring validation sets and their names into one form."""
        valid = (self.valid,) if isinstance(self.valid, Source) else tuple(self.valid or ())
        names = tuple(self.names) or tuple(f"valid_{k}" for k in range(len(valid)))
        if len(names) != len(valid) or len(set(names)) != len(names):
            raise UsageError(
                f"{len(valid)} validation sets need as many different names, found {list(names)}"
            )
        object.__setattr__(self, "valid", valid)
        object.__setattr__(self, "names", names)

    def check(self, params: Params) -> None:
        """Raise a UsageError on what contradicts itself or the parameters."""
        if self.on_loss not in ON_LOSS:
            raise UsageError(f"on_loss must be one of {', '.join(ON_LOSS)}, found {self.on_loss!r}")
        if self.checkpoint_every < 1:
            raise UsageError(f"checkpoint_every must be at least 1, found {self.checkpoint_every}")
        if self.early_stopping and not self.valid:
            raise UsageError(
                "early_stopping needs validation rows: give valid=ParquetSource(...) or eval_set"
            )
        if self.resume and self.checkpoint is None:
            raise UsageError("resume needs the directory that holds the checkpoints: give checkpoint=DIR")
        if self.cache is not None and params.rotation.on:
            raise UsageError("cache keeps one filled dataset, and rotation fills many; leave cache out")
        if self.init_model is not None and self.starts:
            raise UsageError(
                "init_model gives the scores training starts from, and so does init_score; give one"
            )
        if self.starts and params.values.get("boosting") == "rf":
            raise UsageError(
                "boosting='rf' averages its trees and takes no init_score; leave one of them out"
            )
        continued = self.keeps or self.init_model is not None
        boosting, sampling = params.values.get("boosting", "gbdt"), params.values.get("data_sample_strategy")
        if continued and (boosting in ("dart", "rf") or sampling == "goss" or boosting == "goss"):
            name = sampling if sampling == "goss" else boosting
            raise UsageError(
                f"{name} cannot be continued from saved trees: its state is more than their scores; leave out "
                "checkpoint, init_model and on_loss, or use boosting='gbdt'"
            )

    @property
    def starts(self) -> tuple[tuple[str, ...], ...]:
        """Columns of scores that training rows and each validation set start from; empty where none does."""
        found = (tuple(self.init_score or ()), *(self.eval_init_score or [()] * len(self.valid)))
        return found if any(found) else ()

    @property
    def keeps(self) -> bool:
        """Whether checkpoints are taken, on disk or in the supervisors' memory."""
        return self.checkpoint is not None or self.on_loss != "raise"

    def keep_every(self, params: Params) -> int:
        """Return the iterations between checkpoints, a multiple of ``bagging_freq``; 0 for none."""
        if not self.keeps:
            return 0
        frequency = max(1, int(params.values.get("bagging_freq", 0)))
        return -(-self.checkpoint_every // frequency) * frequency
