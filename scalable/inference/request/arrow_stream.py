"""How large an Arrow stream is once its buffers are decompressed, told by its messages alone.

A stream of zeros takes a thousandth of what it becomes. The messages are flatbuffers (Message, DictionaryBatch and
RecordBatch of Arrow's Message.fbs), whose tables pyarrow has verified when it hands them out; each compressed buffer
begins with the size of what it holds.
"""

from __future__ import annotations

import struct

import pyarrow as pa

# Fields of tables.
MESSAGE_KIND, MESSAGE_HEADER, DICTIONARY_DATA, BATCH_BUFFERS, BATCH_COMPRESSION = 1, 2, 1, 2, 3
DICTIONARY, BATCH = 2, 3  # kinds of messages


def _at(data: bytes, table: int, field: int) -> int:
    """Return where a field of a table lies; 0 where it is left out."""
    found = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, found)
    place = 4 + 2 * field
    offset = struct.unpack_from("<H", data, found + place)[0] if place < size else 0
    return table + offset if offset else 0


def _follow(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def stream_bytes(stream: bytes) -> int:
    """Return the bytes of all buffers of an Arrow stream, as large as they are once they are read.

    Raises
    ------
    pyarrow.ArrowInvalid
        It is no Arrow stream.
    """
    total = 0
    try:
        for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
            data, body = message.metadata.to_pybytes(), message.body
            root = _follow(data, 0)
            kind = _at(data, root, MESSAGE_KIND)
            if body is None or not kind or data[kind] not in (DICTIONARY, BATCH):
                continue
            batch = _follow(data, _at(data, root, MESSAGE_HEADER))
            if data[kind] == DICTIONARY:
                batch = _follow(data, _at(data, batch, DICTIONARY_DATA))
            total += body.size
            if not _at(data, batch, BATCH_COMPRESSION):
                continue
            buffers = _follow(data, _at(data, batch, BATCH_BUFFERS))
            for k in range(struct.unpack_from("<I", data, buffers)[0]):
                offset, length = struct.unpack_from("<qq", data, buffers + 4 + 16 * k)
                if length >= 8:
                    total += max(0, struct.unpack_from("<q", body, offset)[0])  # -1: stored as it is
    except struct.error as error:
        raise pa.ArrowInvalid(f"a message that does not hold what it says ({error})") from None
    return total
