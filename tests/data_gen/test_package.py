"""The public face of the package."""

import subprocess
import sys

import pytest

import data_gen


def test_import_is_cheap():
    code = "import sys, data_gen; print([m for m in ('numpy', 'numba', 'pyarrow') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_every_public_name_exists_and_is_documented():
    for name in data_gen.__all__:
        assert getattr(data_gen, name).__doc__


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        data_gen.nothing  # noqa: B018


def test_registry_describes_every_knob_and_column():
    for name, dataset in data_gen.datasets().items():
        assert dataset.name == name
        assert dataset.description
        assert len({c.name for c in dataset.columns}) == len(dataset.columns)
        assert all(c.law and c.unit for c in dataset.columns)
        assert all(k.meaning and k.checked(k.default) == k.default for k in dataset.knobs)
