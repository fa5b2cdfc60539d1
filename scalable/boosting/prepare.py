"""Before the workers start: one summary of the data, the encoder, and the bins that all workers share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.boosting.column_params import coded_columns, numbers_only, spread
from scalable.boosting.dataset import lightgbm_api as native
from scalable.boosting.engine import estimates_rows, left_to_lightgbm, lightgbm_is_faster
from scalable.boosting.native.settings import flag
from scalable.boosting.objectives import check_labels
from scalable.boosting.params import OWN, Params, check_distributed, resolve
from scalable.boosting.rare_positives import leaf_bounds
from scalable.boosting.training.rotation import leaf_hessian, pieces_of
from scalable.boosting.workers.partition import check_rows
from scalable.boosting.workers.placement import Team
from scalable.data.columns import column_kind
from scalable.data.roles import Roles, spoken
from scalable.data.source import Source
from scalable.errors import DataError, PlanError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.sampling import one_of_each
from scalable.features.hashing import (
    HashedCategories,
    buckets_for,
    identifiers_of,
    may_be_integers,
    n_values,
    with_integers,
)
from scalable.features.profile import ColumnProfile, ProfileReduction
from scalable.features.row_sample import Positions, SampleReduction
from scalable.features.summary import Summary, SummaryReduction, labels_of
from scalable.features.target_encoding.interactions import learn_means
from scalable.features.target_summary import TargetReduction, TargetSummary, check_classes, class_weights
from scalable.features.tree_encoder import MAX_CATEGORIES, TreeEncoder
from scalable.kernels.processors import available_processors

SAMPLED_ROWS, SAMPLED_PIECES = 2**23, 2**10
# LightGBM tries both ways on a moment's timing, each worker for itself: with histograms that fit in a core's own cache
# row-wise is faster, and a worker that guesses wrong makes all others wait. It keeps the bins twice, though.
MOST_BINS_ROW_WISE = 2**15
MOST_BYTES_COPIED = 2**27


@dataclass(slots=True)
class Prepared:
    """What all workers share.

    Attributes
    ----------
    encoder : TreeEncoder
        From raw columns to the matrix, with the target's labels.
    reference : bytes
        Serialised bins.
    params : Params
        Resolved for the target.
    dataset_params : dict
        What the reference was made with.
    initial : tuple of float
        Starting score where workers would otherwise average their own; empty where LightGBM gets it right.
    n_bins : int
        Bins of all features together.
    target : TargetSummary or None
        What was seen of the target.
    """

    encoder: TreeEncoder
    reference: bytes
    params: Params
    dataset_params: dict[str, Any]
    initial: tuple[float, ...] = ()
    n_bins: int = 0
    target: TargetSummary | None = None


def prepare(
    source: Source, given: Mapping[str, Any], classify: bool, team: Team, encoder: TreeEncoder | None = None
) -> Prepared:
    """Summarize the data and decide what all workers share.

    Parameters
    ----------
    source : Source
        Training rows.
    given : mapping
        LightGBM's parameters.
    classify : bool
        Whether the target holds classes.
    team : Team
        Who reads the data, and how many workers there will be.
    encoder : TreeEncoder, optional
        Of a model that is continued: used as it is.
    """
    early = resolve(given, None)
    check_distributed(early, len(team.places))
    summary, learned = learn_encoder(source, early, classify, team.executor, encoder)
    assert learned.labels is not None
    classes = learned.labels.classes
    params = resolve(given, None if classes is None else len(classes))
    if classes is None:
        check_labels(params.objective, summary.known_target.minimum, summary.known_target.maximum)
    if params.class_weight is not None:
        if classes is None:
            raise UsageError("class_weight is for classifiers; give sample_weight to a regressor")
        totals = summary.known_target.class_rows  # LightGBM balances rows, not their weights
        learned = learned.with_class_weight(class_weights(params.class_weight, classes, totals))
    params, bounds = bounded(params, learned, summary.known_target, source.n_rows)
    if bounds:
        said = ", ".join(f"{name}={bound:g}" for name, bound in bounds.items())
        progress.say(f"rare positives: {said}, unless you give them")
    dataset_params = {
        **{name: value for name, value in params.values.items() if name not in OWN},
        "categorical_feature": ",".join(map(str, learned.categorical)),
        "num_threads": team.places[0].n_threads,
    }
    held = params.rotation.rows if params.rotation.on else source.n_rows
    columns = sampled_columns(summary, learned)
    if params.yields and params.engine == "native":
        params = _left_to_lightgbm(params, held, len(columns), len(team.places))
    if params.engine == "lightgbm" and estimates_rows(
        params.objective, len(team.places), weighted=learned.weighted
    ):
        progress.say(
            "leaves: LightGBM estimates their rows on several workers, so trees differ from those of one worker"
        )
    reference, n_bins = make_reference(columns, learned.feature_names, held, dataset_params)
    if not {"force_row_wise", "force_col_wise"} & set(params.values) and n_bins <= MOST_BINS_ROW_WISE:
        copied = held * learned.n_columns // len(team.places)
        row_wise = params.rotation.on or copied <= MOST_BYTES_COPIED
        params.values["force_row_wise" if row_wise else "force_col_wise"] = True
    initial = starting_score(params.values, summary.known_target)
    return Prepared(learned, reference, params, dataset_params, initial, n_bins, summary.known_target)


def bounded(
    params: Params, encoder: TreeEncoder, target: TargetSummary, n_rows: int
) -> tuple[Params, dict[str, float]]:
    """Return parameters with what the columns and the target decide, and the bounds of rare positives among them."""
    params = replace(params, values=spread(params.values, encoder))
    # Column-wise, LightGBM takes the first row's weight for all.
    if params.objective == "mape" and encoder.weighted:
        if flag(params.values.get("force_col_wise", False)):
            raise UsageError(
                "objective='mape' with weights and force_col_wise: LightGBM 4.7 then gives every row the first one's "
                "weight; leave force_col_wise out"
            )
        params.values["force_row_wise"] = True
    params = replace(params, rotation=params.rotation.planned(n_rows, params.n_rounds))
    bounds: dict[str, float] = {}
    if params.rotation.on:
        params.values.setdefault("min_sum_hessian_in_leaf", leaf_hessian(params.rotation.rows))
    elif params.class_weight is None:
        bounds = leaf_bounds(params.values, target)
        params.values.update(bounds)
    return params, bounds


def learn_encoder(
    source: Source, params: Params, classify: bool, executor: Executor, encoder: TreeEncoder | None = None
) -> tuple[Summary, TreeEncoder]:
    """Summarize the source and decide how its columns are encoded.

    Parameters
    ----------
    source : Source
        Training rows.
    params : Params
        Size and seed of the sample, and whether identifiers and pairs are encoded as such.
    classify : bool
        Whether the target holds classes.
    executor : Executor
        Who reads the data.
    encoder : TreeEncoder, optional
        Used as it is instead of a new one.
    """
    text = (
        () if encoder is not None else tuple(f.name for f in source.schema if column_kind(f.type) == "text")
    )
    perhaps = encoder is None and params.identifiers
    floats = tuple(field.name for field in source.schema if perhaps and may_be_integers(field))
    summary = _summary(source, params, (*text, *floats), classify, executor)
    target = summary.known_target
    _check(source.roles, source.describe_place(), target, classify)
    if encoder is not None:
        return summary, encoder
    labels = labels_of(source, target, classify=classify)
    coded = coded_columns(params.coded, source.feature_names)
    known = {name: _few(summary.columns.columns[name]) for name in text}
    wide, schema = tuple(name for name in text if known[name] is None), source.schema
    if params.identifiers:
        kept = numbers_only(params.values, source.feature_names) | coded
        whole = [name for name in floats if summary.columns.columns[name].kind == "integer"]
        identifiers = identifiers_of(with_integers(schema, whole), summary.sample)
        wide += tuple(name for name in identifiers if name not in kept)
        schema = with_integers(schema, {*whole} & {*wide})
    n_rows, sample = source.n_rows, summary.sample
    hashed = tuple(
        HashedCategories(name, buckets_for(n_rows, n_values(sample, name, n_rows))) for name in wide
    )
    pairs, sums = learn_means(executor, source, hashed, known if params.pairs else {}, labels)
    return summary, TreeEncoder.learn(schema, known, labels, source.weight, sums, pairs, coded)


def _few(column: ColumnProfile) -> tuple[Any, ...] | None:
    """Return the categories of a text column, most frequent first; None for more than ``MAX_CATEGORIES``."""
    if column.levels is None or len(column.levels) > MAX_CATEGORIES:
        return None
    return tuple(value for value, _ in column.levels)


def _summary(
    source: Source, params: Params, counted: tuple[str, ...], classify: bool, executor: Executor
) -> Summary:
    """Sample rows for the bins, and go through all rows for categories and labels.

    Reading all columns of all rows for a few hundred thousand of them takes a tenth of a rotation's time; there, the
    sample comes from pieces spread evenly over the data, and all rows are read in few columns.
    """
    features = tuple(source.feature_names)
    columns = ProfileReduction(counted, source.full_schema)
    root = params.objective == "regression" and flag(params.values.get("reg_sqrt", False))
    target = TargetReduction(source.roles, classify, not classify, root, source.describe_place())

    def sample_of(rows: Source) -> SampleReduction:
        return SampleReduction(Positions.of(rows), rows.n_rows, params.sample_rows, params.seed, features)

    if not params.rotation.on or source.n_rows <= SAMPLED_ROWS:
        whole = SummaryReduction(columns, target, sample_of(source))
        return run_reduction(executor, whole, BlockReader(source), label="sample rows")
    pieces = pieces_of(source.shards, SAMPLED_ROWS // SAMPLED_PIECES)
    step = -(-source.n_rows // SAMPLED_ROWS)
    part = source.with_shards(one_of_each(pieces, -(-len(pieces) // step)))
    reader = BlockReader(part, columns=features)
    sample = run_reduction(executor, sample_of(part), reader, label="sample rows")
    reader = BlockReader(source, columns=(*counted, *source.roles.learned_from))
    found = run_reduction(executor, SummaryReduction(columns, target), reader, label="count categories")
    return replace(found, sample=sample)


def _check(roles: Roles, place: str, target: TargetSummary, classify: bool) -> None:
    """Raise a DataError where a target or its weights teach nothing: one class, or all below what float32 holds."""
    least, name = float(np.finfo(np.float32).tiny), ""
    if classify:
        check_classes(target, roles.require_target(), place)
    elif 0.0 < max(abs(target.minimum), abs(target.maximum)) < least:
        name = spoken("target", roles.require_target())
    if not name and roles.weight is not None and target.weight < least * target.rows:
        name = spoken("weight", roles.weight)
    if name:
        raise DataError(
            f"{place}: {name} is 0 in float32, in which LightGBM keeps it; multiply it by a constant"
        )


def sampled_columns(summary: Summary, encoder: TreeEncoder) -> list[NDArray[np.float64]]:
    """Return the columns of the summary's sample as trees see them, each of shape (n_sampled,)."""
    matrices = [encoder.encode(block).matrix for block in summary.sample]
    return [
        np.concatenate([matrix[:, j] for matrix in matrices]).astype(np.float64)
        for j in range(encoder.n_columns)
    ]


