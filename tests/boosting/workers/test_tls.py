"""On a cluster that uses TLS nothing of a fit crosses a network in the clear."""

import shutil
import subprocess

import numpy as np
import pytest
from distributed import Client, LocalCluster, Security

from scalable.boosting import LGBMRegressor
from scalable.boosting.workers.placement import Place, refuse_clear
from scalable.errors import ClusterError


def places(*addresses):
    return tuple(Place(each, each.split("//")[1].rsplit(":", 1)[0].strip("[]"), 1) for each in addresses)


def test_workers_on_several_hosts_are_refused():
    with pytest.raises(ClusterError, match=r"uses TLS .*unencrypted.*between 2 hosts.*n_workers=1"):
        refuse_clear(places("tls://10.0.0.1:40", "tls://10.0.0.2:40"))
    with pytest.raises(ClusterError, match="uses TLS"):
        refuse_clear(places("tls://127.0.0.1:40", "tls://10.0.0.2:40"))


@pytest.mark.parametrize(
    "addresses",
    [
        ("tls://10.0.0.1:40",),
        ("tls://10.0.0.1:40", "tls://10.0.0.1:41"),
        ("tls://127.0.0.1:40", "tls://127.0.0.2:41", "tls://[::1]:42"),
        ("tcp://10.0.0.1:40", "tcp://10.0.0.2:40"),
    ],
)
def test_one_host_or_no_tls_is_well(addresses):
    given = places(*addresses)
    assert refuse_clear(given) == given


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")
def test_a_tls_cluster_of_one_host_trains(tmp_path):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    roles = {f"tls_{role}_{what}": path for role in ("scheduler", "worker", "client")
             for what, path in (("key", key), ("cert", certificate))}  # fmt: skip
    security = Security(tls_ca_file=certificate, require_encryption=True, **roles)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 3))
    y = X[:, 0] + rng.normal(size=400) * 0.1
    fit = {"n_estimators": 4, "num_leaves": 5, "n_jobs": 1, "verbosity": -1}
    with (
        LocalCluster(2, threads_per_worker=1, processes=False, protocol="tls://", security=security,
                     dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster, security=security) as client,
    ):  # fmt: skip
        assert client.scheduler.address.startswith("tls://")
        ours = LGBMRegressor(client=client, **fit).fit(X, y).predict(X)
    np.testing.assert_allclose(ours, LGBMRegressor(n_workers=2, **fit).fit(X, y).predict(X), rtol=1e-9)
