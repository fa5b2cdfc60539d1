"""The top levels of 32 trees at once, one byte lane per tree: choose each tree's node, look its rank up, compare.

The nodes of a level are stored candidate by candidate, so choosing is blending by the decisions so far; the rank of
the chosen node's column comes from a byte shuffle of the row's rank bytes, 16 columns at a time. On processors
without AVX2 the shuffle becomes 32 byte loads: slower, same result.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from scalable.kernels.jit import kernel

DEPTH = 5  # levels decided this way; deeper ones cost twice as much each and are reached by fewer trees
NODES = (1 << DEPTH) - 1
LANES = 32
MAX_GROUPS = 8  # of 16 columns
BYTES_PER_CHUNK = 2 * NODES * LANES
_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I8, LANES)
_GROUP = ir.VectorType(_I8, 16)


def _load(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    at = builder.add(address, ir.Constant(_I64, offset))
    return builder.load(builder.inttoptr(at, kind.as_pointer()), align=1)


def _splat(value: int) -> Any:
    return ir.Constant(_VECTOR, [value] * LANES)


def _has_avx2() -> bool:
    return bool(llvm.get_host_cpu_features().get("avx2"))


def _shuffle(builder: Any, table: Any, column: Any, groups: int) -> Any:
    """Return the rank byte of each lane's column, by one byte shuffle per 16 columns."""
    function = builder.module.declare_intrinsic(
        "llvm.x86.avx2.pshuf.b", (), ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR])
    )
    saturate = builder.module.declare_intrinsic(
        "llvm.uadd.sat.v32i8", (), ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR])
    )
    both = ir.Constant(ir.VectorType(_I32, LANES), [*range(16), *range(16)])
    found = None
    for group in range(groups):
        part = _load(builder, table, 16 * group, _GROUP)
        part = builder.shuffle_vector(part, ir.Constant(_GROUP, ir.Undefined), both)
        # Lanes of other groups get their top bit set, for which the shuffle returns 0.
        index = builder.call(saturate, [builder.sub(column, _splat(16 * group)), _splat(0x70)])
        here = builder.call(function, [part, index])
        found = here if found is None else builder.or_(found, here)
    return found


def _gather(builder: Any, table: Any, column: Any) -> Any:
    """Return the rank byte of each lane's column, by one load a lane."""
    found = ir.Constant(_VECTOR, ir.Undefined)
    for lane in range(LANES):
        place = ir.Constant(_I32, lane)
        at = builder.add(table, builder.zext(builder.extract_element(column, place), _I64))
        byte = builder.load(builder.inttoptr(at, _I8.as_pointer()), align=1)
        found = builder.insert_element(found, byte, place)
    return found


def _chosen(builder: Any, candidates: list[Any], decisions: list[Any]) -> Any:
    """Blend a level's candidates down to each lane's own by its decisions, last one first."""
    for decision in reversed(decisions):
        pairs = zip(candidates[::2], candidates[1::2], strict=True)
        candidates = [builder.select(decision, right, left) for left, right in pairs]
    return candidates[0]


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator,unused-ignore]
def _descend_chunk(typingctx: Any, nodes: Any, table: Any, groups: Any, out: Any) -> Any:
    """Store 32 exit codes; `groups` is a literal."""
    del typingctx, nodes, table, out
    if not isinstance(groups, types.IntegerLiteral):
        return None
    n_groups = groups.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, ranks, _, target = args
        decisions: list[Any] = []
        code = _splat(0)
        for level in range(DEPTH):
            first = (1 << level) - 1
            columns = [_load(builder, address, 2 * LANES * (first + k), _VECTOR) for k in range(1 << level)]
            limits = [
                _load(builder, address, 2 * LANES * (first + k) + LANES, _VECTOR) for k in range(1 << level)
            ]
            column, limit = _chosen(builder, columns, decisions), _chosen(builder, limits, decisions)
            rank = (
                _shuffle(builder, ranks, column, n_groups) if _has_avx2() else _gather(builder, ranks, column)
            )
            right = builder.icmp_signed(">", rank, limit)
            decisions.append(right)
            code = builder.add(builder.add(code, code), builder.zext(right, _VECTOR))
        builder.store(code, builder.inttoptr(target, _VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, groups, types.uintp), generate


@kernel(inline=True)
def descend_top(nodes: Any, chunks: Any, table: Any, groups: Any, out: Any) -> None:
    """Store the exit of every tree from its top levels, one byte a tree, leftmost exit 0.

    Parameters
    ----------
    nodes : uintp
        Address of `chunks` times `NODES` nodes in heap order, each 32 column bytes and 32 limit bytes. Limits and
        ranks carry their top bit flipped, so that signed comparison orders them.
    table : uintp
        Address of the row's rank bytes.
    groups : int
        Columns are below ``16 * groups``, at most `MAX_GROUPS`.
    out : uintp
    """
    step = np.uintp(BYTES_PER_CHUNK)
    width = np.uintp(LANES)
    if groups <= 2:
        for _ in range(chunks):
            _descend_chunk(nodes, table, 2, out)
            nodes += step
            out += width
    else:
        for _ in range(chunks):
            _descend_chunk(nodes, table, 8, out)
            nodes += step
            out += width
