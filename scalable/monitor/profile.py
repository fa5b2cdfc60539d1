"""The reference profile: how a model's columns and predictions were distributed, kept in the model's directory."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.errors import ModelError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.sampling import sample_shards, spread_shards
from scalable.models.store import PROFILE, SEAL
from scalable.monitor.bins import LEVELS, QUANTILES, ColumnBins, learn_bins, number_bins, unit_of
from scalable.monitor.counts import CountReduction, Layout
from scalable.monitor.labels import Labelled, encoded
from scalable.monitor.scores import TASKS, Scale, Scorer
from scalable.registry.address import model_path
from scalable.scoring.evaluate import QualityReduction, Report, quality_of
from scalable.scoring.once import Once
from scalable.storage.arrays import ArraysError, read_arrays, write_arrays
from scalable.storage.documents import typed, understood
from scalable.storage.replace import explained

KIND = "reference profile 1"
SCORED = 2**15  # rows from which the bins of predictions are learned
MOST_ROWS = 2**21  # of a training set, spread over it; its counts are exact for the rows it says it has
REMEDY = "give --reference DATA, or `scalable train` it again"


@dataclass(frozen=True, repr=False)
class Profile:
    """Counts of a reference.

    Attributes
    ----------
    layout : Layout
    counts : int64 (layout.size,)
        Of the reference as one period.
    seen : bool
        Whether predictions and labels are of rows that the model learned from: too good to be held against.
    quality : BinaryReport, MulticlassReport, RegressionReport or None
        Of the held-out rows, where it was asked for and all of them were counted; not saved.
    """

    layout: Layout
    counts: NDArray[np.int64]
    seen: bool = False
    quality: Report | None = None

    def __repr__(self) -> str:
        rows = int(self.part("rows")[0])
        return f"<Profile: {rows:,} rows, {len(self.layout.columns):,} columns, {self.labelled:,} labels>"

    def part(self, kind: str, name: str = "") -> NDArray[np.int64]:
        """Return a part of the counts."""
        return self.layout.part(self.counts, kind, name)

    @property
    def labelled(self) -> int:
        """Rows whose labels are known."""
        return 0 if self.layout.prediction is None else int(self.part("sums")[0])


def learn_profile(
    predictor: Any,
    source: Source,
    executor: Executor,
    *,
    held_out: Source | None = None,
    prediction: str | None = None,
    seen: bool = False,
    max_rows: int = MOST_ROWS,
    measured: bool = False,
) -> Profile:
    """Count a reference.

    Parameters
    ----------
    predictor : Predictor
    source : Source
        The reference's rows; with a target, its performance too.
    executor : Executor
    held_out : Source, optional
        Whose predictions and labels count, rather than those of `source`.
    prediction : str, optional
        Column of predictions; by default the model is asked.
    seen : bool
        Whether the model learned from `source`.
    max_rows : int
        At most about so many rows of each, heads of spread shards.
    measured : bool
        Whether the same pass measures how good the model is on all of `held_out`, where it goes over all.

    Returns
    -------
    Profile
    """
    trained = predictor.arrow_types
    columns = tuple(learn_bins(source, list(predictor.needed), executor, trained))
    if predictor.task == "transform":
        return _counted(CountReduction(Layout(columns), trained=trained), source, executor, max_rows, seen)
    scored = source if held_out is None else held_out
    measured = measured and prediction is None and held_out is not None and _all_measured(held_out, max_rows)
    predictor = Once(predictor) if measured else predictor
    scorer = Scorer(predictor, prediction)
    bins, scale = _predictions(scorer, scored)
    layout = Layout(columns, bins, predictor.task, _class_names(predictor), scale)
    ranked = scored.roles.group is not None  # a relevance is no quantity that scores are near to
    labels = None if scored.target is None or ranked else Labelled(predictor, scored.target)
    whole = CountReduction(layout, scorer, labels=labels, trained=trained)
    if held_out is None:
        return _counted(whole, source, executor, max_rows, seen)
    of_columns = _counted(CountReduction(layout, trained=trained), source, executor, max_rows, False)
    quality = quality_of(predictor, held_out.roles) if measured else None
    found = _counted(whole, held_out, executor, max_rows, False, quality)
    counts = found.counts.copy()
    for kind, name in layout.places:
        if kind in ("rows", "column"):
            layout.part(counts, kind, name)[:] = of_columns.part(kind, name)
    return Profile(layout, counts, quality=found.quality)


def _all_measured(source: Source, most: int) -> bool:
    """Return whether a pass over at most so many rows goes over all, and their labels are no relevances."""
    known = source.exact_rows is not None and source.n_rows <= most
    return known and source.target is not None and source.roles.group is None


def _class_names(predictor: Any) -> tuple[str, ...]:
    """Return the classes where there are several."""
    return tuple(map(str, predictor.classes)) if predictor.task == "multiclass" else ()


def _counted(
    reduction: CountReduction,
    source: Source,
    executor: Executor,
    most: int,
    seen: bool,
    quality: QualityReduction | None = None,
) -> Profile:
    names = [*reduction.needed, *(source.roles.learned_from if quality is not None else ())]
    reader, shards = BlockReader(source, columns=tuple(dict.fromkeys(names))), sample_shards(source, most)
    if quality is None:
        found, report = run_reduction(executor, reduction, reader, shards, "reference"), None
    else:
        both = _Together(reduction, quality)
        found, report = run_reduction(executor, both, reader, shards, "reference", leaves=FEW_LEAVES)
    size = reduction.layout.size
    return Profile(reduction.layout, sum(found.values(), np.zeros(size, np.int64)), seen, report)


@dataclass(frozen=True)
class _Together:
    """Counts and quality in one pass."""

    counts: CountReduction
    quality: QualityReduction

    def init(self) -> tuple[Any, Any]:
        return self.counts.init(), self.quality.init()

    def step(self, state: tuple[Any, Any], block: RawBlock) -> tuple[Any, Any]:
        quality = self.quality.step(state[1], block)
        return self.counts.step(state[0], block), quality

    def merge(self, left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
        return self.counts.merge(left[0], right[0]), self.quality.merge(left[1], right[1])

    def finish(self, state: tuple[Any, Any]) -> tuple[Any, Report]:
        return self.counts.finish(state[0]), self.quality.finish(state[1])


def _predictions(scorer: Scorer, source: Source) -> tuple[ColumnBins, Scale]:
    """Return bins of a model's predictions, and mean and deviation of a regression's target."""
    values, labels = [np.empty(0)], [np.empty(0)]
    regression = scorer.task == "regression" and source.target is not None
    names = [*scorer.columns, *([str(source.target)] if regression else [])]
    known = source.exact_rows is not None and source.n_rows > SCORED
    for shard in spread_shards(source, SCORED) if known else source.shards:
        for block in source.raw_blocks(shard, names):
            values.append(scorer.score(block).value)
            if regression:
                name = str(source.target)
                labels.append(encoded(scorer.predictor, block.arrays[name], name, block.where))
        if sum(map(len, values)) > 2 * SCORED:
            break
    y = np.concatenate(labels)
    y = y[np.isfinite(y)]
    scale = Scale()
    if len(y):
        unit = unit_of(y)
        deviation = float((y / unit).std()) * unit
        scale = Scale(float((y / unit).mean()) * unit, deviation if 0.0 < deviation < np.inf else 1.0)
    return number_bins("prediction", np.concatenate(values)), scale


def save_profile(path: str | os.PathLike[str], profile: Profile) -> None:
    """Write a profile into a model's directory.

    Raises
    ------
    ModelError
        The model is one file, or the directory cannot be written.
    """
    place = model_path(path)
    layout = profile.layout
    meta = {
        "model": _seal(place),
        "columns": [asdict(bins) for bins in layout.columns],
        "prediction": None if layout.prediction is None else asdict(layout.prediction),
        "task": layout.task,
        "classes": layout.classes,
        "scale": asdict(layout.scale),
        "seen": profile.seen,
    }
    with explained(ModelError, place / PROFILE, "give it room"):
        write_arrays(place / PROFILE, KIND, {"counts": profile.counts}, meta)


def read_profile(path: str | os.PathLike[str], predictor: Any = None, remedy: str = REMEDY) -> Profile:
    """Read the profile of a saved model.

    Parameters
    ----------
    path : path
    predictor : Predictor, optional
        The model, whose predictions are to be counted as the profile says.
    remedy : str
        What to do where there is none that is of use.

    Raises
    ------
    ModelError
        It has none, it is of another model, or damaged.
    """
    place = model_path(path)
    file = place / PROFILE
    if not file.is_file():
        raise ModelError(f"{path}: the model has no reference profile; {remedy}")
    try:
        stored = read_arrays(file, KIND)
    except (ArraysError, OSError) as error:
        raise ModelError(f"{file}: damaged ({error}); {remedy}") from error
    with understood(ModelError, file, remedy):
        meta = stored.meta
        if meta["model"] != _seal(place):
            raise ModelError(f"{file}: the profile of another model; {remedy}")
        prediction = None if meta["prediction"] is None else _bins(meta["prediction"])
        layout = Layout(
            tuple(_bins(item) for item in meta["columns"]),
            prediction,
            str(meta["task"]),
            tuple(str(name) for name in meta["classes"]),
            typed(Scale, meta["scale"]),
        )
        if layout.task not in (*TASKS, "transform") or (layout.task == "transform") != (prediction is None):
            raise ValueError(f"task {layout.task!r}")
        if not (0.0 < layout.scale.deviation < np.inf and np.isfinite(layout.scale.mean)):
            raise ValueError(f"a target of {layout.scale}")
        if len({bins.name for bins in layout.columns}) < len(layout.columns):
            raise ValueError("two columns have one name")
        if predictor is not None and (layout.task, layout.classes) != (
            predictor.task,
            _class_names(predictor),
        ):
            raise ValueError(f"a model whose task is {layout.task!r}, with classes {layout.classes!r:.60}")
        counts = stored.arrays["counts"]
        if counts.dtype != np.int64 or counts.shape != (layout.size,):
            raise ValueError(f"counts of shape {counts.shape}")
        parts = {of: counts[low:high] for (of, _), (low, high) in layout.places.items() if of not in _SIGNED}
        columns = [counts[low:high] for (of, _), (low, high) in layout.places.items() if of == "column"]
        if any(part.min(initial=0) < 0 for part in (*parts.values(), *columns)):
            raise ValueError("fewer than no rows")
        if "positive" in parts and (parts["positive"] > parts["labelled"]).any():
            raise ValueError("more positive rows than rows")
        return Profile(layout, counts, bool(meta["seen"]))


_SIGNED = ("sums", "slices")  # parts that hold more than numbers of rows


def _bins(item: Any) -> ColumnBins:
    bins = typed(ColumnBins, item)
    ascending = all(low < high for low, high in pairwise(bins.edges))
    few = len(bins.edges) <= QUANTILES + 1 and len(bins.levels) <= LEVELS
    scaled = 0 < bins.scale < np.inf
    if bins.kind not in ("number", "text") or not ascending or not few or not scaled:
        raise ValueError(f"bins of {bins.name!r}")
    if bins.kind == "number" and len(bins.points) != len(bins.edges) + 1:
        raise ValueError(f"points of {bins.name!r}")
    return bins


def _seal(place: Path) -> str:
    if not place.is_dir():
        raise ModelError(f"{place}: a model of one file has no room for a profile; give --reference DATA")
    try:
        return (place / SEAL).read_text().strip()
    except OSError as error:
        raise ModelError(
            f"{place / SEAL}: cannot be read ({error.strerror}); copy the whole model"
        ) from error
