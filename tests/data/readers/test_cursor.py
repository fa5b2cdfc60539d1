import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from scalable.data.readers import cursor_pool
from scalable.data.readers.cursor import Cursor


def pieces_of(sizes):
    start = 0
    for size in sizes:
        numbers = list(range(start, start + size))
        yield [pa.array(numbers, pa.int64()), pa.array([str(n % 7) for n in numbers]).dictionary_encode()]
        start += size


@given(
    sizes=st.lists(st.integers(0, 9), max_size=12), skip=st.integers(0, 30), asks=st.lists(st.integers(0, 14))
)
def test_any_pieces_and_any_requests_give_the_same_rows(sizes, skip, asks):
    rows = list(range(sum(sizes)))[skip:]
    cursor = Cursor(pieces_of(sizes), skip, lambda: None)
    for ask in asks:
        columns = cursor.read(ask)
        got = columns[0].to_pylist() if columns else []
        assert got == rows[:ask]
        if columns:
            assert columns[1].to_pylist() == [str(n % 7) for n in got]
            assert pa.types.is_dictionary(columns[1].type)
        rows = rows[ask:]


def test_whole_pieces_are_handed_on_without_a_copy():
    piece = [pa.array([1.0, 2.0, 3.0])]
    got = Cursor(iter([piece]), 0, lambda: None).read(3)
    assert got[0].buffers()[1].address == piece[0].buffers()[1].address


def test_skipping_passes_over_rows_at_any_point():
    cursor = Cursor(pieces_of([4, 4, 4]), 1, lambda: None)
    assert cursor.read(2)[0].to_pylist() == [1, 2]
    cursor.skip(4)
    assert cursor.read(3)[0].to_pylist() == [7, 8, 9]


def test_parked_cursors_are_taken_once_bounded_and_released():
    closed = []

    def cursor(i):
        return Cursor(iter([]), 0, lambda: closed.append(i))

    file = ("file", 1)
    for i in range(cursor_pool.LIMIT + 3):
        cursor_pool.park(file, i, cursor(i))
    assert closed == [0, 1, 2]
    assert cursor_pool.take(file, 0, 2) is None
    assert cursor_pool.take(file, 5, 5) is not None
    assert cursor_pool.take(file, 5, 5) is None
    assert cursor_pool.take(("file", 2), 0, 100) is None
    cursor_pool.park(file, 6, cursor("again"))
    assert closed == [0, 1, 2, 6]
    cursor_pool.park(("other", 1), 0, cursor("other"))
    cursor_pool.release({"file"})
    assert "other" not in closed
    cursor_pool.release({"other"})
    assert closed[-1] == "other"
    assert len(closed) == cursor_pool.LIMIT + 4
    assert not cursor_pool._cursors


def test_a_parked_cursor_is_moved_forward_within_its_row_group():
    cursor_pool.park(("file",), 2, Cursor(pieces_of([10]), 2, lambda: None))
    assert cursor_pool.take(("file",), 3, 5) is None
    moved = cursor_pool.take(("file",), 0, 5)
    assert moved.read(2)[0].to_pylist() == [5, 6]
