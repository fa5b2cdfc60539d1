"""What all encoders share: the columns they read, their roles, and how they are rebuilt from what was saved."""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.roles import spoken
from scalable.data.types.logical import convert, type_named
from scalable.errors import DataError, ModelError
from scalable.features.older import upgraded
from scalable.features.state import State
from scalable.features.target import Labels, read_weights, require_single
from scalable.storage.documents import SHAPELESS


class Encoder(ABC):
    """Immutable, picklable map from a `RawBlock` to what a kernel learns from.

    Attributes
    ----------
    labels : Labels or None
        How the target column is read.
    weight : str or None
        Weight column.
    single : bool
        Whether what learns keeps targets and weights in float32.
    """

    labels: Labels | None
    weight: str | None
    single: ClassVar[bool] = False

    @property
    @abstractmethod
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""

    @property
    @abstractmethod
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each feature column it knows, those that it leaves out too."""

    @property
    def stored(self) -> list[str]:
        """Names of the float32 columns that kernels may read in their file, where those are all it needs."""
        return []

    @abstractmethod
    def encode(self, raw: RawBlock) -> Any:
        """Return the encoded block; label and weight too where the block has their columns.

        Raises
        ------
        DataError
            Where a value is not what was learned.
        """

    @abstractmethod
    def describe(self) -> list[str]:
        """Return one line a column: what was done with it."""

    @abstractmethod
    def state(self) -> State:
        """Return what `from_state` rebuilds it from."""

    @classmethod
    @abstractmethod
    def _rebuilt(cls, state: State) -> Self:
        """Return the encoder of a state of today's format."""

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild an encoder from `state`, today's or that of an older model.

        Raises
        ------
        ModelError
            When its parts contradict each other.
        """
        try:
            return cls._rebuilt(upgraded(state))
        except SHAPELESS as error:
            raise ModelError(
                f"the model's encoder is damaged ({error!r}); train or copy the model again"
            ) from error

    @staticmethod
    def _saved_roles(document: Mapping[str, Any]) -> tuple[Labels | None, str | None]:
        """Return labels and weight column as a document has them; raises as `Labels.from_json`."""
        labels, weight = document["labels"], document["weight"]
        if weight is not None and type(weight) is not str:
            raise TypeError(f"the weight column is {weight!r:.60}")
        return None if labels is None else Labels.from_json(labels), weight

    def _roles(self, raw: RawBlock) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return label and weight of a block, as far as it has them."""
        label = weight = None
        if self.labels is not None and self.labels.column in raw.arrays:
            label = self.labels.encode(raw.arrays[self.labels.column], raw.where)
        if self.weight is not None and self.weight in raw.arrays:
            weight = read_weights(raw.arrays[self.weight], self.weight, raw.where)
        if self.single and label is not None and self.labels is not None and self.labels.classes is None:
            require_single(label, spoken("target", self.labels.column), raw.where)
        if self.single and weight is not None:
            require_single(weight, spoken("weight", str(self.weight)), raw.where)
        return label, weight


def as_trained(array: pa.Array, name: str, arrow_type: str, kind: str, place: str = "") -> pa.Array:
    """Return a column as training had it; messages begin with its place.

    Raises
    ------
    DataError
        When it is of another type that cannot be brought to that of training exactly.
    """
    array = convert(array, name, _type_of(name, arrow_type), place)
    if (kind == "text") != pa.types.is_dictionary(array.type):
        raise DataError(
            f"{place}column {name!r} is {array.type} here but was {arrow_type} in training; give data of the "
            "training schema"
        )
    return array


@functools.lru_cache(4096)
def type_name(arrow_type: str) -> str:
    """Return a type as a reader knows it: Arrow's, but ``dictionary of string`` without index type and order."""
    return re.sub(r"^dictionary<values=(.+), indices=\w+, ordered=\d>$", r"dictionary of \1", arrow_type)


def _type_of(name: str, arrow_type: str) -> pa.DataType:
    try:
        return type_named(arrow_type)
    except ValueError as error:
        raise ModelError(
            f"the model's column {name!r} has no type that is known ({arrow_type}); train it again"
        ) from error
