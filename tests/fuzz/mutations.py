"""Changes of bytes, of JSON and of arrays, every one of them decided by a generator of random numbers."""

import copy

import numpy as np

NUMBERS = (
    0,
    1,
    -1,
    2,
    127,
    255,
    256,
    65_535,
    2**31 - 1,
    -(2**31),
    2**32,
    2**53,
    2**62,
    -(2**63),
    2**63,
    10**40,
)
TEXTS = ("", "x", "\0", "é" * 9)
VALUES = (
    *NUMBERS,
    *TEXTS,
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": None},
    0.5,
    float("nan"),
    float("inf"),
    -0.0,
)


def changed_bytes(rng, content, places=None):
    """Return bytes with one to four changes, near `places` where they are given and chance wills it."""
    out = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not out:
            break
        at = int(rng.integers(0, len(out)))
        if places is not None and len(places) and rng.random() < 0.7:
            at = min(len(out) - 1, int(rng.choice(places)) + int(rng.integers(0, 48)))
        kind = int(rng.integers(0, 8))
        if kind < 4:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 4:
            out[at] = int(rng.choice([0, 1, 127, 128, 255]))
        elif kind == 5:
            n = int(rng.integers(1, 9))
            out[at : at + n] = rng.bytes(n)
        elif kind == 6:
            n, source = int(rng.integers(1, 40)), int(rng.integers(0, len(out)))
            out[at : at + n] = out[source : source + n]
        elif rng.random() < 0.2:
            del out[at:]
        else:
            del out[at : at + int(rng.integers(1, 9))]
    return bytes(out)


def _places(document, path=()):
    """Yield the path of every value in a JSON document."""
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


def changed_json(rng, document):
    """Return a document in which one to three values are others, gone, doubled or exchanged."""
    out = copy.deepcopy(document)
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(out))
        if not places:
            return out
        *above, last = places[int(rng.integers(0, len(places)))]
        holder = out
        for key in above:
            holder = holder[key]
        kind, value = int(rng.integers(0, 6)), holder[last]
        if kind == 0:
            del holder[last]
        elif kind == 1 and isinstance(value, int | float) and not isinstance(value, bool):
            holder[last] = value + int(rng.choice([-1, 1, 2, 7, 1000]))
        elif kind == 2 and isinstance(value, list):
            holder[last] = value + value if rng.random() < 0.5 else value[:-1]
        elif kind == 3 and isinstance(value, str) and value:
            at = int(rng.integers(0, len(value)))
            holder[last] = value[:at] + str(rng.choice(["", "x", "\0", "é", "9"])) + value[at + 1 :]
        else:
            holder[last] = copy.deepcopy(VALUES[int(rng.integers(0, len(VALUES)))])
    return out


def changed_array(rng, array):
    """Return an array of other values, another shape or another type."""
    out = np.array(array)
    kind = int(rng.integers(0, 8))
    if kind == 0 and out.ndim:
        return out[: int(rng.integers(0, len(out) + 1))]
    if kind == 1 and out.ndim:
        return np.concatenate([out, out])
    if kind == 2:
        return out.reshape(-1) if out.ndim != 1 else out[None]
    if kind == 3 and out.dtype.names is None:
        return out.astype(rng.choice(["f8", "f4", "i8", "i4", "u1", "i2"]), casting="unsafe")
    raw = out.reshape(-1).view(np.uint8) if out.size else out.view(np.uint8)
    if out.size and out.dtype.names is None and out.dtype.kind in "iu" and kind < 6:
        limits = np.iinfo(out.dtype)
        extremes = [limits.min, limits.max, 0, out.max() if out.max() == limits.max else out.max() + 1]
        out.reshape(-1)[rng.integers(0, out.size)] = extremes[int(rng.integers(0, 4))]
    elif raw.size:
        for _ in range(int(rng.integers(1, 4))):
            raw[rng.integers(0, raw.size)] = rng.integers(0, 256)
    return out


def changed_arrays(rng, arrays):
    """Return named arrays of which one to three are changed, gone, or exchanged for another."""
    out = dict(arrays)
    for _ in range(int(rng.integers(1, 4))):
        if not out:
            break
        names = sorted(out)
        name = names[int(rng.integers(0, len(names)))]
        kind = rng.random()
        if kind < 0.08:
            del out[name]
        elif kind < 0.16:
            out[name] = out[names[int(rng.integers(0, len(names)))]]
        else:
            out[name] = changed_array(rng, out[name])
    return out
