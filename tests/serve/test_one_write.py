"""What is written in one turn of the loop leaves together, in order, and before the end."""

import asyncio

from scalable.serve.connection.one_write import MOST_HELD, OneWrite


class Sink:
    def __init__(self):
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def close(self):
        self.sent.append("closed")

    def is_closing(self):
        return "closed" in self.sent


def test_head_and_body_are_one_write():
    async def answers():
        sink = Sink()
        together = OneWrite(sink, asyncio.get_running_loop())
        together.write(b"head")
        together.write(b"body")
        assert sink.sent == []
        await asyncio.sleep(0)
        assert sink.sent == [b"headbody"]
        large = b"x" * MOST_HELD
        together.write(b"head")
        together.write(large)
        assert sink.sent[1:] == [b"head" + large]
        together.write(b"last")
        assert not together.is_closing()
        together.close()
        assert together.is_closing()
        await asyncio.sleep(0)
        assert sink.sent[2:] == [b"last", "closed"]

    asyncio.run(answers())
