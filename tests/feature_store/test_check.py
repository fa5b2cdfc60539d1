"""The leak checker: finds what was planted, how far in the future, and nothing in a clean set."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError
from scalable.feature_store import check_leaks, point_in_time_join, read_definitions
from tests.feature_store.examples import MINUTE, random_events, random_keys, write


@pytest.fixture
def joined(tmp_path):
    rng = np.random.default_rng(0)
    events = random_events(rng, 400, 6)
    path = write(tmp_path, events)
    keys = random_keys(rng, 200, 6)
    point_in_time_join(keys, path, tmp_path / "out")
    return tmp_path, path, events, pq.read_table(tmp_path / "out")


def by_name(findings):
    return {finding.feature: finding for finding in findings}


@pytest.mark.parametrize("closed", ["right", "left"])
def test_a_clean_set_is_clean(joined, closed):
    folder, path, _, found = joined
    if closed == "left":
        point_in_time_join(found.select(["customer", "time"]), path, folder / "left", closed="left")
        found = pq.read_table(folder / "left")
    findings = check_leaks(found, path, closed=closed)
    assert len(findings) == len(read_definitions(path).features)
    assert all(finding.rows == 200 and finding.different == 0 for finding in findings)


def test_narrower_columns_say_the_same(joined):
    _, path, _, found = joined
    frame = pl.from_arrow(found).with_columns(
        pl.col("pay_amount_mean_7h").cast(pl.Float32),
        pl.col("pay_n_min_3h").cast(pl.Float64),
        pl.col("pay_count_1h").cast(pl.Int16),
    )
    assert all(finding.different == 0 for finding in check_leaks(frame, path))


def test_created_time_that_was_ignored_is_found(joined):
    """Joined by event time alone, as who forgets the created time does."""
    folder, path, _, found = joined
    careless = folder / "careless.toml"
    careless.write_text(path.read_text().replace('created_time = "created"\n', ""))
    point_in_time_join(found.select(["customer", "time"]), careless, folder / "leaky")
    leaky = pq.read_table(folder / "leaky")
    findings = by_name(check_leaks(leaky, path))
    finding = findings["pay_count_400d"]
    truth, wrong = found.column("pay_count_400d").to_numpy(), leaky.column("pay_count_400d").to_numpy()
    assert finding.different == int((truth != wrong).sum()) > 50
    assert finding.leaked == finding.different
    assert 0 < finding.furthest <= 400 * MINUTE
    rows = np.flatnonzero(truth != wrong)[:5]
    assert [row for row, _ in finding.examples] == rows.tolist()


def test_tomorrows_values_are_found_with_their_lead(joined):
    """The planted skew: rows joined as of an hour later."""
    folder, path, _, found = joined
    later = found.column("time").cast(pa.int64()).to_numpy() + 60 * MINUTE // 1000
    keys = pa.table({"customer": found.column("customer"), "time": pa.array(later, pa.timestamp("us"))})
    point_in_time_join(keys, path, folder / "later")
    names = ["pay_n_sum_3h", "pay_amount_sum_2h"]  # the second hardly ever comes again by chance
    for name in names:
        column = pq.read_table(folder / "later").column(name)
        found = found.set_column(found.column_names.index(name), name, column)
    findings = by_name(check_leaks(found, path))
    assert {name for name, finding in findings.items() if finding.different} == set(names)
    few, many = (findings[name] for name in names)
    assert few.leaked > 0.9 * few.different > 10
    assert many.leaked > 0.9 * many.different > 10
    assert 0 < many.furthest <= 60 * MINUTE


def test_what_nothing_explains_is_told_as_different(joined):
    _, path, _, found = joined
    place = found.column_names.index("pay_amount_sum_2h")
    finding = by_name(
        check_leaks(found.set_column(place, "pay_amount_sum_2h", pa.array([1e7 + 0.5] * 200)), path)
    )["pay_amount_sum_2h"]
    assert (finding.different, finding.leaked) == (200, 0)
    assert finding.examples[0] == (0, None)


def test_a_set_without_features_is_refused(joined):
    _, path, _, found = joined
    with pytest.raises(DataError, match="has none of the features"):
        check_leaks(found.select(["customer", "time"]), path)
    place = found.column_names.index("pay_amount")
    texts = found.set_column(place, "pay_amount", pa.array(["x"] * 200))
    with pytest.raises(DataError, match="column 'pay_amount' is string but the feature is double"):
        check_leaks(texts, path)
