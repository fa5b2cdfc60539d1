import pyarrow as pa
import pytest

from scalable.data.columns import KINDS, column_kind


@pytest.mark.parametrize(
    ("arrow_type", "kind"),
    [
        (pa.bool_(), "boolean"),
        (pa.int8(), "integer"),
        (pa.uint64(), "integer"),
        (pa.float16(), "float"),
        (pa.float64(), "float"),
        (pa.decimal128(10, 2), "float"),
        (pa.decimal256(50, 2), "float"),
        (pa.null(), "float"),
        (pa.timestamp("ns", "Europe/Rome"), "temporal"),
        (pa.date32(), "temporal"),
        (pa.time64("us"), "temporal"),
        (pa.duration("s"), "temporal"),
        (pa.string(), "text"),
        (pa.large_string(), "text"),
        (pa.string_view(), "text"),
        (pa.dictionary(pa.int8(), pa.string()), "text"),
        (pa.dictionary(pa.int32(), pa.int64()), "text"),
        (pa.binary(), None),
        (pa.list_(pa.int64()), None),
        (pa.struct([("a", pa.int64())]), None),
        (pa.map_(pa.string(), pa.int64()), None),
        (pa.dictionary(pa.int8(), pa.binary()), None),
    ],
)
def test_kind_of_every_type(arrow_type, kind):
    assert column_kind(arrow_type) == kind
    assert kind is None or kind in KINDS
