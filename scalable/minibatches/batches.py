"""`batches`: shuffled mini-batches of Parquet of any size, for torch, JAX, or loops of one's own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.table import as_source
from scalable.errors import UsageError, whole_number
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.features.linear_column import EncoderOptions
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import columns_of, labels_of, summarize
from scalable.minibatches.mix import Batch, HeldMix, Mix
from scalable.minibatches.plan import Shuffle, batch_start, epoch_mixes, shuffle_quality
from scalable.minibatches.slices import RUNS, slices_of

PROFILE_ROWS = 2**18  # from more rows, a sample of about as many decides how columns are encoded
MIX_BYTES = 2**27  # of rows that are shuffled together
LEAST_ROWS = 2**8  # of a slice
_FORMAT = 1


def batches(
    source: Any,
    size: int = 1024,
    shuffle: bool = True,
    seed: int = 0,
    *,
    y: Any = None,
    classify: bool = False,
    encoder: LinearEncoder | None = None,
    options: EncoderOptions | None = None,
    rank: int = 0,
    world_size: int = 1,
    drop_last: bool = False,
    buffer_rows: int | None = None,
    n_workers: int | None = None,
) -> Batches:
    """Return the mini-batches of a dataset.

    Parameters
    ----------
    source : ParquetSource, or array or frame of shape (n_rows, n_features)
        The rows; a source names its own target and weights.
    size : int
        Rows a batch.
    shuffle : bool
        Whether every epoch has another order; otherwise rows come in that of the dataset.
    seed : int
        Of the order.
    y : array of shape (n_rows,), optional
        Target of arrays and frames.
    classify : bool
        Whether the target names classes (text and booleans always do): `Batch.y` is then the index among `classes`.
    encoder : LinearEncoder, optional
        What turns columns into numbers, such as that of other batches; learned from the source by default.
    options : EncoderOptions, optional
        How it is learned.
    rank, world_size : int
        This process among those that share an epoch: each row goes to one of them, and all have as many steps.
    drop_last : bool
        Whether rows that do not fill a batch are left out of the epoch.
    buffer_rows : int, optional
        Rows that are shuffled together in memory, by default 128 MiB of them; at most three times as many are held.
    n_workers : int, optional
        Threads that read; by default all processors. Does not change a bit of the batches.

    Raises
    ------
    DataError, UsageError
        When the data cannot be read or encoded, or a parameter is off.

    Examples
    --------
    >>> loader = batches(ParquetSource("rows/", target="y"), size=4096)  # doctest: +SKIP
    >>> for X, y, ids, weight in loader:  # doctest: +SKIP
    ...     step(torch.from_dlpack(X), torch.from_dlpack(y))
    """
    source = as_source(source, y)
    executor = Threads(n_workers)
    if encoder is None:
        encoder = _learned(source, classify, options, executor)
    elif options is not None:
        raise UsageError("an encoder has its options already: give encoder or options")
    return Batches(
        source, encoder, size, shuffle, seed, rank, world_size, drop_last, buffer_rows, executor.n_workers
    )


def _learned(source: Any, classify: bool, options: EncoderOptions | None, executor: Threads) -> LinearEncoder:
    if source.target is None:
        columns = columns_of(source, executor, PROFILE_ROWS)
        return LinearEncoder.learn(columns, source, None, options)
    kind = source.field_type(source.target)
    text = pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    classify = classify or text or pa.types.is_boolean(kind)
    summary = summarize(source, executor, classify=classify, max_rows=PROFILE_ROWS)
    labels = labels_of(source, summary.known_target, classify=classify)
    return LinearEncoder.learn(summary.columns, source, labels, options)


class Batches:
    """Iterable over epochs of mini-batches; made by `batches`.

    Each ``for`` over it is an epoch, in another order than the one before. `state_dict` in the middle of one, given to
    `load_state_dict` of an equal object, makes its next ``for`` go on with the batch that would have followed.

    Attributes
    ----------
    encoder : LinearEncoder
        From raw columns to numbers; `n_columns` and `n_indices` are the shapes a network needs.
    classes : tuple or None
        What class indices stand for.
    epoch, step : int
        Of the batch that comes next.
    n_workers : int
        Threads that read.
    """

    def __init__(
        self,
        source: Any,
        encoder: LinearEncoder,
        size: int,
        shuffle: bool,
        seed: int,
        rank: int,
        world_size: int,
        drop_last: bool,
        buffer_rows: int | None,
        n_workers: int,
        target: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        whole_number("size", size)
        whole_number("seed", seed, 0)
        whole_number("world_size", world_size)
        whole_number("buffer_rows", 1 if buffer_rows is None else buffer_rows)
        if not 0 <= rank < world_size:
            raise UsageError(f"rank must be in [0, world_size = {world_size}), found {rank}")
        if encoder.dtype != "float32":
            raise UsageError(f"batches are float32; give an encoder of that dtype, not {encoder.dtype}")
        self.source, self.encoder = source, encoder
        self.size, self.shuffle, self.seed = size, shuffle, seed
        self.rank, self.world_size, self.drop_last = rank, world_size, drop_last
        self.epoch = self.step = 0
        self.n_workers, self._target = n_workers, target
        self._held: Batch | None = None
        self._reader = BlockReader(source, encoder)
        width = 4 * (encoder.n_columns + encoder.n_ids) + 24
        rows = max(size, MIX_BYTES // width if buffer_rows is None else buffer_rows)
        share = -(-source.n_rows // world_size)
        self._slices = slices_of(source, max(LEAST_ROWS, min(rows, share) // RUNS), n_workers)
        n_rows = self._slices.n_rows
        if n_rows < world_size:
            few = "no rows are selected" if n_rows == 0 else f"{n_rows:,} rows for {world_size} ranks"
            raise UsageError(f"{source.describe_place()}: {few}")
        self._n_mixes = max(1, round(n_rows / world_size / rows))
        self._runs = self._slices.runs(self._n_mixes * world_size)
        least, most = n_rows // world_size, -(-n_rows // world_size)
        self._steps = least // size if drop_last else -(-most // size)
        if not drop_last and least < self._steps:
            raise UsageError(
                f"{n_rows:,} rows cannot be {world_size} times as many batches of one; set drop_last or a larger size"
            )
        if self._steps == 0:
            raise UsageError(
                f"a rank has {least:,} rows, fewer than a batch of {size:,}; set drop_last=False"
            )

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels in the order of their indices; None where the target is a number."""
        return None if self.encoder.labels is None else self.encoder.labels.classes

    @property
    def n_rows(self) -> int:
        """Rows of an epoch, of all ranks."""
        return self._slices.n_rows

    def __repr__(self) -> str:
        columns = f"{self.encoder.n_columns:,} columns"
        return f"<Batches: {len(self):,} of {self.size:,} rows, {columns}, at epoch {self.epoch}, step {self.step}>"

    def __len__(self) -> int:
        """Return the steps of an epoch, the same on every rank."""
        return self._steps

    def quality(self) -> Shuffle:
        """Return how well this epoch is shuffled, from its plan."""
        return shuffle_quality(self._slices.counts, self._plan(), self.size)

    def state_dict(self) -> dict[str, Any]:
        """Return where this is, JSON-able: `load_state_dict` goes on from there, on any rank and number of threads."""
        return {"format": _FORMAT, "epoch": self.epoch, "step": self.step, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was asked for.

        Raises
        ------
        UsageError
            When it is of other data, another encoder or other parameters.
        """
        for name, value in {"format": _FORMAT, **self._identity()}.items():
            if state.get(name) != value:
                raise UsageError(
                    f"the state is of other batches: {name} was {state.get(name)!r}, is {value!r}; give the same again"
                )
        epoch, step = state.get("epoch"), state.get("step")
        if (
            not (isinstance(epoch, int) and isinstance(step, int))
            or epoch < 0
            or not 0 <= step <= self._steps
        ):
            raise UsageError(f"the state is damaged: epoch {epoch!r}, step {step!r} of {self._steps}")
        self.epoch, self.step = (epoch, step) if step < self._steps else (epoch + 1, 0)
        self._going_on = True

    _going_on = False

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of an epoch, or of the rest of one that `load_state_dict` told."""
        if self.step and not self._going_on:
            self.epoch, self.step = self.epoch + 1, 0  # one that was broken off does not go on by itself
        self._going_on = False
        return self._epoch()

    def _epoch(self) -> Iterator[Batch]:
        here: deque[Mix] = deque()
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="batches")
        try:
            mixes = self._mixes(pool)
            n_rows = mixes[-1].stop
            stop = self._start(self.step, n_rows)
            coming = deque(mix for mix in mixes if mix.stop > stop)
            del mixes  # those that are done must go, with their rows
            for step in range(self.step, self._steps):
                start, stop = stop, self._start(step + 1, n_rows)
                # Those that this batch needs, and one more that is read meanwhile: two in all, so that one that is done
                # goes, with all views of its rows, before the next takes memory.
                while coming and (len(here) < 2 or here[-1].stop < stop):
                    coming[0].submit(pool)
                    here.append(coming.popleft())
                parts = [mix.rows(start, stop) for mix in here if mix.start < stop]
                batch = parts[0] if len(parts) == 1 else _joined(parts)
                del parts
                while here and here[0].stop <= stop:
                    here.popleft()
                self.step = step + 1
                yield batch
            self.epoch, self.step = self.epoch + 1, 0
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self.source.release()

    def _start(self, step: int, n_rows: int) -> int:
        return step * self.size if self.drop_last else batch_start(step, n_rows, self.size, self._steps)

    def _plan(self) -> Any:
        seed = [self.seed, self.epoch] if self.shuffle else None
        return epoch_mixes(self._slices.counts, self._runs, self._n_mixes, self.world_size, seed)

    def _mixes(self, pool: ThreadPoolExecutor) -> list[Mix]:
        """Return the mixes of this rank; one of all rows is read once and kept for the epochs that follow."""
        plan = self._plan()[self.rank]
        if self._n_mixes == self.world_size == 1:
            if self._held is None:
                whole = Mix(self._reader, self._slices.pieces, plan[0], 0, None, self._target)
                whole.submit(pool)
                self._held = whole.rows(0, whole.stop)
            return [HeldMix(self._held, [self.seed, self.epoch, 0, 0] if self.shuffle else None)]
        start, found = 0, []
        for k, parts in enumerate(plan):
            seed = [self.seed, self.epoch, self.rank, k] if self.shuffle else None
            found.append(Mix(self._reader, self._slices.pieces, parts, start, seed, self._target))
            start = found[-1].stop
        return found

    def _identity(self) -> dict[str, Any]:
        source = self.source.fingerprint().joined(encoder=self.encoder.state().document)
        return {
            "seed": self.seed, "size": self.size, "shuffle": self.shuffle, "world_size": self.world_size,
            "drop_last": self.drop_last, "mixes": self._n_mixes, "runs": len(self._runs), "target": list(self._target),
            "data": source.digest(),
        }  # fmt: skip


def _joined(parts: list[Batch]) -> Batch:
    columns: Any = zip(*parts, strict=True)
    joined: list[Any] = [None if some[0] is None else np.concatenate(some) for some in columns]
    return Batch(*joined)
