"""Bad requests end in one typed error that names the thing and the remedy."""

import pytest

import data_gen
from data_gen.errors import RequestError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data_gen.rows("fruad", 0, 1), "unknown dataset 'fruad'; did you mean 'fraud'"),
        (lambda: data_gen.rows("zzz", 0, 1), "unknown dataset 'zzz'; known: "),
        (lambda: data_gen.rows("fraud", 0, 1, prevalance=0.1), "did you mean 'prevalence'"),
        (
            lambda: data_gen.rows("fraud", 0, 1, columns=["amount"]),
            "no column 'amount'; did you mean 'amount_",
        ),
        (lambda: data_gen.rows("fraud", 5, 1), "0 <= start <= stop"),
        (lambda: data_gen.rows("fraud", -1, 1), "0 <= start <= stop"),
        (lambda: data_gen.rows("fraud", 0, 2**63), "2\\*\\*63"),
        (lambda: data_gen.rows("fraud", 0, 1, seed=-1), "seed=-1: expected an integer from 0"),
        (lambda: data_gen.rows("fraud", 0, 1, seed=1.5), "seed=1.5"),
        (lambda: data_gen.rows("fraud", 0, 1, prevalence=0), "prevalence=0: expected 1e-05 to 0.5"),
        (lambda: data_gen.rows("fraud", 0, 1, cards=2.5), "cards=2.5: expected int"),
        (lambda: data_gen.rows("fraud", 0, 1, cards=float("inf")), "cards=inf: expected int"),
        (lambda: data_gen.rows("fraud", 0, 1, drift="fast"), "none, gradual, sudden"),
        (lambda: data_gen.rows("fraud", 0, 1, leakage="card_id"), "already has that column"),
        (lambda: data_gen.generate("fraud", rows=0, out="unused"), "rows=0: expected a whole number from 1"),
        (lambda: data_gen.generate("fraud", rows=-5, out="unused"), "rows=-5"),
        (lambda: data_gen.generate("fraud", rows=2**63, out="unused"), "9,223,372,036,854,775,807"),
        (lambda: data_gen.generate("fraud", rows=9, out="unused", workers=0), "workers=0"),
        (
            lambda: data_gen.generate("fraud", rows=9, out="unused", compression="gzip"),
            "none, lz4, snappy, zstd",
        ),
        (
            lambda: data_gen.generate("fraud", rows=9, out="unused", shards_of=(2, 2)),
            "counted from 0/2 to 1/2",
        ),
        (lambda: data_gen.generate("fraud", rows=9, out="unused", row_group_rows=-1), "row_group_rows=-1"),
        (lambda: data_gen.bayes_scores("fraud", []), "hold no rows"),
    ],
)
def test_request_errors(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []
