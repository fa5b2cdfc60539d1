"""A frame of any library has the bits that its rows have as blocks; what is unusual is left to that way."""

import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.errors import DataError
from scalable.inference import load_model
from scalable.inference.request import frame_answers, linear_frames, pandas_frames
from scalable.inference.request.known_texts import known_texts
from scalable.linear import LinearRegression, LogisticRegression
from tests.inference.request.kinds import KINDS, learn, table_of_all_kinds

TREES = {"n_estimators": 12, "num_leaves": 15, "verbose": -1, "n_workers": 1}
LEARNERS = {
    "forest": (LGBMClassifier(**TREES), "c"),
    "classes forest": (LGBMClassifier(**TREES), "k"),
    "means forest": (LGBMRegressor(**TREES), "y"),
    "logistic": (LogisticRegression(n_workers=1, n_bins=2**7), "k"),
    "least squares": (LinearRegression(n_workers=1), "y"),
}
EVERYWHERE = [
    name for name in KINDS if name not in ("f16", "price", "s", "day", "day64", "clock")
]  # kinds that pandas and polars have, too


@pytest.fixture(scope="module")
def table():
    found = table_of_all_kinds()
    numbers = [pa.field(name, pa.float32() if name == "f16" else pa.float64()) for name in ("f16", "price")]
    for field in numbers:  # which are read in the usual way only
        at = found.schema.get_field_index(field.name)
        found = found.set_column(at, field, found.column(field.name).cast(field.type))
    names = [f"name of more than sixteen bytes {k % 9}" if k % 7 else "" for k in range(found.num_rows)]
    return found.append_column("long", pa.array(names))


@pytest.fixture(scope="module", params=LEARNERS)
def model(request, table, tmp_path_factory):
    learner, target = LEARNERS[request.param]
    return learn(learner, table, target, tmp_path_factory.mktemp("model") / "m", [*KINDS, "long"])


@pytest.fixture(scope="module", params=["forest", "logistic"])
def portable(request, table, tmp_path_factory):
    """A model of kinds that all libraries have."""
    learner, target = LEARNERS[request.param]
    return learn(learner, table, target, tmp_path_factory.mktemp("model") / "m", [*EVERYWHERE, "long"])


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """Compile at once what is otherwise compiled after a hundred frames."""
    monkeypatch.setattr(frame_answers.FOR_TREES, "patience", 0)
    monkeypatch.setattr(linear_frames.FOR_LINEAR, "patience", 0)


def by_blocks(model, frame):
    return np.concatenate([model.predict_block(raw) for raw in model._blocks(frame)])


def check(model, frame):
    """The frame is read at once, and has the bits that it has by the other way."""
    found = model.answer_frame(frame)
    assert found is not None
    np.testing.assert_array_equal(found, by_blocks(model, frame))
    np.testing.assert_array_equal(model.predict(frame), found)


TEXTS = ("few", "other", "many", "long")


def with_texts(table, kind):
    for name in TEXTS:
        column = table.column(name)
        column = column.combine_chunks().dictionary_encode() if pa.types.is_dictionary(kind) else column
        table = table.set_column(table.schema.get_field_index(name), name, column.cast(kind))
    return table


@pytest.mark.parametrize("n_rows", [1, 7, 39, 600, 3000])
def test_tables_of_arrow(model, table, n_rows):
    rows = table.slice(5, n_rows)
    check(model, rows)
    check(model, rows.combine_chunks())
    check(model, rows.combine_chunks().to_batches()[0])
    check(model, pa.Table.from_batches(rows.to_batches()).append_column("more", pa.array(range(len(rows)))))


def test_more_rows_than_a_piece(model, table):
    many = pa.concat_tables([table, table.slice(1), table.slice(3, 900)])
    check(model, many)
    check(model, many.combine_chunks())


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.uint16(), pa.large_string()),
        pa.dictionary(pa.int64(), pa.string()),
    ],
    ids=str,
)
def test_layouts_of_text(model, table, kind):
    check(model, with_texts(table, kind).slice(9, 800))
    if pa.types.is_dictionary(kind):
        check(model, with_texts(table, kind).slice(9, 3))  # of which the dictionary is longer


def test_a_dictionary_with_a_null(model, table):
    texts = pa.array(["few ä1", None, "few ä2", "another"])
    places = pa.array([k % 4 if k % 5 else None for k in range(table.num_rows)], pa.int8())
    column = pa.DictionaryArray.from_arrays(places, texts)
    check(model, table.set_column(table.schema.get_field_index("few"), "few", column))


OTHER_NUMBERS = {
    "i8": [pa.uint64(), pa.float32(), pa.bool_()],
    "u16": [pa.uint8(), pa.uint32(), pa.float64()],
    "i64": [pa.int16(), pa.uint8()],
    "f32": [pa.int64(), pa.float64()],
    "f64": [pa.float32(), pa.uint32()],
    "card_id": [pa.uint64(), pa.int16(), pa.float64(), pa.bool_(), pa.float32()],
}


