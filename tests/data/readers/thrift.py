"""Page headers taken apart and put together again, to make some that lie."""

from dataclasses import dataclass
from typing import Any

STOP, STRUCT, BINARY = 0, 12, 8


@dataclass
class Field:
    kind: int
    value: Any


def header_of(content):
    """Return the fields of the structure that begins some bytes, and its length."""
    fields, at, number = {}, 0, 0
    while content[at] != STOP:
        kind, step = content[at] & 15, content[at] >> 4
        number, at = number + step, at + 1
        if kind in (1, 2):
            fields[number] = Field(kind, None)
        elif kind == STRUCT:
            inner, length = header_of(content[at:])
            fields[number], at = Field(kind, inner), at + length
        else:
            raw, at = _number(content, at)
            if kind == BINARY:
                fields[number], at = Field(kind, content[at : at + raw]), at + raw
            else:
                fields[number] = Field(kind, (raw >> 1) ^ -(raw & 1))
    return fields, at + 1


def field(fields, place):
    """Return the field at a path of numbers."""
    found = fields[place[0]]
    for number in place[1:]:
        found = found.value[number]
    return found


def written_header(fields):
    out, before = b"", 0
    for number, found in sorted(fields.items()):
        out += bytes([(number - before) << 4 | found.kind])
        before = number
        if found.kind == STRUCT:
            out += written_header(found.value)
        elif found.kind == BINARY:
            out += _varint(len(found.value)) + found.value
        elif found.kind > 2:
            out += integer(found.value)
    return out + b"\0"


def integer(value):
    """Return a signed number as the protocol writes it."""
    return _varint((value << 1 ^ value >> 63) & (2**64 - 1))


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _number(content, at):
    value = shift = 0
    while True:
        byte = content[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
