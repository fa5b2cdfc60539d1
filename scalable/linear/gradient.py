"""What the learners that follow gradients share: objective, solver, passes, checkpoints, ``partial_fit``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.roles import spoken
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import DataError, UnforeseenError
from scalable.execution.executors import Executor, get_executor
from scalable.execution.sampling import one_of_each, sample_shards
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.target_summary import TargetSummary, check_classes, class_weights
from scalable.kernels.linear import losses, optimizers, penalties
from scalable.kernels.linear import sgd as descent
from scalable.linear.base import LinearEstimator
from scalable.linear.mixing import LEAST_MIXES, mixed
from scalable.linear.parameters import check_parameters
from scalable.linear.prepare import Prepared, prepare
from scalable.linear.solvers.choice import choose, exact_is_cheap, known_loss
from scalable.linear.solvers.descent import Descent
from scalable.linear.solvers.newton import minimize
from scalable.linear.solvers.objective import (
    Objective,
    input_frequencies,
    order_rate_scale,
    penalty_factors,
)
from scalable.linear.solvers.rounds import DescentSettings, descend
from scalable.linear.solvers.target_scale import robust_scale, target_scale
from scalable.linear.solvers.weights import prior_scores, residual_variance
from scalable.models.checkpoint import checkpoint_of, forget_checkpoint, resumed_part
from scalable.models.linear import LinearModel
from scalable.models.parameters import seed_of

WARM_ROWS = 2**12  # from here on a pass of descent saves more Newton passes than it costs,
WARM_WORK = 2**29  # where the rows must be read again, or rows times squared terms of a pass are so many
# With more rows than four times these, Newton's method begins at the optimum of a sample: of one row in
# `SAMPLE_SHARE`, but of so many at least, and of four times as many at most. With more than twice these, descent
# before it learns from whole shards of as many: what it is off then is gone with the first of two steps, as else.
SAMPLE_ROWS = 2**22
SAMPLE_SHARE = 16
FEW_STEPS = 5  # passes that Newton's method takes at least to be sure of what it has found
MAJORIZED_STEPS = 100  # from here on it is nearer to the minimum of a kinked loss than descent
MAJORIZED_ITER = 500  # convergence is linear only
KINKED_TOL = 1e-8
# Deviations, by a spread of rows, from the mean of all targets. One row farther away would double the deviation of a
# million rows; normal ones reach 6, those whose logarithm is normal 200.
FARTHEST = 1e3
FEW_HEADS = 16
NEWTON_TOL = 1e-6  # quadratic convergence: the step that is then taken leaves about the square of it
LEAST_WIDTH = 1e-12  # of Huber's loss, in spreads of the target: its squares would be lost in rounding
EXACT_TOL = 1e-9  # of few rows, whose passes cost nothing


class GradientEstimator(LinearEstimator):
    """Base of the learners that minimise a mean loss by Newton's method or by descent."""

    penalty: str | None = "l2"
    fit_intercept: bool = True
    solver: str = "auto"
    max_iter: int | None = None
    tol: float | None = None
    optimizer: str = "normalized"
    learning_rate: float | None = None
    batch_size: int | None = None
    average: bool = True
    n_replicas: int | None = None
    standardize: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 3
    cache: str | os.PathLike[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    resume: bool = False
    random_state: Any = None

    loss: str

    def _loss(self) -> losses.Loss:
        """Return the record of the loss."""
        return losses.LOSSES[known_loss(self.loss, self._classify)]

    def _strength(self, total_weight: float) -> float:
        """Return the strength of the penalty in units of the mean loss."""
        raise NotImplementedError

    def _link(self, n_outputs: int) -> str:
        """Return the link of the model; one versus rest has no probabilities."""
        link = self._loss().link
        return "margin" if n_outputs > 1 and link == "logistic" else link

    def _seed(self) -> int:
        return seed_of(self.random_state) or 0

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Fit on a source or arrays and publish the model."""
        self.__dict__.pop("_partial", None)
        check_parameters(self)
        source, plain = self._source(X, y, sample_weight)
        with get_executor(self.client, self.n_workers) as executor:
            anew = resumed_part(self, "target_rows") == source.n_rows
            try:
                self._learn(source, plain, executor, None if anew else self._at_once)
            except UnforeseenError as found:
                forget_checkpoint(self)
                self._tell(
                    f"{found}: a spread of the rows did not show that; all targets are read, and learning begins anew"
                )
                self._learn(source, plain, executor, None)

    def _learn(self, source: Source, plain: bool, executor: Executor, at_once: Any) -> None:
        """Fit, having read all targets or as `at_once` says."""
        options = self._options(plain)
        # Where descent is certain, whose steps need no exact scales.
        heads = FEW_HEADS if self._descends(source.n_rows, 0, False) else 64
        ready = prepare(source, executor, options, self._classify, self._seed(), self.cache, at_once, heads)
        robust = self._loss().robust and self._loss().degree is not None
        spread = robust_scale(ready.reader) if robust and not self._classify else None
        objective = self._objective(ready.target, ready.encoder, source, spread)
        if ready.target.sampled and not self._classify and not robust:
            objective = replace(objective, farthest=FARTHEST)
        if not ready.held and not ready.ordered:  # those are in a random order
            objective = replace(objective, rate_scale=order_rate_scale(ready.encoder))
        coef = self._solve(objective, self._start(objective, ready.target, ready.encoder), ready)
        target = ready.target
        learned_from = {"rows": target.rows, "target_rows": target.sampled or target.rows}
        self._finish(ready.encoder, objective, coef, learned_from)

    def _at_once(self, encoder: LinearEncoder, rows: int) -> bool:
        """Whether descent learns, and from nothing that only all targets tell: weights of classes, their signs."""
        if getattr(self, "class_weight", None) is not None or self._loss().positive:
            return False
        return self._descends(rows, encoder.n_columns + 1 + encoder.n_indices, encoder.n_buckets > 0)

    def _descends(self, rows: int, terms: int, hashed: bool) -> bool:
        """Whether so many coefficients, at least, are learned by descent from so many rows."""
        loss = self._loss()
        exact = self._steps_as_usual() and exact_is_cheap(loss, rows, terms, hashed)
        return choose(self.solver, loss, terms, hashed) == "sgd" and not exact

    def _finish(
        self,
        encoder: LinearEncoder,
        objective: Objective,
        coef: NDArray[np.float64],
        learned_from: dict[str, int] | None = None,
    ) -> None:
        raw = coef * objective.scale
        raw[:, encoder.n_columns] += objective.shift
        self._publish(LinearModel(encoder, raw, self._link(len(coef)), learned_from))

    def _objective(
        self,
        target: TargetSummary,
        encoder: LinearEncoder,
        source: Source,
        spread: tuple[float, float] | None = None,
    ) -> Objective:
        """Return what is minimised, with targets scaled for descent."""
        loss, name = self._loss(), source.roles.require_target()
        delta = float(getattr(self, loss.parameter)) if loss.parameter else 1.0
        by_class: tuple[float, ...] = ()
        n_outputs, code, total, variance = 1, loss.code, target.weight, 1.0
        if self._classify:
            n_classes = check_classes(target, name, source.describe_place())
            by_class = class_weights(getattr(self, "class_weight", None), target.classes, target.class_weight)
            total = float(np.dot(by_class, target.class_weight)) if by_class else total
            if not total > 0.0:
                raise DataError("class weights leave no row any weight; check class_weight")
            if loss.link == "logistic":
                variance = residual_variance(target.class_weight, by_class)
            n_outputs = 1 if n_classes == 2 else n_classes
            if self._link(n_outputs) == "softmax":
                code = descent.SOFTMAX
        elif loss.positive and target.minimum < 0.0:
            raise DataError(
                f"{spoken('target', name)} holds {target.minimum!r}; the {loss.name} loss needs values >= 0"
            )
        elif loss.link == "log":
            variance = max(target.variance, target.mean, 1e-12)
        shift, scale = (0.0, 1.0) if loss.degree is None else (spread or target_scale(target))
        if loss.in_units and loss.degree == 2 and delta < LEAST_WIDTH * scale:
            raise DataError(
                f"{loss.parameter}={delta!r} is nothing beside the spread of {spoken('target', name)}, {scale:.3g}; "
                "scale the target, or use loss='quantile'"
            )
        if not self.fit_intercept:
            shift = 0.0
        # In scaled targets a loss shrinks by scale^degree and a coefficient by scale.
        degree = loss.degree or 0
        delta = delta / scale if loss.in_units else delta
        dispersion = 1.0
        if loss.name == "huber" and delta < 1.0:  # gradients of most rows are the width
            variance, dispersion = delta**2, delta
        l1, l2 = penalties.shares(self.penalty, getattr(self, "l1_ratio", None))
        strength = self._strength(total)
        return Objective(
            code,
            delta,
            n_outputs,
            l1 * strength * scale ** (1 - degree),
            l2 * strength * scale ** (2 - degree),
            penalty_factors(encoder, bool(self.standardize)),
            total / target.rows,
            by_class,
            shift,
            scale,
            bool(self.fit_intercept),
            target.rows,
            input_frequencies(encoder),
            variance,
            dispersion,
        )

    def _start(
        self, objective: Objective, target: TargetSummary, encoder: LinearEncoder
    ) -> NDArray[np.float64]:
        start = np.zeros((objective.n_outputs, len(objective.factors)))
        if objective.fit_intercept:
            link = self._loss().link
            if link == "logistic":
                start[:, encoder.n_columns] = prior_scores(target.class_weight, objective)
            elif link == "log":
                start[:, encoder.n_columns] = np.log(max(target.mean, 1e-12))
        return start

    def _solve(
        self, objective: Objective, start: NDArray[np.float64], ready: Prepared
    ) -> NDArray[np.float64]:
        terms = objective.n_outputs * len(objective.factors)
        hashed = ready.encoder.n_buckets > 0
        solver = choose(self.solver, self._loss(), terms, hashed)
        cheap = exact_is_cheap(self._loss(), objective.rows, terms, hashed)
        if solver == "sgd" and cheap and self._steps_as_usual():
            solver = "newton"
        self.solver_ = solver
        looked_at = ready.target.sampled or ready.target.rows
        checkpoint = checkpoint_of(self, ready.given, ready.encoder, target_rows=looked_at)
        label = f"train {type(self).__name__}"
        passes, coef, converged, least = 0, start, False, np.inf
        resumed_stage = checkpoint.stage()
        max_iter, tol = self.max_iter, self.tol
        quick = ready.held and self._loss().smooth and ready.target.rows * terms**2 < WARM_WORK
        warm = solver == "newton" and ready.target.rows >= WARM_ROWS and not (cheap or quick)

        if warm and resumed_stage == "newton":
            passes = 1  # the start was finished by the run that is resumed
        elif solver == "sgd" or warm:
            sample, first, rows = None, None, ready.target.rows
            if warm and rows > 4 * SAMPLE_ROWS:
                wanted = min(max(SAMPLE_ROWS, rows // SAMPLE_SHARE), 4 * SAMPLE_ROWS)
                sample = sample_shards(ready.reader.source, wanted)
            elif warm and rows > 2 * SAMPLE_ROWS and ready.reader.source.exact_rows and not ready.ordered:
                shards = ready.reader.source.shards
                first = one_of_each(shards, -(-len(shards) // (rows // SAMPLE_ROWS)))
            # Noise of steps along a kinked loss over few rows hides for many passes that they still win.
            noisy = cheap and self._loss().majorant is not None and tol is None
            settings = DescentSettings(
                self.n_replicas,
                1 if warm else max_iter,
                2e-5 if tol is None else tol,
                bool(self.average),
                self._seed(),
                self.validation_fraction if self.early_stopping and not warm else 0.0,
                self.n_iter_no_change if self.early_stopping else (noisy and max_iter) or 1,
                not hashed,
            )
            learner = self._descent(objective, ready.encoder)
            reader: Any = ready.reader
            some: Sequence[Shard] | None = first if sample is None else sample
            if ready.ordered and not ready.held:
                reader = mixed(reader, self._seed(), 2 * settings.every if settings.held_out else LEAST_MIXES)
                mixes = reader.source.shards
                some = None if sample is None else list(mixes[: 1 + len(mixes) // SAMPLE_SHARE])
            if ready.ordered and solver == "sgd":
                self._tell(
                    "the target follows the order of the rows, which are therefore learned from in a mixed one"
                )
            result = descend(learner, coef, reader, ready.executor, settings, label, checkpoint, some)
            coef, passes, converged, least = result.coef, result.passes, result.converged, result.objective
            self.progressive_loss_ = result.progressive_loss
            if result.held_out_loss:
                self.held_out_loss_ = result.held_out_loss
            if sample is not None:
                found = minimize(
                    ready.executor, ready.reader, objective, coef, NEWTON_TOL, 25, f"{label} (newton, sample)",
                    shards=sample,
                )  # fmt: skip
                coef = found.state.best
        if solver == "newton":
            enough = NEWTON_TOL if ready.target.rows >= WARM_ROWS else EXACT_TOL
            enough = enough if self._loss().smooth else KINKED_TOL
            most = 25 if self._loss().majorant is None else MAJORIZED_ITER
            found = minimize(
                ready.executor, ready.reader, objective, coef, tol or enough, max_iter or most, f"{label} (newton)",
                checkpoint=checkpoint,
            )  # fmt: skip
            coef, passes, converged = found.state.best, passes + found.n_iter, found.converged
            self.objective_ = least = found.state.objective
        checkpoint.remove()
        self.n_iter_ = passes
        self._report(self._unfinished(objective, converged, least))
        return coef

    def _steps_as_usual(self) -> bool:
        """Whether nothing was asked of descent that another solver could not give: many passes are a bound."""
        asked = (self.learning_rate, self.batch_size, self.n_replicas)
        enough = FEW_STEPS if self._loss().majorant is None else MAJORIZED_STEPS
        bounded = self.max_iter is not None and self.max_iter < enough
        return all(value is None for value in asked) and not (bounded or self.early_stopping)

    def _unfinished(self, objective: Objective, converged: bool, least: float) -> str | None:
        """Return why the coefficients are not those of the least objective, None where they are."""
        free = objective.l1 == objective.l2 == 0.0
        # With less than log(2) in all, no row can be on the wrong side.
        if free and not self._loss().attained and least * objective.rows < np.log(2.0):
            return (
                "the classes are separated by the features, so that without a penalty no finite coefficients are the "
                "best; give a penalty, or leave out the feature that tells the classes"
            )
        if converged:
            return None
        return (
            f"{self.n_iter_} passes of the {self.solver_} solver ended before the objective was known to be within tol "
            "of its least; raise max_iter or tol, or strengthen the penalty"
        )

    def _descent(self, objective: Objective, encoder: LinearEncoder) -> Descent:
        name = self.optimizer
        code, rate = optimizers.OPTIMIZERS[name]
        rate = self.learning_rate or rate
        if code == optimizers.NORMALIZED:
            rate /= np.sqrt(encoder.n_columns + encoder.n_ids + 1)
        hyper = optimizers.hyper_parameters(rate, l1=objective.l1, l2=objective.l2)
        batch = self.batch_size or default_batch(objective.rows)
        return Descent(objective, code, hyper, min(descent.MAX_BATCH, int(batch)))


def default_batch(rows: int) -> int:
    """Return the rows a step: 256, or the power of two that gives a pass some 500 steps."""
    return int(min(256, max(16, 1 << (max(1, rows // 512)).bit_length() - 1)))
