"""The leak checker: which rows of a finished training set could not have been known at their times."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor, run_shown
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.execution.work import GroupRows, Work
from scalable.feature_store.bind import check_keys, keys_source, open_view
from scalable.feature_store.definitions import Definitions, Feature
from scalable.feature_store.join import PARTITION_ROWS, count_partitions, spill
from scalable.feature_store.partition import Loaded, Spilled
from scalable.feature_store.read_definitions import read_definitions
from scalable.feature_store.stages import Partitions
from scalable.feature_store.timeline import Timeline
from scalable.feature_store.value_words import Words, floats_of
from scalable.kernels.timeline.words import MISSING
from scalable.scoring.parts import plan_parts

EXPLAINED = 2000  # differing rows of a feature and partition whose knowledge is looked for
LATEST = np.iinfo(np.int64).max
SHOWN = 5  # rows that a finding names


@dataclass
class Finding:
    """What a feature's column holds that was not known.

    Attributes
    ----------
    feature : str
    rows : int
        That were compared.
    different : int
        That differ from what was known.
    leaked : int
        Of those that were looked at, how many hold what became known later only.
    examined : int
        How many of the differing ones were looked at.
    leads : list of int
        Of each leaked row the nanoseconds from its time until the last of what it holds was known.
    examples : list of (row, nanoseconds or None)
        The first differing rows; None where no later knowledge explains them.
    """

    feature: str
    rows: int = 0
    different: int = 0
    leaked: int = 0
    examined: int = 0
    leads: list[int] = field(default_factory=list)
    examples: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def furthest(self) -> int:
        """The largest of the leads, nanoseconds, without the last twentieth: a number may come again by chance."""
        return sorted(self.leads)[math.ceil(0.95 * len(self.leads)) - 1] if self.leads else 0

    def add(self, other: Finding) -> None:
        """Add what another partition found."""
        self.rows, self.different = self.rows + other.rows, self.different + other.different
        self.leaked, self.examined = self.leaked + other.leaked, self.examined + other.examined
        self.leads += other.leads
        self.examples = sorted([*self.examples, *other.examples], key=lambda each: each[0])[:SHOWN]


def check_leaks(
    training: Any,
    definitions: Definitions | str | os.PathLike[str],
    *,
    time: str = "time",
    closed: str = "right",
    executor: Executor | None = None,
    work: str | os.PathLike[str] | None = None,
) -> list[Finding]:
    """Compare a training set with what was known at its rows' times.

    Parameters
    ----------
    training : path, source or frame
        Entity columns, time, and some or all features by their names.
    definitions, time, closed, executor
        As for `point_in_time_join`.
    work : path, optional
        Where to keep rows meanwhile; on Dask a folder that all workers share. By default the system's.

    Returns
    -------
    list of Finding
        One a feature that the set has.

    Raises
    ------
    DataError
        As for a join; or the set has none of the features.
    """
    if closed not in ("left", "right"):
        raise UsageError(f"closed={closed!r}; 'right' and 'left' are possible")
    if not isinstance(definitions, Definitions):
        definitions = read_definitions(definitions)
    executor, source = executor or Threads(), keys_source(training)
    place, schema = source.describe_place(), source.full_schema
    views, given = [], list[tuple[str, ...]]()
    for view in definitions.views.values():
        names = tuple(feature.name for feature in view.features if feature.name in schema.names)
        if names:
            opened = open_view(definitions, view)
            check_keys(opened[0], schema, time, place)
            _check_types(opened[0].view.features, opened[0], schema, place)
            views.append(opened)
            given.append(names)
    if not views:
        first = ", ".join(f.name for f in definitions.features[:4])
        raise DataError(f"{place}: has none of the features of {definitions.place} ({first}, ...)")
    parts = plan_parts(source.shards)
    n_partitions = count_partitions([source, *(events for _, events in views)])
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="scalable-check-", dir=work) as folder:
        spilled = spill(executor, views, source, parts, time, Path(folder), n_partitions, given)
        first_rows = tuple(part[0].first_row for part in parts)
        for each, names in zip(spilled, given, strict=True):
            kinds = tuple(schema.field(name).type for name in names)
            reader = BlockReader(Partitions([PARTITION_ROWS] * n_partitions))
            groups = tuple((shard,) for shard in reader.source.shards)
            task = CheckPartition(each, closed == "left", names, kinds, first_rows)
            by_partition = run_shown(executor, Work(task, reader, groups), f"check {each.bound.view.name}")
            for column in zip(*by_partition, strict=True):
                total = Finding(column[0].feature)
                for one in column:
                    total.add(one)
                found.append(total)
    return found


def _check_types(features: tuple[Feature, ...], bound: Any, schema: pa.Schema, place: str) -> None:
    for feature in features:
        if feature.name in schema.names:
            kind, own = schema.field(feature.name).type, bound.type_of(feature)
            if (
                (column_kind(kind) == "text") != (column_kind(own) == "text")
                or column_kind(kind) is None
                or pt.is_decimal(kind)
            ):
                raise DataError(f"{place}: column {feature.name!r} is {kind} but the feature is {own}")


@dataclass(frozen=True)
class CheckPartition:
    """Compare the rows of a partition; a task."""

    spilled: Spilled
    left: bool
    names: tuple[str, ...]
    kinds: tuple[pa.DataType, ...]
    first_rows: tuple[int, ...]

    def run(self, rows: GroupRows) -> list[Finding]:
        """Do one partition."""
        shard = rows.group[0]
        loaded = self.spilled.load(shard.index)
        known = dict(
            zip([f.name for f in self.spilled.bound.view.features], loaded.features(self.left), strict=True)
        )
        found = []
        for k, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)):
            feature = next(f for f in self.spilled.bound.view.features if f.name == name)
            given = loaded.columns[4 + k][loaded.order]
            found.append(self._compare(loaded, feature, kind, known[name], given))
        rows.report(shard.n_rows, {})
        return found

    def _compare(
        self, loaded: Loaded, feature: Feature, kind: pa.DataType, known: Words, given: Words
    ) -> Finding:
        own = self.spilled.bound.type_of(feature)
        found = Finding(feature.name, rows=len(given))
        wrong = np.flatnonzero(~_same(known, own, given, kind))
        found.different = len(wrong)
        numbers = (
            np.array(self.first_rows, np.int64)[loaded.parts[loaded.order]] + loaded.columns[3][loaded.order]
        )
        wrong = wrong[np.argsort(numbers[wrong], kind="stable")]
        groups = np.searchsorted(loaded.starts, wrong, side="right") - 1
        for q, g in zip(wrong[:EXPLAINED].tolist(), groups[:EXPLAINED].tolist(), strict=True):
            asked = int(loaded.columns[2][loaded.order[q]])
            lead = self._lead(*_entity(loaded.timeline, g), asked, feature, (given[q : q + 1], kind))
            found.examined += 1
            found.leaked += lead is not None
            found.leads += [] if lead is None else [lead]
            if len(found.examples) < SHOWN:
                found.examples.append((int(numbers[q]), lead))
        return found

    def _lead(
        self,
        timeline: Timeline,
        regardless: Timeline,
        asked: int,
        feature: Feature,
        given: tuple[Words, pa.DataType],
    ) -> int | None:
        """Return how far in the future is what a row holds; None where nothing later explains it."""
        own, until = self.spilled.bound.type_of(feature), asked - int(self.left)
        visible, event = timeline.visible, timeline.event
        late = visible[(event <= until) & (visible > until)]
        if len(late):  # events that happened in time, whenever they were created
            words = _at(regardless, np.array([until]), np.array([asked]), feature)
            if _same(words, own, *given)[0]:
                return int(late.max()) - asked
        for line, times in ((timeline, visible), (regardless, event)):
            news = np.unique(times[times > until])
            later = _moments(news, event, feature)
            words = _at(line, later, later, feature)
            hits = np.flatnonzero(_same(words, own, np.repeat(given[0], len(later)), given[1]))
            if len(hits):
                return int(news[news <= later[hits[0]]][-1]) - asked
        return None


def _entity(timeline: Timeline, g: int) -> tuple[Timeline, Timeline]:
    """Return the events of one entity alone, as they were known, and as if each was known when it happened."""
    stretch = slice(int(timeline.starts[g]), int(timeline.starts[g + 1]))
    event, created = timeline.event[stretch], timeline.created[stretch]
    words = np.ascontiguousarray(timeline.words[:, timeline.rows[stretch]])
    groups = np.zeros(len(event), np.int32)
    known, regardless = (Timeline(timeline.bound, groups, 1, event, each, words) for each in (created, event))
    return known, regardless


def _moments(news: Words, event: Words, feature: Feature) -> Words:
    """Return when a feature may change from the first of the `news` on: by them, or by what its window lets go."""
    if feature.window is None or not len(news):
        return news[:EXPLAINED]
    gone = event[event <= LATEST - feature.window] + feature.window
    return np.unique(np.concatenate([news, gone[gone >= news[0]]]))[:EXPLAINED]


def _at(timeline: Timeline, times: Words, asked: Words, feature: Feature) -> Words:
    """Return the words of one feature of the only entity at times."""
    place = timeline.bound.view.features.index(feature)
    return timeline.features(times, np.array([0, len(times)]), asked, only=place)[0]


def _same(known: Words, own: pa.DataType, given: Words, kind: pa.DataType) -> NDArray[np.bool_]:
    """Return where two columns of words say the same, whatever width their numbers have."""
    if not pt.is_floating(own) and not pt.is_floating(kind):
        return np.asarray(known == given)
    one, other = (
        floats_of(words)
        if pt.is_floating(each)
        else np.where(words == MISSING, np.nan, words.astype(np.float64))
        for words, each in ((known, own), (given, kind))
    )
    if pt.is_float32(kind) or pt.is_float16(kind):
        narrow = np.float32 if pt.is_float32(kind) else np.float16
        with np.errstate(over="ignore", invalid="ignore"):
            one, other = one.astype(narrow).astype(float), other.astype(narrow).astype(float)
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))
