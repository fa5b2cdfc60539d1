import pytest

from scalable.errors import UsageError
from scalable.tuning.halving import Rung, ladder, survivors
from scalable.tuning.space import Choice, Range, read_space


def test_text_toml_and_mappings_say_the_same(tmp_path):
    place = tmp_path / "space.toml"
    place.write_text(
        'rate = {log = [0.01, 0.3]}\nleaves = [15, 31]\nrows = {logint = [5, 200]}\nkind = ["a", "b"]\n'
    )
    told = read_space("rate=log:0.01:0.3, leaves=15|31, rows=logint:5:200, kind=a|b")
    assert told == read_space(place)
    assert told == read_space(
        {"rate": "log:0.01:0.3", "leaves": [15, 31], "rows": {"logint": (5, 200)}, "kind": "a|b"}
    )
    assert told.parameters["leaves"] == Choice((15, 31))
    assert told.parameters["rate"] == Range("log", 0.01, 0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("leaves", "is not NAME=FORM"),
        ("rate=log:0:1", "begins above 0"),
        ("rate=log:1:0.1", "the lower first"),
        ("rate=uniform:0:nan", "two numbers"),
        ("rate=power:1:2", "'power' is no range"),
        ("rate=0.01..0.3", "'0.01..0.3' is no range; the forms are"),
        ("leaves=int:1.5:3", "whole numbers"),
        ("leaves=15||31", "a choice is empty"),
        ("a-b=1,a_b=2", "twice"),
        ("missing.toml", "cannot be read"),
    ],
)
def test_what_is_no_space_is_told_in_one_line(text, said):
    with pytest.raises(UsageError, match=said) as told:
        read_space(text)
    assert "\n" not in str(told.value)


def test_lists_are_values_of_a_choice_and_damaged_files_one_line(tmp_path):
    place = tmp_path / "space.toml"
    place.write_text("hidden_layer_sizes = [[64], [64, 64], [64]]")
    assert read_space(place).parameters["hidden_layer_sizes"] == Choice(([64], [64, 64]))
    assert [*map(repr, read_space(place).draw(9, 0))]
    for text in ("a = [", "a = " + "[" * 5_000, "a = 1" + "0" * 5_000):
        place.write_text(text)
        with pytest.raises(UsageError, match="is no TOML"):
            read_space(place)
    place.write_text("a = []")
    with pytest.raises(UsageError, match="space a: a choice is empty"):
        read_space(place)


def test_points_follow_the_seed_and_keep_to_the_bounds():
    space = read_space("rate=log:0.01:0.3,leaves=int:2:9,rows=logint:5:200,share=uniform:0.5:1,kind=a|b")
    points = space.draw(200, 1)
    assert points[:20] == space.draw(20, 1)
    assert points[:20] != space.draw(20, 2)
    assert len({repr(point) for point in points}) == 200
    assert all(0.01 <= p["rate"] <= 0.3 and 0.5 <= p["share"] <= 1 for p in points)
    assert {p["leaves"] for p in points} == set(range(2, 10))
    assert min(p["rows"] for p in points) < 15
    assert max(p["rows"] for p in points) > 100
    assert sum(p["rate"] < 0.055 for p in points) in range(70, 130)  # the middle of the logarithm


def test_a_small_space_is_gone_through_once():
    points = read_space("a=1|2,b=int:1:3").draw(50, 0)
    assert sorted((p["a"], p["b"]) for p in points) == [(a, b) for a in (1, 2) for b in (1, 2, 3)]


def test_rungs():
    assert ladder(27, 81) == [Rung(27, 3), Rung(9, 9), Rung(3, 27), Rung(1, 81)]
    assert ladder(10, 100) == [Rung(10, 11), Rung(3, 33), Rung(1, 100)]
    assert ladder(27, 10, least=4) == [Rung(27, 10)]
    assert ladder(1, 100) == [Rung(1, 100)]
    with pytest.raises(UsageError, match="eta must be at least 2"):
        ladder(9, 9, 1)


def test_the_least_losses_go_on_and_failures_never():
    losses = {0: 3.0, 1: 1.0, 2: float("inf"), 3: 1.0, 4: 2.0}
    assert survivors(losses, 2) == [1, 3]
    assert survivors(losses, 5) == [0, 1, 3, 4]
