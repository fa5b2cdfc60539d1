"""Saved networks: what they predict of raw columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block, RawBlock
from scalable.errors import ModelError
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.state import State
from scalable.features.target import check_outputs
from scalable.inference.request.row_block import block_of_rows
from scalable.kernels.neural.activations import ACTIVATIONS
from scalable.models.links import apply_link
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel
from scalable.neural.network import NORMS, Network, Shape
from scalable.neural.number_pieces import check_edges
from scalable.neural.row_answer import answer_of
from scalable.storage.documents import SHAPELESS, typed

KIND = "neural"
PIECE = 2**12  # rows that go through the layers together: they stay in the cache
LINKS = ("identity", "logistic", "softmax")
MOST_UNITS = 2**20


class NeuralModel(Predictor):
    """A trained network.

    Parameters
    ----------
    encoder : LinearEncoder
        From raw columns to numbers and feature indices; knows the classes.
    network : Network
        The parameters.
    link : str
        ``"identity"``, ``"logistic"`` or ``"softmax"``.
    target : tuple of float
        Of regression: what is added to predictions, after they are multiplied by the second.
    """

    kind = KIND

    def __init__(
        self, encoder: LinearEncoder, network: Network, link: str, target: tuple[float, float]
    ) -> None:
        self.encoder: LinearEncoder = encoder
        self.network, self.link, self.target = network, link, target

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return self.network.shape.n_outputs

    @cached_property
    def _features(self) -> LinearEncoder:
        return self.encoder.features_only

    def scores(self, block: Block) -> NDArray[np.float64]:
        """Return the scores of encoded rows, shape (n_outputs, n_rows)."""
        out = np.empty((self.n_outputs, block.n_rows))
        columns, ids = block.columns, block.ids
        network = Network.sharing(self.network)  # work space of its own: threads score side by side
        for start in range(0, block.n_rows, PIECE):
            rows = slice(start, start + PIECE)
            x = np.ascontiguousarray(columns[:, rows].T)
            found = network.forward(x, np.ascontiguousarray(ids[:, rows].T))
            out[:, rows] = found.T
        shift, scale = self.target
        return out if (shift, scale) == (0.0, 1.0) else out * scale + shift

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class, of every class (n_rows, k), or means."""
        self.check(raw)
        return apply_link(self.link, self.scores(self._features.encode(raw)))

    def _compile_answer(self) -> Callable[..., Any]:
        shift, scale = self.target

        def finish(scores: NDArray[np.float64]) -> Any:
            found = apply_link(self.link, scores * scale + shift)
            return float(found[0]) if self.n_outputs == 1 else found[0]

        compiled = answer_of(self._features, self.network, finish)
        if compiled is not None:
            return compiled
        types = self.column_types

        def answer(row: Mapping[str, Any], missing_keys: str = "refuse") -> Any:
            found = self.predict_block(block_of_rows([row], types, missing_keys, numbered=False))
            return float(found[0]) if self.n_outputs == 1 else found[0]

        return answer

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, str]]:
        """Return metadata, arrays and texts to save."""
        state = self.encoder.state()
        meta = {
            "encoder": state.document,
            "network": asdict(self.network.shape),
            "link": self.link,
            "target": list(self.target),
        }
        return meta, {**self.network.named(), **state.parts}, {}


def read_neural(stored: StoredModel) -> NeuralModel:
    """Return the predictor of a saved network.

    Raises
    ------
    ModelError
        When its parts do not fit together.
    """
    try:
        encoder = LinearEncoder.from_state(State.of(stored.meta["encoder"], stored.arrays))
        told = stored.meta["network"]
        shape = typed(Shape, told)
        link, target = stored.meta["link"], tuple(map(float, stored.meta["target"]))
        if min(shape.widths) < 0 or max(*shape.widths, shape.embedding) > MOST_UNITS:
            raise ValueError(f"layers of {shape.widths} units")
        if shape.activation not in ACTIVATIONS or shape.norm not in NORMS or link not in LINKS:
            raise ValueError(f"{shape.activation!r}, {shape.norm!r}, {link!r}")
        if (shape.n_numbers, shape.n_ids, shape.n_indices) != (
            encoder.n_columns,
            encoder.n_ids,
            encoder.n_indices,
        ):
            raise ValueError("its network takes other columns than its encoder makes")
        if shape.frequencies < 0 or (shape.frequencies and shape.pieces):
            raise ValueError(f"{shape.frequencies} frequencies and {len(shape.pieces)} columns of pieces")
        if shape.pieces and (len(shape.pieces) != shape.n_numbers or min(shape.pieces) < 1):
            raise ValueError(f"pieces of {len(shape.pieces)} columns, of {shape.n_numbers}")
        check_outputs(shape.n_outputs, encoder.labels)
        if len(target) != 2:
            raise ValueError(f"a target of {len(target)} numbers")
        table = {"embeddings": (shape.n_indices if shape.n_ids else 0, shape.embedding)}
        for name, size in {
            **shape.arrays(),
            **shape.moments(),
            **table,
        }.items():  # before memory is taken for them
            if np.shape(stored.arrays[name]) != size:
                raise ValueError(f"{name} is of shape {np.shape(stored.arrays[name])}, not {size}")
        network = Network(shape)
        network.take(stored.arrays)
        check_edges(network.edges, shape.pieces)
    except SHAPELESS as error:
        raise ModelError(f"the network is damaged ({error}); train or copy the model again") from error
    return NeuralModel(encoder, network, link, (target[0], target[1]))
