"""Features whose inner products come near the Gaussian kernel ``exp(-gamma |a - b|^2)``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.data.block import Block
from scalable.errors import DataError, UsageError, whole_number
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.mixture.start import sample_rows, seeds

KINDS = ("fourier", "structured", "nystroem")
CHUNK = 2_048  # rows whose features are held at once: 64 MiB of 4,096 features
LEAST_WIDTH = 128  # of padded rows: in few dimensions products of Hadamard matrices are far from normal
Map = Mapping[str, NDArray[Any]]


def draw_map(
    executor: Executor,
    reader: BlockReader,
    kind: str,
    n_components: int,
    gamma: float | str,
    random_state: Any,
    sample: NDArray[np.float64] | None = None,
    least: float = 0.0,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a map, drawn for the columns of a source.

    Parameters
    ----------
    kind : {"fourier", "structured", "nystroem"}
        Cosines along normal directions (Rahimi and Recht, 2007); along those of products of Hadamard matrices and
        random signs, which cost D log p and not D p a row (Yu et al., 2016); kernels with rows drawn as landmarks
        (Williams and Seeger, 2001).
    n_components : int
        How many features, or landmarks.
    gamma : float or "scale"
        Of the kernel; "scale" is one over columns times the variance of all values.
    sample : float64 array of shape (n_rows, n_columns), optional
        Rows from all over; by default they are drawn where they are needed.
    least : float
        Share of the largest eigenvalue of the landmarks' kernels that smaller ones are taken for.

    Raises
    ------
    UsageError, DataError
        When a parameter is impossible, or rows are fewer than landmarks.
    """
    if kind not in KINDS:
        raise UsageError(f"kind must be {', '.join(map(repr, KINDS[:-1]))} or {KINDS[-1]!r}, not {kind!r}")
    whole_number("n_components", n_components)
    assert reader.encoder is not None
    p = len(reader.encoder.needed)
    one, other = seeds(random_state, 2)
    random = np.random.RandomState(one)
    rows = sample
    if rows is None:
        looked_at = kind == "nystroem" or gamma == "scale"
        rows = sample_rows(executor, reader, other) if looked_at else np.empty((0, p))
    if gamma == "scale":
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(rows.var())
        if not np.isfinite(p * variance):
            raise DataError(
                "the variance of the columns is beyond the range of floating point; scale them, or give gamma"
            )
        gamma = 1.0 / (p * variance) if variance > 0.0 else 1.0
    if not isinstance(gamma, (int, float, np.number)) or not 0.0 < gamma < np.inf:
        raise UsageError(f"gamma must be a positive number or 'scale', not {gamma!r}")
    if kind == "nystroem":
        if len(rows) < n_components:
            raise DataError(
                f"n_samples={len(rows)} rows are fewer than the {n_components} landmarks wanted; lower n_components"
            )
        landmarks = rows[random.permutation(len(rows))[:n_components]]
        values, vectors = lapack.eigh(_kernel(landmarks, landmarks.T, gamma))
        whiten = (vectors / np.sqrt(np.maximum(values, max(1e-12, least * values[-1])))) @ vectors.T
        return {"landmarks": landmarks, "whiten": whiten, "gamma": np.array(gamma)}
    shift = random.uniform(0.0, 2.0 * np.pi, n_components)
    scale = np.sqrt(2.0 * gamma)
    if kind == "fourier":
        return {"directions": scale * random.normal(size=(n_components, p)), "shift": shift}
    d = max(LEAST_WIDTH, 1 << (p - 1).bit_length())
    signs = random.choice([-1.0, 1.0], size=(3, -(-n_components // d), d))
    return {
        "signs": signs,
        "shift": shift,
        "scale": np.array(scale / d),
    }  # each Hadamard product divides by sqrt(d)


def features(arrays: Map, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the features of rows, from float64 (n_columns, n_rows) to (n_components, n_rows).

    Sums over columns are taken term by term, so that a row's features do not depend on those beside it.
    """
    if "landmarks" in arrays:
        kernel = _kernel(arrays["landmarks"], x, float(arrays["gamma"]))
        out = np.zeros_like(kernel)
        for weights, row in zip(arrays["whiten"], kernel, strict=True):  # symmetric
            out += weights[:, None] * row
        return out
    shift = arrays["shift"][:, None]
    return np.asarray(np.sqrt(2.0 / len(shift)) * np.cos(along(arrays, x) + shift))


def along(arrays: Map, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what rows are along the directions of cosines, from (n_columns, n_rows) to (n_components, n_rows)."""
    n = len(arrays["shift"])
    if "directions" not in arrays:
        return np.asarray(_structured(arrays["signs"], x)[:n] * float(arrays["scale"]))
    out = np.zeros((n, x.shape[1]))
    for weights, row in zip(arrays["directions"].T, x, strict=True):
        out += weights[:, None] * row
    return out


def feature_blocks(arrays: Map, block: Block) -> Iterator[Block]:
    """Yield a block's rows as blocks of features, a chunk at a time."""
    for low in range(0, block.n_rows, CHUNK):
        rows = slice(low, low + CHUNK)
        yield Block(
            columns=features(arrays, np.asarray(block.columns[:, rows], np.float64)),
            ids=block.ids[:, rows],
            label=None if block.label is None else block.label[rows],
            weight=None if block.weight is None else block.weight[rows],
            first_row=block.first_row + low,
        )


def _kernel(landmarks: NDArray[np.float64], x: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    squares = np.zeros((len(landmarks), x.shape[1]))
    for at, row in zip(landmarks.T, x, strict=True):
        squares += (at[:, None] - row) ** 2
    return np.asarray(np.exp(-gamma * squares))


def _structured(signs: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows times H S1 H S2 H S3 of each block, not normalised: shape (n_blocks * d, n_rows)."""
    _, blocks, d = signs.shape
    padded = np.zeros((d, x.shape[1]))
    padded[: len(x)] = x
    out = np.empty((blocks, d, x.shape[1]))
    for k in range(blocks):
        z = padded
        for s in signs[:, k]:
            z = _hadamard(s[:, None] * z)
        out[k] = z
    return out.reshape(blocks * d, -1)


def _hadamard(x: NDArray[np.float64]) -> NDArray[np.float64]:
    half = 1
    while half < len(x):
        pairs = x.reshape(-1, 2, half, x.shape[1])
        x = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(x.shape)
        half *= 2
    return x