@pytest.mark.parametrize("turn", range(5))
def test_numbers_of_other_types(model, table, turn):
    rows = table.slice(11, 700)
    for name, kinds in OTHER_NUMBERS.items():
        kind = kinds[turn % len(kinds)]
        column = pc.cast(pc.abs(rows.column(name).cast(pa.float64())), kind, safe=False)
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    check(model, rows)


@pytest.mark.parametrize("kind", [pa.int8(), pa.float64()], ids=str)
def test_booleans_that_come_as_numbers_are_looked_at_by_the_other_way(model, table, kind):
    rows = table.slice(11, 700)
    at = rows.schema.get_field_index("flag")
    numbers = rows.set_column(at, "flag", rows.column("flag").cast(pa.int8()).cast(kind))
    assert model.answer_frame(numbers) is None
    np.testing.assert_array_equal(model.predict(numbers), model.predict(rows))


def test_identifiers_that_are_no_whole_numbers(model, table):
    values = np.resize([1.5, -2.0, 2.0**63, 2.0**64, -(2.0**63), np.nan, 7.0, 1e300], table.num_rows)
    at = table.schema.get_field_index("card_id")
    check(model, table.set_column(at, "card_id", pa.array(values)))
    nulls = pa.array(values, from_pandas=True)
    check(model, table.set_column(at, "card_id", nulls))


def of_pandas(table):
    frame = table.select([name for name in table.column_names if name in (*EVERYWHERE, "long")]).to_pandas()
    frame["flag"] = frame["flag"].fillna(False).astype(bool)
    return frame


@pytest.mark.parametrize("n_rows", [1, 39, 3000])
def test_frames_of_pandas(portable, table, n_rows):
    frame = of_pandas(table)
    check(portable, frame.iloc[100:][:n_rows])
    check(portable, frame[::-1].head(n_rows))
    check(portable, frame.sample(n_rows, random_state=1)[sorted(frame.columns)].assign(more="x"))
    few = {name: frame[name].astype("category") for name in ("few", "many")}
    check(portable, frame.assign(**few).head(n_rows))
    check(portable, frame.assign(other=frame["other"].astype(object)).head(n_rows))
    check(portable, frame.assign(i8=frame["i8"].fillna(0).astype(np.uint8), u64=True).head(n_rows))


def test_what_is_kept_of_a_frame_of_pandas_is_not_taken_for_another(portable, table):
    """Frames of the same columns whose blocks, types or categories are others than those of the frame before."""
    frame = of_pandas(table.slice(0, 200)).dropna(subset=["few", "other"])
    texts = sorted(frame["few"].unique())
    coded = frame.assign(few=pd.Categorical(frame["few"], texts))
    turned = coded.assign(few=coded["few"].cat.reorder_categories(texts[::-1]))
    assert coded["few"].dtype == turned["few"].dtype  # as pandas says, though the codes are others
    renamed = coded.assign(few=coded["few"].cat.rename_categories([*texts[1:], "new"]))
    assert (renamed["few"].cat.codes == coded["few"].cat.codes).all()
    read = [
        frame,
        coded,
        turned,
        renamed,
        coded.assign(few=coded["few"].cat.add_categories(["more"])),
        frame.assign(i64=frame["i64"] + 1),  # in a block of its own
        frame.rename(columns={"i64": "f64", "f64": "i64"})[list(frame.columns)],
        frame.assign(few=frame["few"].astype(object)),
        frame.assign(i64=(frame["i64"].fillna(0) % 99).astype(np.uint8)),
        frame.iloc[::-2],
        frame[:1],
    ]
    finer = frame.assign(ms=frame["ms"].astype("datetime64[ns]"))
    turned_bytes = frame.assign(f64=frame["f64"].to_numpy().astype(">f8"))
    for _ in range(2):
        for each in read:
            check(portable, each)
        assert portable.answer_frame(finer) is None
        np.testing.assert_array_equal(portable.predict(finer), by_blocks(portable, finer))
        assert portable.answer_frame(turned_bytes) is None


