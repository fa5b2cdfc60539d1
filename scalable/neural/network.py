"""The network: its shape, its parameters in one vector, and the way through it and back.

A hidden layer is ``around + dropout(activation(norm(h W) + bias))``; `around` is the layer's input where the blocks are
residual and the widths equal (He et al., 2016). Matrix products are BLAS's, all else is one kernel a layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.neural import activations
from scalable.kernels.neural import normalization as norms
from scalable.kernels.neural.embeddings import embed
from scalable.kernels.neural.pieces import through_pieces
from scalable.kernels.neural.products import rows_times
from scalable.kernels.neural.waves import through_waves, waves_backward

Array = NDArray[Any]
NORMS = (None, "batch", "layer")
_MEMORY = 0.99  # of running moments, a step


@dataclass(frozen=True)
class Shape:
    """What a network is made of.

    Attributes
    ----------
    n_numbers, n_ids, n_indices : int
        Numbers a row, feature indices a row, and how many of these there are.
    hidden : tuple of int
        Units of each hidden layer.
    n_outputs : int
        Scores a row.
    activation : str
        One of `scalable.kernels.neural.activations.ACTIVATIONS`.
    norm : str or None
        ``"batch"`` or ``"layer"``.
    residual : bool
        Whether layers of equal width are added to.
    embedding : int
        Numbers that a category becomes.
    pieces : tuple of int
        Numbers that each number becomes, see `scalable.kernels.neural.pieces`; empty where they are taken as they are.
    frequencies : int
        Waves that each number becomes, see `scalable.kernels.neural.waves`; 0 where they are taken as they are.
    """

    n_numbers: int
    n_ids: int
    n_indices: int
    hidden: tuple[int, ...]
    n_outputs: int
    activation: str = "relu"
    norm: str | None = None
    residual: bool = False
    embedding: int = 8
    pieces: tuple[int, ...] = ()
    frequencies: int = 0

    @property
    def n_dense(self) -> int:
        """Inputs that numbers become."""
        return sum(self.pieces) if self.pieces else self.n_numbers * max(1, 2 * self.frequencies)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of all layers, from the input to the scores."""
        return (self.n_dense + self.n_ids * self.embedding, *self.hidden, self.n_outputs)

    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters by name, those first that a penalty holds back."""
        layers = list(pairwise(self.widths))
        found: dict[str, tuple[int, ...]] = {f"weights_{k}": pair for k, pair in enumerate(layers)}
        found |= {f"bias_{k}": (width,) for k, (_, width) in enumerate(layers)}
        if self.norm is not None:
            found |= {f"gain_{k}": (width,) for k, width in enumerate(self.hidden)}
        if self.frequencies:
            found["frequencies"] = (self.n_numbers, self.frequencies)
        return found

    def moments(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the running moments of batch normalisation."""
        if self.norm != "batch":
            return {}
        return {f"{name}_{k}": (w,) for k, w in enumerate(self.hidden) for name in ("mean", "variance")}


