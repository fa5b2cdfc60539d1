"""Certificates for a test, made by the system's openssl."""

import shutil
import subprocess

import pytest

from scalable.boosting.comm.encryption import Credentials


def make_certificate(directory, name):
    """Return the paths of a key and of a certificate that is its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    key, certificate = str(directory / f"{name}.key"), str(directory / f"{name}.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def make_credentials(directory, name):
    """Return credentials that believe only themselves."""
    key, certificate = make_certificate(directory, name)
    with open(key) as first, open(certificate) as second:
        key_text, text = first.read(), second.read()
    return Credentials(text, text, key_text)
