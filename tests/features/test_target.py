"""Labels become places among the classes, whatever the column's type; one that is no class is named."""

import numpy as np
import pyarrow as pa
import pytest

from scalable.errors import UnforeseenError
from scalable.features.target import Labels

INTEGERS = (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64())


@pytest.mark.parametrize("kind", [*INTEGERS, pa.float32(), pa.float64()])
def test_numbers_become_places_among_the_classes(kind):
    classes = (0, 3, 100) if pa.types.is_unsigned_integer(kind) else (-128, -1, 0, 127)
    places = np.random.default_rng(0).integers(0, len(classes), 5_000)
    array = pa.array([classes[k] for k in places.tolist()], kind)
    assert Labels("y", classes).encode(array).tolist() == places.tolist()


@pytest.mark.parametrize("kind", [*INTEGERS, pa.float64(), pa.string()])
@pytest.mark.parametrize("at", [0, 17, 999])
def test_the_first_label_that_is_no_class_is_named(kind, at):
    known, strange = ("a", "b") if pa.types.is_string(kind) else (1, 2)
    values = [known] * at + [strange] * (1_000 - at)
    array = pa.array(values, kind)
    array = array.dictionary_encode() if pa.types.is_string(kind) else array
    with pytest.raises(
        UnforeseenError, match=rf"^row {at}: target column 'y' holds {strange!r}(.0)?; the model knows"
    ):
        Labels("y", (known, "c") if pa.types.is_string(kind) else (known, 3)).encode(array)


def test_true_and_false_are_classes():
    array = pa.array([True, False, True])
    assert Labels("y", (False, True)).encode(array).tolist() == [1.0, 0.0, 1.0]
