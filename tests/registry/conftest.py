"""A registry, and a model of two files."""

import pytest

from scalable.registry.registry import Registry


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "some.model"
    place.mkdir()
    (place / "model.json").write_text('{"weights": 1}')
    (place / "arrays.npz").write_bytes(bytes(range(256)) * 40)
    return place


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")
