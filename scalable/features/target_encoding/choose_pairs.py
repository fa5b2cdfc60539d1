"""Which pairs of categories are encoded together: those whose interaction can be seen in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.features.target import Labels
from scalable.features.target_encoding.interactions import interaction
from scalable.features.target_encoding.learn import learn_rates
from scalable.features.target_encoding.pairs import Pair

LEAST_CELLS, MOST_CELLS = 64, 2**16  # trees split fewer well by themselves
MOST_TRIED, MOST_KEPT = 28, 3
SCREENED_ROWS = 2**24
LEAST_RELIABILITY, LEAST_SHARE = 0.5, 0.1


def chosen_pairs(
    executor: Executor, source: Source, levels: Mapping[str, Sequence[str] | None], labels: Labels
) -> tuple[Pair, ...]:
    """Return the pairs of text columns worth a column of their own, the most telling first.

    Parameters
    ----------
    executor : Executor
        Who reads the data: all rows, or shards spread evenly over more than ``SCREENED_ROWS``.
    source : Source
        Training rows.
    levels : mapping of str to sequence of str or None
        Of the text columns.
    labels : Labels
        The target: numbers or two classes.
    """
    tried = candidates(levels)
    if not tried or (labels.classes is not None and len(labels.classes) > 2):
        return ()
    step = -(-source.n_rows // SCREENED_ROWS)
    sums = learn_rates(executor, source.with_shards(source.shards[::step]), tried, labels)
    found = []
    for pair in tried:
        cells = sums[pair.name]
        reliability, share = interaction(cells.counts[:-1], cells.sums[:-1, :, 0], pair.shape)
        if reliability >= LEAST_RELIABILITY and share >= LEAST_SHARE:
            found.append((-reliability * share, pair))
    return tuple(pair for _, pair in sorted(found, key=lambda x: x[0])[:MOST_KEPT])


def candidates(levels: Mapping[str, Sequence[str] | None]) -> tuple[Pair, ...]:
    """Return pairs of categories with many pairs of levels but not too many, those with the most first."""
    known = [(name, tuple(found)) for name, found in levels.items() if found]
    pairs = [Pair((a, b), (of_a, of_b)) for (a, of_a), (b, of_b) in combinations(known, 2)]
    fitting = [
        pair for pair in pairs if LEAST_CELLS < len(pair.levels[0]) * len(pair.levels[1]) <= MOST_CELLS
    ]
    return tuple(sorted(fitting, key=lambda pair: -pair.n_slots)[:MOST_TRIED])
