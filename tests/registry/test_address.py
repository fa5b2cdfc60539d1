"""``registry:NAME@ALIAS`` wherever a model's path is taken, and the commands of the registry."""

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.errors import ModelError, UsageError
from scalable.inference import compile_model, load_model
from scalable.linear import LogisticRegression
from scalable.registry.address import model_path, moves, parse_address
from scalable.registry.registry import Registry
from scalable.serve.follow import Follower
from scalable.serve.models import Models

ROW = {"x": 1.5, "z": -0.5}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A registry of two versions."""
    place = tmp_path_factory.mktemp("registry")
    for seed in range(2):
        rng = np.random.default_rng(seed)
        table = pa.table({"x": rng.normal(size=300), "z": rng.normal(size=300), "y": rng.integers(0, 2, 300)})
        LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(place / f"model-{seed}")
        Registry(place).record("fraud", place / f"model-{seed}", metrics={"auc": seed / 2})
    return place


@pytest.fixture
def registry(filled, tmp_path, monkeypatch):
    shutil.copytree(filled / "fraud", tmp_path / "registry/fraud")
    monkeypatch.setenv("SCALABLE_REGISTRY", str(tmp_path / "registry"))
    return Registry(tmp_path / "registry")


def test_addresses_are_read(monkeypatch):
    monkeypatch.delenv("SCALABLE_REGISTRY", raising=False)
    assert parse_address("models/fraud") is None
    found = parse_address("registry:/srv/models/fraud@production")
    assert (found.registry, found.name, found.which) == ("/srv/models", "fraud", "production")
    assert parse_address("registry:fraud@7").registry == "registry"
    assert moves("registry:fraud@latest")
    assert not moves("registry:fraud@7")
    for wrong in ("registry:fraud", "registry:fraud@", "registry:@7", "registry:fraud@a b"):
        with pytest.raises(UsageError):
            parse_address(wrong)


def test_whoever_takes_a_path_takes_an_address(registry):
    registry.promote("fraud", "2", "production")
    address = "registry:fraud@production"
    plain = load_model(registry.path / "fraud/versions/2/model")
    assert load_model(address).predict_one(ROW) == plain.predict_one(ROW)
    assert LogisticRegression.load(address).n_features_in_ == 2
    assert compile_model(address) is not None
    assert model_path(address) == registry.path / "fraud/versions/2/model"
    with pytest.raises(ModelError, match="no alias 'canary'"):
        load_model("registry:fraud@canary")


def test_a_server_follows_an_alias(registry):
    registry.promote("fraud", "1", "production")
    said = []
    models = Models(["registry:fraud@production"])
    follower = Follower(models, 60, said.append)
    assert models.get("fraud").version == "1"
    registry.promote("fraud", "2", "production")
    follower.look()
    assert models.get("fraud").version == "2"
    registry.rollback("fraud", "production")
    follower.look()
    assert said == ["fraud: version 2 after 1", "fraud: version 1 after 2"]
    version = registry.path / "fraud/versions/2/model/model.json"
    whole = version.read_bytes()
    registry.promote("fraud", "2", "production")
    version.write_bytes(whole[:40])
    follower.look()
    assert models.get("fraud").version == "1"
    version.write_bytes(whole)
    follower.look()
    assert models.get("fraud").version == "2"


def test_the_command_follows_an_alias_unasked(registry):
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    registry.promote("fraud", "1", "production")
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    words = ["serve", "registry:fraud@production", "--bind", "127.0.0.1:0"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline()
        assert said.startswith("serving fraud 1 on http://127.0.0.1:"), said
        port, seen, deadline = int(said.rsplit(":", 1)[1]), set(), time.monotonic() + 60
        registry.promote("fraud", "2", "production")
        while "2" not in seen and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/predict", json.dumps(ROW))
            seen.add(json.loads(connection.getresponse().read())["version"])
            connection.close()
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert "2" in seen
