"""What all of LightGBM's estimators share, here on Parquet past memory or on arrays."""

from __future__ import annotations

from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.attributes import Attributes
from scalable.boosting.dataset.start_scores import all_with_start
from scalable.boosting.face import Given, best_scores, held_out, results, split_metrics, with_training_set
from scalable.boosting.intake import dense, held_rows, named
from scalable.boosting.params import check_known, main_names
from scalable.boosting.ranking.queries import with_queries
from scalable.boosting.train import Trained, train
from scalable.boosting.training.booster_text import booster_of_text
from scalable.data.source import Source
from scalable.errors import ModelError, UsageError
from scalable.execution.reader import BlockReader
from scalable.features.state import State
from scalable.features.target import class_array
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.inputs import row_parts
from scalable.models.estimator import Estimator, Parts
from scalable.models.forest import KIND, TEXT, check_outputs, check_width
from scalable.models.parameters import seed_of
from scalable.models.store import StoredModel

FEW_ROWS = 4096


class LGBMModel(Attributes, Estimator):
    """What classifier, regressor and ranker share.

    Parameters
    ----------
    n_estimators : int
        Boosting iterations.
    num_leaves : int
        Leaves per tree at most.
    learning_rate : float
        Shrinkage of every tree.
    max_depth : int
        Depth at most; no limit when not positive.
    max_bin : int
        Bins per feature at most; 255 or fewer take a byte a value.
    min_child_samples : int
        Rows per leaf at least. In rotation the hessians in a leaf are bounded too, see ``docs/boosting.md``.
    random_state : int, RandomState or Generator, optional
        Seed of everything random.
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine; clones share it, saved models keep its address.
    n_workers : int, optional
        Local worker processes, by default one with all processors; with a client, how many of its, by default all.
        Few rows are learned from without any unless a number is given, where no other machine takes part.
    identifiers : bool
        Whether integer columns named like identifiers (``..._id``, ``..._key``, ``zip``) with many categories are
        encoded as each category's mean target and share of the rows; False passes them as numbers.
    pairs : bool
        Whether pairs of text columns whose interaction shows in the data also have a mean target
        per pair of categories.
    class_weight : dict, "balanced" or None
        Factors of the weights of each class's rows, by rows as in LightGBM; of a classifier.
    importance_type : str
        "split" or "gain": what ``feature_importances_`` counts.
    **lightgbm_params
        Any other parameter of LightGBM, under any of its names; one it does not have is refused with the nearest.
        Also ``engine`` ("auto", "native", "lightgbm"), ``boosting="full"``, ``leaves_per_round``: ``docs/trees.md``.

    Attributes
    ----------
    booster_ : lightgbm.Booster
        An ordinary booster, whose text plain LightGBM loads.
    encoder_ : TreeEncoder
        From raw columns to the booster's matrix.
    engine_ : str
        Who grew the trees: "lightgbm" or "native".
    stats_ : dict
        Seconds of the phases of the fit; per worker rows, seconds and bytes; losses on the way.
    best_iteration_ : int
        Iterations kept, fewer than asked for when training stopped early.
    evals_result_ : dict of str to dict of str to list of float
        Metrics of every validation set (``valid_0``, ... or ``eval_names``; ``training`` where it is the training rows)
        after every iteration.
    best_score_ : dict of str to dict of str to float
        The same after the iterations that were kept.
    """

    n_estimators: int = 100
    num_leaves: int = 31
    learning_rate: float = 0.1
    max_depth: int = -1
    max_bin: int = 255
    min_child_samples: int = 20
    random_state: Any = None
    identifiers: bool = True
    pairs: bool = True
    class_weight: Any = None
    importance_type: str = "split"

    _positional = (
        "n_estimators", "num_leaves", "learning_rate", "max_depth", "max_bin", "min_child_samples", "random_state",
        "client", "n_workers", "identifiers", "pairs",
    )  # fmt: skip
    _open = "lightgbm_params"
    _kind, _result = KIND, "booster_"
    _matrix, _finite, _sparse = False, False, True
    _kept = ("best_iteration_", "evals_result_", "best_score_")
    _lightgbm_names = {  # noqa: RUF012  never changed
        "n_estimators": "num_iterations",
        "min_child_samples": "min_data_in_leaf",
        "random_state": "seed",
    }

    def _further(self, given: dict[str, Any]) -> None:
        """Take LightGBM's other parameters."""
        check_known(given, self.parameter_names())
        self._extra = {**getattr(self, "_extra", {}), **given}

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return every name the constructor takes."""
        return [*super().parameter_names(), *main_names()]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, LightGBM's others among them."""
        return {**super().get_params(deep=deep), **self._extra}

    def _lightgbm_params(self) -> dict[str, Any]:
        own = super().get_params(deep=False)
        params = {
            self._lightgbm_names.get(k, k): v for k, v in own.items() if k not in ("client", "n_workers")
        }
        params["seed"] = seed_of(self.random_state, -(2**31))  # LightGBM takes any
        return {**params, **self._extra}

    @property
    def _encoder(self) -> TreeEncoder:
        return self.encoder_

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        init_score: Any = None,
        eval_set: Any = None,
        eval_names: Any = None,
        eval_sample_weight: Any = None,
        eval_class_weight: Any = None,
        eval_init_score: Any = None,
        eval_metric: Any = None,
        feature_name: Any = "auto",
        categorical_feature: Any = "auto",
        callbacks: Any = None,
        init_model: Any = None,
        *,
        eval_X: Any = None,
        eval_y: Any = None,
        **options: Any,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : source, array or sparse matrix of shape (n_rows, n_features), or pandas/polars/Arrow table
            A `ParquetSource` names its own target and weights and is never held in memory.
        y : array-like of shape (n_rows,), optional
            Classes of any type, or numbers for a regressor.
        sample_weight : array-like of shape (n_rows,), optional
            Non-negative weights.
        eval_set : list of (X, y) or of sources, optional
            Validation rows; also ``eval_X`` and ``eval_y``, and this package's ``valid``.
        eval_names : list of str, optional
            What they are called in results.
        eval_sample_weight : list of array-like, optional
            Their weights.
        eval_metric, feature_name, categorical_feature, callbacks, init_model
            As in LightGBM.
        eval_class_weight : list of dict or "balanced", optional
            Class weights of each set in memory, for a classifier; multiplied with its weights.
        init_score, eval_init_score : as in LightGBM, or names of columns
            Raw scores that training starts from; predictions are without them.
        **options
            The attributes of `scalable.boosting.options.Options`: ``valid`` (a source, or a tuple X, y
            or X, y, weights), ``early_stopping`` (iterations), ``custom_metrics``, ``checkpoint`` (directory),
            ``checkpoint_every``, ``resume``, ``cache`` (directory), ``on_loss``.

        Raises
        ------
        DataError, UsageError, PlanError
            When data, parameters or plan cannot work.
        ClusterError
            When workers are lost or unfit.
        """
        given = Given(
            init_score=init_score,
            eval_init_score=eval_init_score,
            eval_set=eval_set,
            eval_x=eval_X,
            eval_y=eval_y,
            eval_names=eval_names,
            eval_sample_weight=eval_sample_weight,
            eval_class_weight=eval_class_weight,
            eval_metric=eval_metric,
            feature_name=feature_name,
            categorical_feature=categorical_feature,
            callbacks=callbacks,
            init_model=init_model,
        )
        return self._fit(X, y, sample_weight, given, self._lightgbm_params(), options)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        given: Given,
        params: dict[str, Any],
        options: dict[str, Any],
    ) -> Self:
        """Train with LightGBM's parameters; see `fit`."""
        if given.eval_class_weight is not None and not self._classify:
            raise UsageError("eval_class_weight is for classifiers; give eval_sample_weight")
        given = with_training_set((X, y, sample_weight), params.get("class_weight"), given, options)
        if not (isinstance(given.feature_name, str) and given.feature_name == "auto"):
            X = named(X, given.feature_name)
        source, plain = self._source(X, y, sample_weight)
        if given.group is not None:
            source = with_queries(source, given.group, named=not plain)
        valid, own, each = held_out(self._held, given), given.init_score, given.eval_init_score
        if own is not None or each is not None:
            source, valid, own, each = all_with_start(source, valid, own, each)
        if len(source.feature_names) < self.n_features_in_:  # columns of queries and scores are none
            self.feature_names_in_ = np.array(source.feature_names, dtype=object)
            self.n_features_in_ = len(source.feature_names)
        names, of_user = split_metrics(given.eval_metric)
        if not (isinstance(given.categorical_feature, str) and given.categorical_feature == "auto"):
            params["categorical_feature"] = list(given.categorical_feature)
        trained = train(
            params,
            source,
            classify=self._classify,
            client=self.client,
            n_workers=self.n_workers,
            valid=valid,
            init_score=own,
            eval_init_score=each,
            names=given.eval_names or (),
            training_set=given.training_set,
            eval_metric=names,
            custom_metrics=[*options.pop("custom_metrics", ()), *of_user],
            callbacks=given.callbacks or (),
            init_model=given.init_model,
            **options,
        )
        self._adopt(trained.booster, trained.encoder)
        self._trained(trained)
        for column in trained.encoder.columns:
            if column.distrust:
                self._tell(f"column {column.name!r}: {column.describe()}")
        return self

    def _held(self, X: Any, y: Any, sample_weight: Any, group: Any) -> Source:
        """Return validation rows under the names of the training rows."""
        rows = held_rows(X, y, sample_weight, self._named, self.client)
        return rows if group is None else with_queries(rows, group, "eval_group")

    def _source(self, X: Any, y: Any, sample_weight: Any, more: bool = False) -> tuple[Source, bool]:
        return super()._source(X if isinstance(X, Source) else dense(X), y, sample_weight, more)

    def _rows(self, X: Any) -> Source:
        return super()._rows(dense(X))

    def _trained(self, trained: Trained) -> None:
        self.stats_ = trained.stats
        self.engine_ = trained.engine
        self.best_iteration_ = trained.best_iteration or trained.booster.current_iteration()
        self.evals_result_ = results(trained.history)
        self.best_score_ = best_scores(trained.history, trained.best_iteration - trained.begun)

    def _adopt(self, booster: lgb.Booster, encoder: TreeEncoder) -> None:
        self.booster_, self.encoder_ = booster, encoder
        labels = encoder.labels
        if labels is not None and labels.classes is not None:
            self.classes_ = class_array(labels.classes)
            self.n_classes_ = len(labels.classes)

    def _scores(self, X: Any, **how: Any) -> NDArray[np.float64]:
        """Return LightGBM's output, of shape (n_rows,) or (n_rows, n_columns), streamed over a source."""
        parts = [
            np.asarray(self.booster_.predict(rows.matrix, **{**_threads(rows.matrix), **how}))
            for source in map(self._rows, row_parts(X) or [X])
            for shard in source.shards
            for rows in BlockReader(source, self.encoder_).blocks(shard)
        ]
        if parts:
            return np.concatenate(parts)
        one = np.zeros((1, self.encoder_.n_columns))  # a selection may leave no row
        return np.asarray(self.booster_.predict(one, **how))[:0]

    def _output(
        self,
        X: Any,
        raw_score: bool,
        start_iteration: int,
        num_iteration: int | None,
        pred_leaf: bool,
        pred_contrib: bool,
        validate_features: bool,
        further: dict[str, Any],
    ) -> NDArray[np.float64]:
        """Return what LightGBM's ``predict`` of a booster returns; columns are always taken by name here."""
        check_known(further)
        return self._scores(
            X,
            raw_score=raw_score,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
            pred_leaf=pred_leaf,
            pred_contrib=pred_contrib,
            **further,
        )

    def _parts(self) -> Parts:
        labels, state = self.encoder_.labels, self.encoder_.state()
        text = self.booster_.model_to_string()
        meta = {
            "encoder": state.document,
            "objective": next((x[10:] for x in text.splitlines() if x.startswith("objective=")), ""),
            "classes": None if labels is None or labels.classes is None else list(labels.classes),
        }
        return meta, state.parts, {TEXT: text}

    def _restore(self, stored: StoredModel) -> None:
        try:
            booster = booster_of_text(stored.texts[TEXT])
        except KeyError as error:
            raise ModelError(f"its {TEXT} cannot be read ({error})") from error
        self._adopt(booster, TreeEncoder.from_state(State.of(stored.meta["encoder"], stored.arrays)))
        check_width(booster.num_feature(), self.encoder_)
        check_outputs(booster.num_model_per_iteration(), getattr(self, "classes_", None))


def _threads(matrix: NDArray[Any]) -> dict[str, int]:
    """One thread for few rows: waking the others costs more than they save."""
    return {"num_threads": 1} if len(matrix) < FEW_ROWS else {}
