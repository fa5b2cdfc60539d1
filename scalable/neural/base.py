"""What both perceptrons share: parameters, encoding, training, saving."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scalable.data.fingerprint import Fingerprint
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.execution.executors import Executor, get_executor
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.threads import Threads
from scalable.features.linear_column import EncoderOptions
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import labels_of, summarize
from scalable.features.target_summary import TargetSummary, check_classes, class_weights
from scalable.kernels.neural.activations import ACTIVATIONS
from scalable.kernels.neural.batch_loss import LOGISTIC, SOFTMAX, SQUARED
from scalable.kernels.neural.updates import SOLVERS
from scalable.minibatches.batches import PROFILE_ROWS, Batches
from scalable.models.checkpoint import Checkpoint, checkpoint_of
from scalable.models.estimator import BEGINS_ANEW, Estimator, Parts
from scalable.models.parameters import log_of, names_of, seed_of, wrong_kind
from scalable.models.store import StoredModel
from scalable.neural.model import KIND, NeuralModel, read_neural
from scalable.neural.network import NORMS, Network, Shape
from scalable.neural.number_pieces import edges_of
from scalable.neural.rounds import Shared
from scalable.neural.training import Settings, Training

SCHEDULES = ("constant", "cosine")
AUTO_BATCH = 200  # as scikit-learn has it, of few rows; of many a step of so few would not pay
LARGE_BATCH = 1024
MOST_PIECES = 256
_CHOICES: dict[str, tuple[Any, ...]] = {
    "activation": tuple(ACTIVATIONS),
    "solver": tuple(SOLVERS),
    "learning_rate": SCHEDULES,
    "normalization": NORMS,
}
_LINKS = {LOGISTIC: "logistic", SOFTMAX: "softmax", SQUARED: "identity"}


class Perceptron(Estimator):
    """Base of the perceptrons; see `MLPClassifier` for the parameters."""

    hidden_layer_sizes: Any = (64, 64)
    activation: str = "relu"
    solver: str = "adam"
    alpha: float = 1e-4
    batch_size: Any = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 1e-3
    warmup: float = 0.0
    max_iter: int = 200
    random_state: Any = None
    tol: float = 1e-4
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int = 10
    normalization: str | None = None
    dropout: float = 0.0
    residual: bool = False
    embedding_dim: int = 8
    pieces: int = 0
    frequencies: int = 0
    frequency_scale: float = 0.1
    one_hot: int = 1024
    n_bins: int = 2**16
    n_replicas: int = 1
    categorical: Any = None
    log: Any = "auto"
    missing: str = "indicator"
    checkpoint: str | os.PathLike[str] | None = None
    resume: bool = False

    _kind, _result = KIND, "model_"
    _kept: ClassVar[tuple[str, ...]] = (
        "n_iter_", "converged_", "loss_curve_", "validation_loss_curve_", "best_loss_", "t_",
    )  # fmt: skip
    model_: NeuralModel

    @property
    def _encoder(self) -> LinearEncoder:
        return self.model_.encoder

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Fit on a source or arrays and publish the model."""
        self.__dict__.pop("_training", None)
        self._check()
        source, plain = self._source(X, y, sample_weight)
        with get_executor(self.client, self.n_workers) as executor:
            self._learn(source, plain, executor)

    def _learn(self, source: Source, plain: bool, executor: Executor) -> None:
        """Do `_train` on a source."""
        goal = source.roles.require_target()
        summary = summarize(source, executor, classify=self._classify, max_rows=PROFILE_ROWS)
        target = summary.known_target
        if self._classify:
            check_classes(target, goal, source.describe_place())
        labels = labels_of(source, target, classify=self._classify)
        options = self._options(plain)
        encoder = LinearEncoder.learn(summary.columns, source, labels, options)
        training, scale = self._begin(encoder, target, source, executor)
        kept, held = self._divided(source, executor)
        n_rows = min(kept.n_rows, target.rows)  # that are selected
        shared = Shared.of(executor, int(self.n_replicas), n_rows)
        n_ranks = shared.n_ranks if shared.n_replicas > 1 else 1
        loader = self._loader(kept, encoder, scale, n_ranks=n_ranks, n_rows=n_rows)
        held_out = None if held is None else self._loader(held, encoder, scale, shuffle=False)
        checkpoint = checkpoint_of(self, source, encoder)
        training.resume(checkpoint, loader)
        with one_blas_thread():  # the order of its sums must not depend on free processors
            train = training.run if shared.n_replicas == 1 else partial(shared.train, training)
            train(loader, held_out, checkpoint, f"train {type(self).__name__}")
        checkpoint.remove()
        self._finish(encoder, training, scale)
        course = training.course
        unfinished = f"max_iter={self.max_iter} epochs ended while the loss still fell; raise max_iter or tol"
        self._report(None if course.stopped else unfinished)

    def _learn_part(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        """Make one pass over a part of the data; the first one decides how columns are encoded."""
        self._check()
        if self.n_replicas != 1:
            raise UsageError("partial_fit trains one replica; leave n_replicas at 1")
        begun = hasattr(self, "_training")
        source, plain = (self._more if begun else self._source)(X, y, sample_weight)
        executor, goal = Threads(self.n_workers), source.roles.require_target()
        if not begun and hasattr(self, "model_"):
            self._tell(BEGINS_ANEW)
        if not begun:
            summary = summarize(source, executor, classify=self._classify, max_rows=PROFILE_ROWS)
            target = summary.known_target
            if self._classify and classes is not None:
                target = target.with_classes(classes)
            if self._classify:
                check_classes(target, goal, source.describe_place())
            labels = labels_of(source, target, classify=self._classify)
            options = replace(self._options(plain), keep_constant=True)
            encoder = LinearEncoder.learn(summary.columns, source, labels, options)
            if words := encoder.unvaried(source.n_rows) or target.unvaried:
                self._tell(words)
            self._training = (encoder, *self._begin(encoder, target, source, executor))
        encoder, training, scale = self._training
        if encoder.labels is None or encoder.labels.column != goal or encoder.weight != source.weight:
            raise UsageError("parts of one training have the same columns of target and weights")
        loader = self._loader(source, encoder, scale)
        loader.epoch = epoch = len(training.course.losses)
        with one_blas_thread():
            training.run(
                loader,
                None,
                Checkpoint(None, lambda: Fingerprint({}), False),
                f"train {type(self).__name__}",
                epoch + 1,
            )
        training.course.stopped = False
        self._finish(encoder, training, scale)

    def _begin(
        self, encoder: LinearEncoder, target: TargetSummary, source: Source, executor: Executor
    ) -> tuple[Training, tuple[float, float]]:
        """Return a training at its start, and the shift and scale of its targets."""
        by_class: tuple[float, ...] = ()
        if self._classify:
            n_classes = len(target.classes)
            by_class = class_weights(getattr(self, "class_weight", None), target.classes, target.class_weight)
            loss, outputs, scale = (
                (LOGISTIC, 1, (0.0, 1.0)) if n_classes == 2 else (SOFTMAX, n_classes, (0.0, 1.0))
            )
        else:
            scale = (float(target.mean), target.unit)
            loss, outputs = SQUARED, 1
        pieces: tuple[int, ...] = ()
        if self.pieces and encoder.n_columns:
            pieces, edges = edges_of(source, encoder, executor, int(self.pieces))
        shape = Shape(
            encoder.n_columns, encoder.n_ids, encoder.n_indices, self._hidden(), outputs, self.activation,
            self.normalization, bool(self.residual), int(self.embedding_dim), pieces,
            int(self.frequencies) if encoder.n_columns else 0,
        )  # fmt: skip
        network = Network(shape)
        if pieces:
            network.edges[:] = edges
        network.initialise(np.random.default_rng(self._seed()), float(self.frequency_scale))
        settings = Settings(
            self.solver, float(self.alpha), float(self.learning_rate_init), self.learning_rate, float(self.warmup),
            float(self.momentum), bool(self.nesterovs_momentum), float(self.beta_1), float(self.beta_2),
            float(self.epsilon), float(self.dropout), int(self.max_iter), float(self.tol), int(self.n_iter_no_change),
            self._seed(),
        )  # fmt: skip
        return Training(network, settings, loss, by_class), scale

    def _finish(self, encoder: LinearEncoder, training: Training, scale: tuple[float, float]) -> None:
        """Set the fitted attributes."""
        course = training.course
        self._publish(NeuralModel(encoder, training.network, _LINKS[training.loss], scale))
        self.n_iter_ = len(course.losses)
        self.loss_curve_ = list(course.losses)
        self.best_loss_ = course.best
        self.t_ = course.step
        if course.held_out:
            self.validation_loss_curve_ = list(course.held_out)

    def _publish(self, model: NeuralModel) -> None:
        self.model_ = model
        arrays, layers = model.network.arrays, len(model.network.shape.hidden) + 1
        self.coefs_ = [arrays[f"weights_{k}"] for k in range(layers)]
        self.intercepts_ = [arrays[f"bias_{k}"] for k in range(layers)]
        self.n_layers_ = layers + 1
        self.n_outputs_ = model.n_outputs

    def _divided(self, source: Source, executor: Executor) -> tuple[Source, Source | None]:
        """Return rows to learn from, and those held out."""
        if not self.early_stopping:
            return source, None
        share, group = float(self.validation_fraction), source.roles.group
        every = max(2, round(1.0 / share))
        if (
            group is None
            and source.exact_rows is not None
            and len(source.shards) >= 4 * every
            and share <= 0.5
        ):
            return source.split(every, self._seed() % every)  # whole shards: no row is decoded for both
        kept, held = source.split_rows(1.0 - share, share, by=group, seed=self._seed())
        return kept, held

    def _loader(
        self,
        source: Source,
        encoder: LinearEncoder,
        scale: tuple[float, float],
        shuffle: bool = True,
        n_ranks: int = 1,
        n_rows: int | None = None,
    ) -> Batches:
        most = source.n_rows if n_rows is None else n_rows
        size = (
            (AUTO_BATCH if most < 2**16 else LARGE_BATCH)
            if self.batch_size == "auto"
            else int(self.batch_size)
        )
        size, n = max(1, min(size, most // n_ranks)), Threads(self.n_workers).n_workers
        return Batches(source, encoder, size, shuffle, self._seed(), 0, n_ranks, False, None, n, scale)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        source, model = self._rows(X), self.model_
        features = model.encoder.features_only
        parts = [
            model.scores(features.encode(raw))
            for shard in source.shards
            for raw in source.raw_blocks(shard, features.needed)
        ]
        return np.concatenate([np.empty((model.n_outputs, 0)), *parts], axis=1)

    def _options(self, plain: bool) -> EncoderOptions:
        return EncoderOptions(
            one_hot=int(self.one_hot),
            n_buckets=int(self.n_bins),
            categorical=names_of("categorical", self.categorical),
            log=log_of(self.log, plain),
            missing=self.missing,
            identifiers=not plain,
            keep_constant=plain,
        )

    def _hidden(self) -> tuple[int, ...]:
        given = self.hidden_layer_sizes
        sizes = tuple(given) if isinstance(given, (list, tuple, np.ndarray)) else (given,)
        if any(wrong_kind("int", size) or size < 1 for size in sizes):
            raise UsageError(f"hidden_layer_sizes must be whole numbers of at least 1, not {given!r}")
        return tuple(map(int, sizes))

    def _seed(self) -> int:
        return seed_of(self.random_state) or 0

    def _check(self) -> None:
        """Refuse parameters that mean nothing."""
        self._hidden()
        if self.client is not None and self.n_replicas == 1:
            raise UsageError(
                "one replica is trained in this process: set n_replicas to as many as may learn side by side, or "
                "leave client out"
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                options = ", ".join(map(repr, allowed))
                raise UsageError(f"{name} must be one of {options}, not {getattr(self, name)!r}")
        if not self.epsilon > 0.0:
            raise UsageError(f"epsilon must be positive, not {self.epsilon!r}")
        if self.batch_size != "auto" and (wrong_kind("int", self.batch_size) or self.batch_size < 1):
            raise UsageError(f"batch_size must be 'auto' or a whole number of rows, not {self.batch_size!r}")
        for name in ("pieces", "frequencies"):
            value = getattr(self, name)
            if value > MOST_PIECES:
                raise UsageError(f"{name} must be a whole number in [0, {MOST_PIECES}], not {value!r}")
        if self.pieces and self.frequencies:
            raise UsageError("a number becomes pieces or waves: give one of pieces and frequencies")
        n_bins = int(self.n_bins)
        if n_bins < 2 or n_bins & (n_bins - 1):
            raise UsageError(f"n_bins must be a power of two, not {self.n_bins!r}")

    def _parts(self) -> Parts:
        return self.model_.parts()

    def _restore(self, stored: StoredModel) -> None:
        self._publish(read_neural(stored))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: missing values are learned from, not refused, by default."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        return tags
