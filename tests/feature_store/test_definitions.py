"""Files of definitions: what they may say, what is refused and how, what they mean."""

import pytest

from scalable.errors import DataError
from scalable.feature_store.definitions import difference
from scalable.feature_store.read_definitions import read_definitions
from tests.feature_store.examples import DEFINITIONS

LEAST = '[views.v]\nsource = "x"\nentity = "e"\nevent_time = "t"\n'


def read(tmp_path, text, name="f.toml"):
    (tmp_path / name).write_text(text)
    return read_definitions(tmp_path / name)


def test_features_are_listed_in_order(tmp_path):
    definitions = read(tmp_path, LEAST + 'values = ["a", "b"]\ntime_since_last = true\n'
                       '[[views.v.aggregates]]\ncolumn = "a"\nfunctions = ["sum", "count"]\nwindows = ["1h", "7d"]\n'
                       '[[views.v.aggregates]]\nfunctions = ["count"]\nwindows = ["30s"]\n')  # fmt: skip
    assert [feature.name for feature in definitions.features] == [
        "v_a", "v_b", "v_time_since_last", "v_a_sum_1h", "v_a_count_1h", "v_a_sum_7d", "v_a_count_7d", "v_count_30s",
    ]  # fmt: skip
    assert definitions.features[5].window == 7 * 86_400 * 10**9
    assert definitions.views["v"].longest == 7 * 86_400 * 10**9
    assert definitions.source_of(definitions.views["v"]) == str(tmp_path / "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("views = 3", "defines no view"),
        ("views = " + "[" * 5_000, "is not TOML"),
        ("views = 1" + "0" * 5_000, "is not TOML"),
        ("", "defines no view"),
        ("[view.v]\n", "unknown key 'view'; did you mean 'views'"),
        ("[views.v]\n" + 'source = "x"\nentity = "e"\n', r"\[views.v\]: lacks 'event_time'"),
        (LEAST, "defines no feature"),
        (LEAST + 'value = ["a"]\n', r"f.toml: \[views.v\]: unknown key 'value'; did you mean 'values'"),
        (LEAST + "values = 3\n", r"\[views.v\].values: expected a list, found 3"),
        (LEAST + 'values = ["a", "a"]\n', "names something twice"),
        (LEAST + 'values = ["e"]\n', "'e' is entity or time, and a value besides"),
        (LEAST + 'values = ["a"]\ntime_to_live = "3 days"\n', r"time_to_live: '3 days' is no span of time"),
        (LEAST + 'values = ["a"]\ntime_to_live = "0s"\n', "is no span of time"),
        (LEAST + 'values = ["a"]\nduplicates = "dorp"\n', "'dorp' is unknown; did you mean 'drop'"),
        (LEAST + 'values = ["a"]\ntime_unit = "min"\n', "'min' is unknown"),
        (
            LEAST + '[[views.v.aggregates]]\ncolumn = "a"\nfunctions = ["men"]\nwindows = ["1h"]\n',
            "did you mean 'mean'",
        ),
        (
            LEAST + '[[views.v.aggregates]]\nfunctions = ["sum"]\nwindows = ["1h"]\n',
            "only 'count' is possible",
        ),
        (
            LEAST + '[[views.v.aggregates]]\ncolumn = "a"\nfunctions = ["sum"]\n',
            r"aggregates\[0\]: lacks 'windows'",
        ),
        (
            LEAST
            + '[[views.v.aggregates]]\ncolumn = "a"\nfunctions = ["sum"]\nwindows = ["1h"]\ndecimals = 16\n',
            "0 to 15",
        ),
        (LEAST + "values = [", "is not TOML"),
        ('[views."a b"]\n', "named by letters"),
    ],
)
def test_what_is_wrong_is_refused_with_place_and_remedy(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_names_that_meet_are_refused(tmp_path):
    twice = (
        LEAST
        + 'values = ["a_count_1h"]\n[[views.v.aggregates]]\ncolumn = "a"\nfunctions = ["count"]\nwindows = ["1h"]\n'
    )
    with pytest.raises(DataError, match="'v_a_count_1h' is the name of two columns"):
        read(tmp_path, twice)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_definitions(tmp_path / "none.toml")


def test_fingerprints_follow_the_meaning_and_not_the_place(tmp_path):
    one = read(tmp_path, DEFINITIONS)
    assert one.fingerprint() == read(tmp_path, "# a comment\n" + DEFINITIONS, "g.toml").fingerprint()
    assert one.fingerprint() == read(tmp_path, DEFINITIONS.replace('"events"', '"moved/"')).fingerprint()
    changes = [
        ('"9h"', '"8h"'),
        ('"flag", ', ""),
        ("decimals = 2", "decimals = 3"),
        ("time_since_last = true\n", ""),
    ]
    others = {read(tmp_path, DEFINITIONS.replace(*change)).fingerprint() for change in changes}
    assert len({one.fingerprint(), *others}) == 5


def test_differences_are_told_a_line_each(tmp_path):
    old = read(tmp_path, DEFINITIONS)
    new = read(
        tmp_path,
        DEFINITIONS.replace('"9h"', '"8h"')
        .replace('"flag", ', "")
        .replace('"3h"', '"4h"')
        .replace("= 2", "= 3"),
    )
    lines = difference(old, new)
    assert "- pay_flag" in lines
    assert "+ pay_n_sum_4h" in lines
    assert "- pay_n_sum_3h" in lines
    assert "~ views.pay.time_to_live: '9h' -> '8h'" in lines
    assert "~ views.pay: other decimals of 'amount'" in lines
    assert difference(old, old) == []
