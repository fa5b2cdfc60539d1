"""The generator of load is no coarser than what it measures."""

import asyncio
import time

from scalable.serve.load import loop_of_arrivals


def test_a_request_leaves_when_it_is_due():
    async def least():
        taken = []
        for _ in range(100):
            began = time.perf_counter()
            await asyncio.sleep(2e-4)
            taken.append(time.perf_counter() - began)
        return min(taken)

    with asyncio.Runner(loop_factory=loop_of_arrivals) as runner:
        assert 2e-4 <= runner.run(least()) < 9e-4  # whole milliseconds would be one at least