@pytest.mark.parametrize("n_rows", [1, 39, 3000])
def test_frames_of_polars(portable, table, n_rows):
    rows = table.slice(0, n_rows).select([*EVERYWHERE, "long"])
    frame = pl.from_arrow(rows)
    check(portable, frame)
    check(portable, frame.with_columns(pl.col("few", "many").cast(pl.Categorical), more=1))
    check(portable, frame.slice(n_rows // 3))
    if n_rows > 1000:
        check(portable, pl.concat([frame, frame.slice(0, 900)], rechunk=False))


def test_a_schema_that_changes_between_calls(model, table):
    rows = table.slice(0, 50)
    other = rows.select(rows.column_names[::-1])
    few = rows.schema.get_field_index("few")
    wide = rows.set_column(few, "few", rows.column("few").cast(pa.large_string()))
    later = rows.set_column(few, "few", pa.nulls(50, pa.string()))
    for _ in range(2):
        for frame in (rows, other, wide, later):
            check(model, frame)
    with pytest.raises(DataError, match="no feature column 'f64'"):
        model.predict(rows.drop(["f64"]))
    text = rows.set_column(rows.schema.get_field_index("f64"), "f64", pa.array(["x"] * 50))
    with pytest.raises(DataError, match="'f64' is text here but was double in training"):
        model.predict(text)
    check(model, rows)


def test_what_is_unusual_takes_the_other_way(model, table):
    """And has the answers, or the refusals, of that."""
    rows = table.slice(0, 300)

    def changed(name, column):
        return rows.set_column(rows.schema.get_field_index(name), name, column)

    finer = changed("ms", rows.column("ms").cast(pa.timestamp("us")))
    half = changed("f32", rows.column("f32").cast(pa.float16()))
    nothing = changed("f64", pa.nulls(300))
    coded = changed("few", pa.nulls(300))
    pieces = pa.concat_tables([rows.slice(k, 1) for k in range(20)])
    for frame in (finer, half, nothing, coded, pieces):
        assert model.answer_frame(frame) is None
        np.testing.assert_array_equal(model.predict(frame), by_blocks(model, frame))
    lost = changed("ms", pa.array([datetime.datetime(2026, 1, 1, microsecond=1)] * 300))
    with pytest.raises(DataError, match="cannot hold"):
        model.predict(lost)
    assert model.answer_frame([{}]) is None
    assert model.answer_frame(np.zeros((3, 3))) is None


def test_places_outside_of_a_dictionary_are_not_read(model, table):
    places = pa.array(np.resize([0, 5], 300).astype(np.int32))
    forged = pa.DictionaryArray.from_arrays(places, pa.array(["few ä1"]), safe=False)
    rows = table.slice(0, 300)
    assert model.answer_frame(rows.set_column(rows.schema.get_field_index("few"), "few", forged)) is None


def test_an_infinite_value_is_refused_as_in_blocks(table, tmp_path):
    learner, target = LEARNERS["least squares"]
    model = learn(learner, table, target, tmp_path / "m", ["f64", "few", "ms"])
    values = table.column("f64").to_numpy().copy()
    values[7] = np.inf
    rows = table.set_column(table.schema.get_field_index("f64"), "f64", pa.array(values))
    with pytest.raises(DataError, match=r"row 7: column 'f64' is inf"):
        model.predict(rows)


def test_pandas_of_another_make_takes_the_other_way(portable, table, monkeypatch):
    frame = of_pandas(table.slice(0, 100))
    expected = portable.predict(frame)
    monkeypatch.setattr(pandas_frames, "readable", lambda: False)
    assert portable.answer_frame(frame) is None
    np.testing.assert_array_equal(portable.predict(frame), expected)
    monkeypatch.undo()
    pandas_frames.readable.cache_clear()
    monkeypatch.setattr(pandas_frames, "_mark", lambda block: block.nothing)
    assert not pandas_frames.readable()
    pandas_frames.readable.cache_clear()


def test_columns_of_one_name_are_refused(portable, table):
    frame = of_pandas(table.slice(0, 10))
    with pytest.raises(DataError, match="several columns named 'few'"):
        portable.predict(pd.concat([frame, frame[["few"]]], axis=1))


def test_models_that_answered_frames_can_be_pickled(portable, table):
    rows = table.slice(0, 100)
    expected = portable.predict(rows)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(portable)).predict(rows), expected)


def test_forests_of_plain_numbers(table, tmp_path):
    learner = LGBMClassifier(**TREES)
    numbers = pa.table({name: table.column(name).fill_null(0) for name in ("f64", "tail", "i64")})
    learner.fit(numbers, table.column("c"))
    learner.booster_.save_model(tmp_path / "forest.txt")
    plain = load_model(tmp_path / "forest.txt")
    check(plain, table.slice(3, 500))
    check(plain, table.slice(3, 500).select(["f64", "tail", "i64"]).to_pandas())


def test_known_texts_are_found_by_their_bytes():
    texts = {
        text: place for place, text in enumerate(["", "a", "\0", "x" * 8, "x" * 9, "x" * 30, "ä", "b" * 16])
    }
    table, content = known_texts(texts)
    found = {
        content[each["address"] - content.ctypes.data :][: each["size"] - 1].tobytes().decode(): each["place"]
        for each in table
        if each["size"]
    }
    assert found == texts
    assert len(table) >= 2 * len(texts)