class Network:
    """Parameters and work space of one network.

    Parameters
    ----------
    shape : Shape
        What it is made of.
    dtype : dtype
        float32, or float64 to check gradients.

    Attributes
    ----------
    vector, gradient : arrays of shape (p,)
        All parameters but the embeddings, and what `backward` found.
    n_weights : int
        How many of them, the first, are weights.
    arrays, slopes : dict of str to array
        The same by name.
    moments : dict of str to array
        Running moments of batch normalisation.
    table : array of shape (n_indices, embedding)
        Embeddings.
    edges : array of shape (sum(pieces) + n_numbers,) or (0,)
        Of the pieces; not trained.
    """

    def __init__(self, shape: Shape, dtype: Any = np.float32) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        shapes = shape.arrays()
        sizes = [math.prod(each) for each in shapes.values()]
        self.vector = np.zeros(sum(sizes), dtype)
        self.gradient = np.zeros(sum(sizes), dtype)
        self.n_weights = sum(s for name, s in zip(shapes, sizes, strict=True) if name.startswith("weights"))
        edges = np.cumsum([0, *sizes])
        self.arrays, self.slopes = (
            {
                name: whole[a:b].reshape(each)
                for (name, each), (a, b) in zip(shapes.items(), pairwise(edges), strict=True)
            }
            for whole in (self.vector, self.gradient)
        )
        self.moments = {
            name: np.full(each, float(name.startswith("variance")), dtype)
            for name, each in shape.moments().items()
        }
        self.table = np.zeros((shape.n_indices if shape.n_ids else 0, shape.embedding), dtype)
        self.edges = np.zeros(sum(shape.pieces) + len(shape.pieces), dtype)
        self._pieces = np.array(shape.pieces, np.int64)
        self._kind = activations.ACTIVATIONS[shape.activation]
        self._none = np.empty((0, 0), dtype)
        self._rows = 0

    @classmethod
    def sharing(cls, other: Network) -> Network:
        """Return a network of the same parameters with work space of its own, for another thread."""
        new = object.__new__(cls)
        new.__dict__.update(other.__dict__)
        new._rows = 0
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the parameters alone: what `arrays` look into would be parted from them."""
        return _again, (self.shape, self.dtype, self.named())

    def initialise(self, random: np.random.Generator, frequency_scale: float = 0.1) -> None:
        """Draw weights (Glorot and Bengio, 2010, as scikit-learn; He et al., 2015, under a norm) and embeddings.

        Frequencies are drawn from a normal law of deviation `frequency_scale`.
        """
        for name, array in self.arrays.items():
            if name.startswith("weights"):
                bound = math.sqrt(6.0 / sum(array.shape))
                array[:] = random.uniform(-bound, bound, array.shape)
            elif name.startswith("bias"):
                width = self.shape.widths[int(name.rpartition("_")[2])]
                bound = math.sqrt(6.0 / (width + len(array))) if self.shape.norm is None else 0.0
                array[:] = random.uniform(-bound, bound, array.shape)
            elif name == "frequencies":
                array[:] = frequency_scale * random.standard_normal(array.shape)
            else:
                array[:] = 1.0
        self.table[:] = 0.1 * random.standard_normal(self.table.shape)

    def take(self, arrays: Mapping[str, Array]) -> None:
        """Copy parameters, running moments and embeddings from arrays by name; ValueError where they do not fit."""
        for name, own in self.named().items():
            found = np.asarray(arrays[name])
            if found.shape != own.shape or not np.isfinite(found).all():
                raise ValueError(f"{name} is of shape {found.shape}, not {own.shape}, or not finite")
            own[:] = found

    def named(self) -> dict[str, Array]:
        """Return all that predictions depend on, by name."""
        edges = {"edges": self.edges} if self.shape.pieces else {}
        return {**self.arrays, **self.moments, "embeddings": self.table, **edges}

    def forward(
        self, x: Array, ids: Array, *, training: bool = False, rate: float = 0.0, key: int = 0
    ) -> Array:
        """Return the scores of rows, shape (n, n_outputs); a view that the next call overwrites.

        Parameters
        ----------
        x : array of shape (n, n_numbers)
            Numbers, of the network's dtype.
        ids : int32 array of shape (n, n_ids)
            Feature indices.
        training : bool
            Whether moments are those of the batch, and units are dropped.
        rate : float
            Chance that a hidden unit is dropped.
        key : int
            Of this step.
        """
        n = len(x)
        self._make_room(n)
        h = x
        if self.shape.pieces:
            h = self._input[:n]
            through_pieces(x, self.edges, self._pieces, h)
            x = x[:, :0]
        if self.shape.frequencies:
            h, self._numbers = self._input[:n], x
            through_waves(x, self.arrays["frequencies"], h)
            x = x[:, :0]
        if self.shape.n_ids:
            h = self._input[:n]
            embed(x, ids, self.table, h)
        self._training, self._rate, self._key = training, rate if training else 0.0, key
        self._held = [h]
        product = np.matmul if training else rows_times  # a row's score does not depend on its neighbours
        for k in range(len(self.shape.hidden)):
            z, out = self._z[k][:n], self._out[k][:n]
            product(h, self.arrays[f"weights_{k}"], out=z)
            if self.shape.norm is not None:
                z = self._normalised(k, z, n)
            around = h if self._around(k) else self._none
            activations.activate(
                z, self.arrays[f"bias_{k}"], self._kind, self._rate, self._place(k), around, out
            )
            h = out
            self._held.append(h)
        k = len(self.shape.hidden)
        scores = self._scores[:n]
        product(h, self.arrays[f"weights_{k}"], out=scores)
        scores += self.arrays[f"bias_{k}"]
        return scores

    def backward(self, gradient: Array) -> Array | None:
        """Write the gradient of all parameters, given that of the scores; after a `forward` in training.

        Returns
        -------
        array of shape (n, n_dense + n_ids * embedding) or None
            With respect to the input, where it has embeddings.
        """
        n, k = len(gradient), len(self.shape.hidden)
        np.matmul(self._held[k].T, gradient, out=self.slopes[f"weights_{k}"])
        gradient.sum(axis=0, out=self.slopes[f"bias_{k}"])
        g = self._to(k, n)
        if k or self._learns_input:
            np.matmul(gradient, self.arrays[f"weights_{k}"].T, out=g)
        for k in reversed(range(len(self.shape.hidden))):
            own = self._back[k][:n]
            z = self._z[k][:n] if self.shape.norm is None else self._normal[k][:n]
            activations.activate_backward(
                z, self._kind, self._rate, self._place(k), g, own, self.slopes[f"bias_{k}"]
            )
            if self.shape.norm is not None:
                self._normalised_back(k, n, own)
            np.matmul(self._held[k].T, own, out=self.slopes[f"weights_{k}"])
            if k == 0 and not self._learns_input:
                return None
            before = self._to(k, n)
            np.matmul(own, self.arrays[f"weights_{k}"].T, out=before)
            if self._around(k):
                before += g
            g = before
        if self.shape.frequencies:
            waves_backward(self._numbers, self._held[0], g, self.slopes["frequencies"])
        return g if self.shape.n_ids else None

    @property
    def _learns_input(self) -> bool:
        """Whether the first layer's input is learned, too."""
        return bool(self.shape.n_ids or self.shape.frequencies)

    def _place(self, k: int) -> int:
        """Return a key of this step and layer, far from all others."""
        return (self._key * 64 + k) * 0x9E3779B97F4A7C15 & 2**63 - 1

    def _around(self, k: int) -> bool:
        return self.shape.residual and k > 0 and self.shape.hidden[k] == self.shape.hidden[k - 1]

    def _to(self, k: int, n: int) -> Array:
        """Return room for the gradient with respect to the input of layer `k`."""
        return self._gradients[k][:n]

    def _normalised(self, k: int, z: Array, n: int) -> Array:
        gain, out = self.arrays[f"gain_{k}"], self._normal[k][:n]
        if self.shape.norm == "layer":
            norms.layer_norm(z, gain, self._inverse[k][:n], out)
        elif self._training:
            mean, variance = self._batch[k]
            norms.batch_norm(z, gain, mean, variance, out)
            for name, found in (("mean", mean), ("variance", variance)):
                running = self.moments[f"{name}_{k}"]
                running += (1.0 - _MEMORY) * (found - running)
        else:
            norms.standardise(z, gain, self.moments[f"mean_{k}"], self.moments[f"variance_{k}"], out)
        return out

    def _normalised_back(self, k: int, n: int, own: Array) -> None:
        z, gain, slope = self._z[k][:n], self.arrays[f"gain_{k}"], self.slopes[f"gain_{k}"]
        if self.shape.norm == "layer":
            norms.layer_norm_backward(z, gain, self._inverse[k][:n], own, slope)
        else:
            norms.batch_norm_backward(z, gain, self._batch[k][1], own, slope)

    def _make_room(self, n: int) -> None:
        if n <= self._rows:
            return
        self._rows = n

        def room(widths: tuple[int, ...]) -> list[Array]:
            return [np.empty((n, width), self.dtype) for width in widths]

        shape = self.shape
        made = shape.n_ids or shape.pieces or shape.frequencies
        self._input = np.empty((n, shape.widths[0] if made else 0), self.dtype)
        self._z, self._out, self._back = room(shape.hidden), room(shape.hidden), room(shape.hidden)
        self._gradients = room(shape.widths[:-1])
        self._normal = room(shape.hidden if shape.norm is not None else ())
        self._inverse = [np.empty(n, self.dtype) for _ in shape.hidden]
        self._batch = [(np.empty(w, self.dtype), np.empty(w, self.dtype)) for w in shape.hidden]
        self._scores = np.empty((n, shape.n_outputs), self.dtype)


def _again(shape: Shape, dtype: Any, arrays: Mapping[str, Array]) -> Network:
    network = Network(shape, dtype)
    for name, own in network.named().items():
        own[:] = arrays[name]
    return network
