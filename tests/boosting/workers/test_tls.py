"""On a cluster that uses TLS nothing of a fit crosses a network in the clear."""

from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster, Security

from scalable.boosting import LGBMRegressor
from scalable.boosting.workers import launchers
from scalable.boosting.workers.placement import Place, alike
from scalable.errors import ClusterError
from tests.boosting.certificates import make_certificate


def places(*addresses):
    return tuple(Place(each, each.split("//")[1].rsplit(":", 1)[0].strip("[]"), 1) for each in addresses)


def test_workers_with_and_without_tls_are_refused():
    with pytest.raises(
        ClusterError, match=r"tls://10.0.0.1:40 uses TLS and worker tcp://10.0.0.2:40 does not"
    ):
        alike(places("tls://10.0.0.1:40", "tcp://10.0.0.2:40"))


@pytest.mark.parametrize("protocol", ["tls", "tcp", "inproc", "wss"])
def test_workers_of_several_hosts_are_well(protocol):
    given = places(f"{protocol}://10.0.0.1:40", f"{protocol}://10.0.0.2:40")
    assert alike(given) == given
    assert {place.encrypted for place in given} == {protocol in ("tls", "wss")}


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory):
    """A client of two workers over TLS, and their certificate's file."""
    key, certificate = make_certificate(tmp_path_factory.mktemp("tls"), "localhost")
    roles = {f"tls_{role}_{what}": path for role in ("scheduler", "worker", "client")
             for what, path in (("key", key), ("cert", certificate))}  # fmt: skip
    security = Security(tls_ca_file=certificate, require_encryption=True, **roles)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, protocol="tls://", security=security,
                     dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster,
        Client(cluster, security=security, set_as_default=False) as client,
    ):  # fmt: skip
        yield client, certificate


@pytest.mark.parametrize("engine", ["lightgbm", "native"])
def test_a_tls_cluster_trains_over_its_own_tls(over_tls, monkeypatch, engine):
    client, certificate = over_tls
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 3))
    y = X[:, 0] + rng.normal(size=400) * 0.1
    fit = {"n_estimators": 4, "num_leaves": 5, "n_jobs": 1, "verbosity": -1, "engine": engine}
    supervised, supervise = [], launchers.supervise
    monkeypatch.setattr(
        launchers, "supervise", lambda job, *rest: supervised.append(job) or supervise(job, *rest)
    )
    assert client.scheduler.address.startswith("tls://")
    ours = LGBMRegressor(client=client, n_workers=2, **fit).fit(X, y).predict(X)
    assert [job.credentials.certificate for job in supervised] == [Path(certificate).read_text()] * 2
    if engine == "lightgbm":
        alone = LGBMRegressor(n_workers=2, **fit).fit(X, y).predict(X)
        assert [job.credentials for job in supervised[2:]] == [None] * 2
    else:  # the same bits on any number of workers
        alone = LGBMRegressor(**fit).fit(X, y).predict(X)
    np.testing.assert_allclose(ours, alone, rtol=1e-9)
