"""Noise is called noise, and unlike is not compared with unlike."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from scalable.errors import UsageError
from scalable.report.compare import compare


@pytest.fixture
def pair(quickstart):
    return copy.deepcopy(quickstart), copy.deepcopy(quickstart)


def verdicts(result):
    return {row["what"]: row["verdict"] for row in result["rows"]}


def test_a_copy_is_the_same_throughout(pair):
    result = compare(*pair)
    assert set(verdicts(result).values()) == {"same"}
    assert len(result["rows"]) > 30
    assert result["summary"] == f"{len(result['rows'])} same"


def test_direction_follows_the_metric(pair):
    a, b = pair
    b["sections"]["stages"][0]["seconds"] *= 2
    b["sections"]["stages"][1]["peak_memory_bytes"] *= 0.5
    b["sections"]["quality"][0]["auc"] -= 0.05
    b["sections"]["quality"][1]["log_loss"] *= 0.7
    b["sections"]["latency"]["1"][0]["p50_us"] *= 0.5
    found = verdicts(compare(a, b))
    assert found["generate seconds"] == "worse"
    assert found["train logistic peak memory"] == "better"
    assert found["logistic AUC"] == "worse"
    assert found["lightgbm Log loss"] == "better"
    assert found["Booster.predict 1 row(s) p50 µs"] == "better"


def test_small_moves_are_noise(pair):
    a, b = pair
    b["sections"]["stages"][0]["seconds"] *= 1.05
    b["sections"]["quality"][0]["auc"] += 1e-4
    b["sections"]["latency"]["1"][0]["p99_us"] *= 1.2
    result = compare(a, b)
    assert result["counts"]["noise"] == 3
    assert result["counts"]["better"] == result["counts"]["worse"] == 0


def test_repeats_decide_where_there_are_enough():
    def document(seconds):
        peer = {
            "job": "linear",
            "peer": "ours",
            "status": "ok",
            "seconds": float(np.median(seconds)),
            "samples": seconds,
        }
        return {"machine": {}, "sections": {"peers": [peer]}}

    before = [1.00, 1.01, 0.99, 1.02, 0.98, 1.0]
    steady = compare(document(before), document([1.05, 1.06, 1.04, 1.07, 1.05, 1.06]))["rows"][0]
    assert (steady["verdict"], steady["p_value"] < 0.01) == ("worse", True)  # 5%, but every time
    shaky = compare(document([1.0, 2.0, 1.5, 1.2, 1.6]), document([1.9, 1.1, 2.2, 1.4, 1.3]))["rows"][0]
    assert (shaky["verdict"], shaky["p_value"] > 0.1) == ("noise", True)


def test_noise_of_quality_is_two_standard_errors_of_a_difference(pair):
    a, b = pair
    error = a["sections"]["quality"][0]["auc_se"]
    for change, verdict in ((2.7, "noise"), (2.95, "better")):  # 2 * sqrt(2) = 2.83
        b["sections"]["quality"][0]["auc"] = a["sections"]["quality"][0]["auc"] + change * error
        assert verdicts(compare(a, b))["logistic AUC"] == verdict


def test_few_repeats_are_no_surer_than_their_range():
    def document(seconds, auc=0.7):
        peer = {"job": "linear", "peer": "ours", "seconds": float(np.median(seconds)), "samples": seconds}
        peer |= {"quality": {"auc": auc}, "held_out_rows": 10_000}
        return {"machine": {}, "sections": {"peers": [peer]}}

    found = verdicts(compare(document([1.0, 1.8, 1.2]), document([1.5, 1.6, 1.4], auc=0.8)))
    assert found == {"linear ours seconds": "noise", "linear ours AUC": "better"}
    assert (
        verdicts(compare(document([1.0, 1.1, 1.2]), document([1.5, 1.6, 1.4])))["linear ours seconds"]
        == "worse"
    )


def test_other_settings_are_refused_unless_forced(versus):
    a, b = copy.deepcopy(versus), copy.deepcopy(versus)
    a["sections"]["setting"], b["sections"]["setting"] = {"threads": 2, "limit": "5 s"}, {"threads": 4}
    with pytest.raises(UsageError, match="setting threads differs: 2 against 4"):
        compare(a, b)
    assert set(verdicts(compare(a, b, force=True)).values()) == {"same"}


def test_a_busy_machine_is_pointed_out(pair):
    a, b = pair
    a["machine"] |= {"cores": 2, "others": 0.1, "load": 2.9}
    b["machine"] |= {"cores": 2, "others": None, "load": 11.5}  # as written before others were counted
    assert compare(a, b)["notes"] == []
    b["machine"]["others"] = 1.5
    (note,) = compare(a, b)["notes"]
    assert note.startswith("others used 0.1 of the processors in A and 1.5 of the processors in B")


def test_the_tail_of_few_calls_is_not_compared(pair):
    a, b = pair
    for row in b["sections"]["latency"]["1000"]:
        row["calls"], row["p99_us"] = 5, 10 * row["p99_us"]
    result = compare(a, b)
    assert result["counts"]["worse"] == 0
    assert "Booster.predict 1000 row(s) p99 µs" in result["only_a"]


@pytest.mark.parametrize(
    ("where", "key", "value", "found"),
    [
        ("machine", "cpu", "another", "machine cpu differs: .* against another"),
        ("machine", "cores", 96, "machine cores differs"),
        ("dataset", "rows", 5, "dataset rows differs"),
        ("dataset", "name", "clicks", "dataset name differs: small against clicks"),
    ],
)
def test_other_machines_and_datasets_are_refused_unless_forced(pair, where, key, value, found):
    a, b = pair
    (b["machine"] if where == "machine" else b["sections"]["dataset"])[key] = value
    with pytest.raises(UsageError, match=found):
        compare(a, b)
    result = compare(a, b, force=True)
    assert len(result["warnings"]) == 1
    assert result["rows"]


def test_what_only_one_side_has_is_listed(pair):
    a, b = pair
    b["sections"]["stages"].pop(0)
    b["sections"]["stages"].append({"name": "score", "seconds": 1.0})
    result = compare(a, b)
    assert result["only_a"] == ["generate seconds", "generate peak memory"]
    assert result["only_b"] == ["score seconds"]
    assert result["summary"].endswith("2 only in A, 1 only in B")


def test_nothing_in_common_is_said():
    empty = {"machine": {}, "sections": {}}
    assert compare(empty, empty)["summary"] == "nothing in common"


def test_zero_and_missing_numbers_do_not_fail(pair):
    a, b = pair
    a["sections"]["stages"][0]["seconds"] = 0.0
    b["sections"]["stages"][1]["seconds"] = None
    a["sections"]["quality"][0]["auc"] = None
    b["sections"]["latency"] = "gone"
    assert compare(a, b)["rows"][0]["change"] is None


def fits(seconds, rate=3e6):
    """Return a document of a kind that nobody foresaw."""
    runs = {
        "ours": {
            "fit_seconds": seconds,
            "trees": 20,
            "stats": {"ranks": [{"peak_bytes": 100}, {"peak_bytes": 104}]},
        }
    }
    rows = [
        {"who": "fraud", "round": n, "rows_per_second": rate * x}
        for n, x in enumerate((1, 1.01, 0.99, 1.02, 0.98))
    ]
    facts = [{"what": "held-out loss", "value": seconds}]
    return {
        "machine": {},
        "sections": {"boosting": {"rows": 10, "runs": runs}, "records": rows, "facts": facts},
    }


def test_sections_of_any_shape_are_compared_by_what_their_names_say():
    result = compare(fits(2.0), fits(3.0, rate=2e6))
    assert verdicts(result) == {
        "10 rows runs ours 20 trees fit seconds": "worse",
        "10 rows runs ours 20 trees stats ranks peak bytes": "same",
        "fraud rows per second": "worse",
        "held-out loss value": "changed",
    }
    (repeated,) = (row for row in result["rows"] if row["what"] == "fraud rows per second")
    assert (repeated["a"], repeated["p_value"] < 0.01) == (3e6, True)
    assert set(verdicts(compare(fits(2.0), fits(2.1))).values()) == {"noise", "same"}