def _left_to_lightgbm(params: Params, n_rows: int, n_columns: int, n_workers: int) -> Params:
    """Return the parameters with LightGBM as the engine where that is faster, and possible."""
    reason = lightgbm_is_faster(n_rows, n_columns, params.n_rounds * params.n_scores)
    if not reason:
        return params
    other = replace(params, engine="lightgbm", fallback=reason)
    try:
        check_distributed(other, n_workers)
        check_rows(n_rows, n_workers, other.engine)
    except (UsageError, PlanError):
        return params
    left_to_lightgbm(reason)
    return other


def make_reference(
    columns: Sequence[NDArray[np.float64]], names: Sequence[str], n_rows: int, params: Mapping[str, Any]
) -> tuple[bytes, int]:
    """Return the serialised bins made from columns of a sample, and how many there are."""
    reference = native.reference_from_sample(
        columns,
        n_rows=n_rows,
        params={**params, "num_threads": available_processors()},  # no worker is at work yet
        names=names,
    )
    n_bins = sum(int(reference.feature_num_bin(j)) for j in range(len(columns)))
    return native.serialize_reference(reference), n_bins


def starting_score(params: Mapping[str, Any], target: TargetSummary) -> tuple[float, ...]:
    """Return the score training starts from, for objectives whose workers would average their own means.

    LightGBM 4.7 averages the workers' starting scores without weights, which is the score of all rows only when every
    worker holds a fair sample of them; binary and multiclass objectives sum counts first and need no help.
    """
    mean, objective = target.single_mean, params["objective"]
    if mean is None or not flag(params.get("boost_from_average", True)):
        return ()
    if objective in ("regression", "huber", "fair"):
        return (mean,)
    if objective in ("poisson", "gamma", "tweedie"):
        return (math.log(mean),) if mean > 0 else ()
    if objective == "cross_entropy_lambda":
        return (math.log(math.expm1(mean)),) if mean > 0 else ()
    if objective == "cross_entropy":
        clipped = min(max(mean, 1e-15), 1 - 1e-15)
        return (math.log(clipped / (1 - clipped)),)
    return ()
