"""Stored features in requests: added, missing, defaulted; the store comes back; over HTTP."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data.table import TableSource
from scalable.errors import DataError, DataWarning
from scalable.feature_store import OnlineStore, materialize, point_in_time_join
from scalable.feature_store.online import requests
from scalable.feature_store.online.requests import RequestFeatures
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from tests.feature_store.examples import MINUTE, random_events, random_keys, write


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    path = write(folder, random_events(np.random.default_rng(0), 300, 5))
    materialize(path, folder / "store")
    return folder, path


def test_a_request_gets_its_features_and_keeps_its_own(made):
    folder, path = made
    features = RequestFeatures(path, folder / "store")
    at = 2000 * MINUTE
    with OnlineStore(path, folder / "store") as store:
        expected = store.lookup({"customer": 2}, at=at)
    found = features.lookup_into({"customer": 2, "pay_n_sum_3h": -1}, at=at)
    assert repr(found) == repr({**expected, "customer": 2, "pay_n_sum_3h": -1})
    unknown = features.lookup_into({"customer": 999}, at=at)
    assert unknown["pay_country"] is None
    assert unknown["pay_count_1h"] == 0
    assert (features.requests, features.defaults) == (2, 0)
    for request, message in (({}, "lacks 'customer'"), ({"customer": "x"}, "whole numbers")):
        with pytest.raises(DataError, match=message):
            features.lookup_into(request)
    features.close()


def test_a_store_that_cannot_be_read_gives_defaults_until_it_can(made, tmp_path, monkeypatch):
    folder, path = made
    monkeypatch.setattr(requests, "AGAIN_SECONDS", 0.0)
    with pytest.warns(DataWarning, match="is no online store.*defaults are served meanwhile, and counted"):
        features = RequestFeatures(path, tmp_path / "store")
    found = features.lookup_into({"customer": 2})
    assert found["pay_country"] is None
    assert found["pay_amount_sum_2h"] == found["pay_count_1h"] == 0
    assert "scalable_feature_defaults_total 1\n" in features.metrics()
    shutil.copytree(folder / "store", tmp_path / "store")
    assert features.lookup_into({"customer": 2}, at=2000 * MINUTE)["pay_count_400d"] > 0
    assert features.defaults == 1
    assert features.trouble is None
    features.close()


def test_a_damaged_row_gives_defaults(made, tmp_path):
    folder, path = made
    shutil.copytree(folder / "store", tmp_path / "store")
    with OnlineStore(path, tmp_path / "store", create=True) as store:
        key = store.lookups()[0].key(1)
        with store.env.begin(write=True) as transaction:
            transaction.put(key, b"\x01" * 80, db=store.tables["pay"])
    features = RequestFeatures(path, tmp_path / "store")
    with pytest.warns(DataWarning, match="row of customer 1 is damaged"):
        assert features.lookup_into({"customer": 1})["pay_count_400d"] == 0
    assert features.defaults == 1
    features.close()


def test_a_store_of_other_definitions_is_refused(made, tmp_path):
    folder, path = made
    (tmp_path / "f.toml").write_text(path.read_text().replace('"3h"', '"4h"'))
    with pytest.raises(DataError, match="other definitions"):
        RequestFeatures(tmp_path / "f.toml", folder / "store")


def test_the_server_answers_with_stored_features(made, tmp_path):
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    folder, path = made
    keys = random_keys(np.random.default_rng(1), 300, 5)
    point_in_time_join(keys, path, folder / "training")
    columns = ["pay_amount", "pay_country", "pay_n_sum_3h", "pay_count_400d"]
    table = pq.read_table(folder / "training").select(columns)
    table = table.append_column("y", pa.array(np.random.default_rng(2).integers(0, 2, 300)))
    LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(tmp_path / "pay.model")
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    program = [sys.executable, "-c", code, "serve", str(tmp_path / "pay.model"), "--bind", "127.0.0.1:0"]
    options = ["--features", str(path), "--store", str(folder / "store")]
    server = subprocess.Popen([*program, *options], stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        answers = []
        for body in ({"customer": 3}, [{"customer": 3}], {"label": 1}):
            connection.request("POST", "/predict", json.dumps(body), {"content-type": "application/json"})
            reply = connection.getresponse()
            answers.append((reply.status, json.loads(reply.read())))
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
        connection.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        server.stdout.close()
    with OnlineStore(path, folder / "store") as store:
        found = store.lookup({"customer": 3})
    expected = load_model(tmp_path / "pay.model").predict([{name: found[name] for name in columns}])[0]
    assert answers[0][1]["prediction"] == expected == answers[1][1]["predictions"][0]
    assert answers[2][0] == 400
    assert "lacks 'customer'" in answers[2][1]["error"]
    assert "scalable_feature_requests_total 3\n" in metrics
