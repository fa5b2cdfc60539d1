"""Two concepts never share a file name in a package."""

from collections import defaultdict

import pytest

from tests.test_imports import ROOT

# One concept seen from two sides: a figure and the block of a page around it; a library as a peer of several jobs.
SAME_CONCEPT = {
    "scalable/report": {"explanation.py", "latency.py", "load.py", "quality.py", "scaling.py"},
    "bench/peers": {"ours.py", "scikit_learn.py"},
}
PACKAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("scalable", "bench", "data_gen")
    for path in (ROOT / top).iterdir()
    if (path / "__init__.py").is_file()
)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_file_name_stands_for_one_concept(package):
    places = defaultdict(list)
    for path in (ROOT / package).rglob("*.py"):
        if not path.name.startswith("__"):
            places[path.name].append(path.relative_to(ROOT).as_posix())
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert set(twice) == SAME_CONCEPT.get(package, set()), twice
