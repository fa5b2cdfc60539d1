"""What a worker knows of the others: it asks them by way of their parent, and answers what they ask."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from scalable.serve.channel import Lines, line

ANSWER_SECONDS = 60.0  # for a sibling to load a model


class Siblings:
    """The other workers of a server.

    Parameters
    ----------
    channel : socket.socket
        To the parent.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self, answer: Callable[[dict[str, Any]], Awaitable[Any]], versions: dict[str, str]
    ) -> None:
        """Listen to the parent, and tell it that requests are answered from now on.

        Parameters
        ----------
        answer : callable
            Gives the answer, ready for JSON, to what a sibling asks.
        versions : dict of str to str
            Of the models that this worker has.
        """
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        self._begin(self._listen(reader, answer))
        self._send({"ready": versions})

    async def ask(self, question: dict[str, Any]) -> list[Any]:
        """Return the answers of all siblings that are there.

        Raises
        ------
        TimeoutError
            One did not answer within a minute.
        """
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"ask": number, "body": question})
            return await asyncio.wait_for(future, ANSWER_SECONDS)
        finally:
            del self._waiting[number]

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, reader: asyncio.StreamReader, answer: Any) -> None:
        lines = Lines()
        while data := await reader.read(2**16):
            for message in lines.take(data):
                if "answers" in message:
                    future = self._waiting.get(message["answers"])
                    if future is not None and not future.done():
                        future.set_result(message["bodies"])
                else:
                    self._begin(self._reply(message, answer))
        os.kill(os.getpid(), signal.SIGTERM)  # the parent is gone: nobody would end or restart this worker

    async def _reply(self, message: dict[str, Any], answer: Any) -> None:
        self._send({"done": message["do"], "body": await answer(message["body"])})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(line(message))
