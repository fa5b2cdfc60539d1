"""Before the workers start: one survey of the data, the encoder, and the bins that all workers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalable.boosting.dataset import lightgbm_api as native
from scalable.boosting.params import Params, check_distributed, resolve
from scalable.boosting.training.rotation import leaf_hessian, pieces_of
from scalable.boosting.workers.placement import Team
from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.rounds import run_reduction
from scalable.features.hashing import HashedCategories, buckets_for
from scalable.features.identifiers import identifiers_of
from scalable.features.survey import Positions, Survey, SurveyReduction
from scalable.features.target_encoding.interactions import chosen_pairs
from scalable.features.target_encoding.learn import Cells, learn_sums
from scalable.features.target_encoding.pairs import Pair
from scalable.features.tree_encoder import TreeEncoder
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
    """

    encoder: TreeEncoder
    reference: bytes
    params: Params
    dataset_params: dict[str, Any]
    initial: tuple[float, ...] = ()
    n_bins: int = 0


def prepare(
    source: Source, given: Mapping[str, Any], classify: bool, team: Team, encoder: TreeEncoder | None = None
) -> Prepared:
    """Survey the data and decide what all workers share.

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
    survey, learned = learn_encoder(source, early, classify, team.executor, encoder)
    assert learned.labels is not None
    classes = learned.labels.classes
    params = resolve(given, None if classes is None else len(classes))
    params = replace(params, rotation=params.rotation.planned(source.n_rows, params.n_rounds))
    if params.rotation.on:
        params.values.setdefault("min_sum_hessian_in_leaf", leaf_hessian(params.rotation.rows))
    dataset_params = {
        **params.values,
        "categorical_feature": ",".join(map(str, learned.categorical)),
        "num_threads": team.places[0].n_threads,
    }
    held = params.rotation.rows if params.rotation.on else source.n_rows
    reference, n_bins = make_reference(survey, learned, held, dataset_params)
    if not {"force_row_wise", "force_col_wise"} & set(params.values) and n_bins <= MOST_BINS_ROW_WISE:
        copied = held * learned.n_columns // len(team.places)
        row_wise = params.rotation.on or copied <= MOST_BYTES_COPIED
        params.values["force_row_wise" if row_wise else "force_col_wise"] = True
    initial = starting_score(params.values, survey)
    return Prepared(learned, reference, params, dataset_params, initial, n_bins)


def learn_encoder(
    source: Source, params: Params, classify: bool, executor: Executor, encoder: TreeEncoder | None = None
) -> tuple[Survey, TreeEncoder]:
    """Survey the source and decide how its columns are encoded.

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
    assert source.target is not None
    text = tuple(field.name for field in source.schema if column_kind(field.type) == "text")
    if encoder is not None:
        text = ()
    survey = _survey(source, params, text, classify, executor)
    if encoder is not None:
        return survey, encoder
    wide = tuple(name for name in text if survey.levels[name] is None)
    if params.identifiers:
        wide += identifiers_of(source.schema, survey.sample)
    assert survey.labels is not None
    pairs: tuple[Pair, ...] = ()
    if params.pairs:
        pairs = chosen_pairs(executor, source, survey.levels, survey.labels)
    hashed = (HashedCategories(name, buckets_for(source.n_rows)) for name in wide)
    keys: tuple[Cells, ...] = (*hashed, *pairs)
    sums = learn_sums(executor, source, keys, survey.labels) if keys else {}
    return survey, TreeEncoder.learn(source.schema, survey.levels, survey.labels, source.weight, sums, pairs)


def _survey(
    source: Source, params: Params, text: tuple[str, ...], classify: bool, executor: Executor
) -> Survey:
    """Sample rows for the bins, and go through all rows for levels and labels.

    Reading all columns of all rows for a few hundred thousand of them takes a tenth of a rotation's time; there, the
    sample comes from pieces spread evenly over the data, and all rows are read in few columns.
    """
    features, target, weight = tuple(source.feature_names), source.target, source.weight
    size = (params.sample_rows, params.seed)
    if not params.rotation.on or source.n_rows <= SAMPLED_ROWS:
        reduction = SurveyReduction(
            Positions.of(source), source.n_rows, *size, text, features, target, classify, weight
        )
        return run_reduction(executor, reduction, BlockReader(source), label="sample rows")
    pieces = pieces_of(source.shards, SAMPLED_ROWS // SAMPLED_PIECES)
    step = -(-source.n_rows // SAMPLED_ROWS)
    part = source.with_shards(pieces[step // 2 :: step])
    reduction = SurveyReduction(Positions.of(part), part.n_rows, *size, (), features, None, False)
    sample = run_reduction(
        executor, reduction, BlockReader(part, columns=features), label="sample rows"
    ).sample
    reduction = SurveyReduction(Positions.of(source), source.n_rows, 0, 0, text, (), target, classify, weight)
    columns = tuple(name for name in (*text, target, weight) if name)
    return replace(
        run_reduction(executor, reduction, BlockReader(source, columns=columns), label="count levels"),
        sample=sample,
    )


def make_reference(
    survey: Survey, encoder: TreeEncoder, n_rows: int, params: Mapping[str, Any]
) -> tuple[bytes, int]:
    """Return the serialised bins made from the survey's sample, and how many there are."""
    matrices = [encoder.encode(block).matrix for block in survey.sample]
    columns = [
        np.concatenate([matrix[:, j] for matrix in matrices]).astype(np.float64)
        for j in range(encoder.n_columns)
    ]
    reference = native.reference_from_sample(
        columns,
        n_rows=n_rows,
        params={**params, "num_threads": available_processors()},  # no worker is at work yet
        names=encoder.feature_names,
    )
    n_bins = sum(int(reference.feature_num_bin(j)) for j in range(len(columns)))
    return native.serialize_reference(reference), n_bins


def starting_score(params: Mapping[str, Any], survey: Survey) -> tuple[float, ...]:
    """Return the score training starts from, for objectives whose workers would average their own means.

    LightGBM 4.7 averages the workers' starting scores without weights, which is the score of all rows only when every
    worker holds a fair sample of them; binary and multiclass objectives sum counts first and need no help.
    """
    mean, objective = survey.mean, params["objective"]
    if mean is None or not params.get("boost_from_average", True):
        return ()
    if objective in ("regression", "huber", "fair"):
        return (mean,)
    if objective in ("poisson", "gamma", "tweedie"):
        return (math.log(mean),) if mean > 0 else ()
    if objective == "cross_entropy":
        clipped = min(max(mean, 1e-15), 1 - 1e-15)
        return (math.log(clipped / (1 - clipped)),)
    return ()
