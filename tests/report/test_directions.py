"""Directions are named by their ends, with a row per pair where there are more than two classes."""

from hypothesis import given
from hypothesis import strategies as st

from dbb.report.directions import by_source, by_target, in_turn

THREE = ("a", "b", "c")


def counted(rows):
    return {name: int(here.sum()) for name, here in rows.items()}


def test_two_classes_have_a_row_each(two):
    assert counted(by_source(two, ("a", "b"))) == {"a": 4, "b": 4}
    assert counted(by_target(two, ("a", "b"))) == {"into a": 4, "into b": 4}
    assert counted(by_source(two[two["source_class"] == 0], ("a", "b"))) == {"a": 4}


def test_three_classes_have_a_row_per_pair_and_one_for_several(three):
    assert counted(by_source(three, THREE)) == {
        "a → b": 2,
        "a → c": 2,
        "a → any": 4,
        "b → a": 2,
        "b → c": 1,
        "b → any": 3,
        "c → a": 2,
    }
    assert counted(by_target(three, THREE)) == {
        "b → a": 2,
        "c → a": 2,
        "into a": 4,
        "a → b": 2,
        "a → c": 2,
        "b → c": 1,
        "into c": 3,
    }


def test_an_empty_manifest_has_no_direction(three):
    assert by_source(three[:0], THREE) == by_target(three[:0], THREE) == {}


@given(st.integers(2, 9))
def test_the_first_pairs_in_turn_show_every_class_at_both_ends(n):
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    ordered = in_turn(pairs, n)
    assert sorted(ordered) == pairs
    assert {i for i, _ in ordered[:n]} == {j for _, j in ordered[:n]} == set(range(n))
