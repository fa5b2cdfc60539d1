"""The same model from vectors of 256 and of 512 bits."""

import pytest

from bench.trees.bits import PROCESSORS, bits
from scalable.report.environment import machine


@pytest.mark.slow  # both compile everything anew
def test_processors_agree_bit_for_bit():
    if machine()["vectors"] != "avx512f":
        pytest.skip("needs a processor with vectors of 512 bits")
    found = bits(("binary",))
    assert found["same"]
    assert set(found["digests"]) == set(PROCESSORS)
    one, two = found["digests"]["avx2"]
    assert one == two  # one thread, two threads
