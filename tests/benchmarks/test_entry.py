"""An entry is refused where a setting does not fit its classes, and names its groups, pairs and tokens."""

from dataclasses import replace

import pytest

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError

MINI = get_benchmark("mini-waterbirds")


def three_classes(**changes):
    """mini-waterbirds with a third class."""
    bm = MINI
    return replace(
        bm,
        classes=("sparrow", "duck", "heron"),
        oracle=None,
        words=None,
        generation=replace(bm.generation, per_class=(1, 2, 3)),
        pruning=replace(bm.pruning, thresholds=(None, None, None)),
        retraining=replace(bm.retraining, gammas=(1.0, 1.0, 1.0)),
        **changes,
    )


def test_groups_pairs_and_prompts_of_three_classes():
    bm = three_classes()
    assert bm.group_names == (
        "sparrow on land",
        "sparrow on water",
        "duck on land",
        "duck on water",
        "heron on land",
        "heron on water",
    )
    assert bm.pairs == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    assert bm.prompt(2) == "a photo of a <heron> bird" and bm.has_groups


def test_an_entry_may_name_its_pairs():
    bm = three_classes()
    assert replace(bm, generation=replace(bm.generation, pairs=((2, 0),))).pairs == ((2, 0),)
    for pair in ((1, 1), (0, 3), (-1, 0)):
        with pytest.raises(InputError, match="two different of the classes 0 to 2"):
            replace(bm, generation=replace(bm.generation, pairs=(pair,)))


def test_without_attributes_the_groups_are_the_classes():
    bm = replace(MINI, attributes=("",), group_format="{}", words=None)
    assert bm.group_names == bm.classes and not bm.has_groups


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bm: {"classes": ("bird",)}, "name two or more, each once"),
        (lambda bm: {"classes": ("bird", "bird")}, "name two or more, each once"),
        (lambda bm: {"attributes": ()}, "name each once"),
        (lambda bm: {"attributes": ("land", "land")}, "name each once"),
        (lambda bm: {"templates": ("a photo of a bird",)}, "needs one {}"),
        (lambda bm: {"oracle_labels": ()}, "oracle_labels has 0 values for 2 classes"),
        (lambda bm: {"generation": replace(bm.generation, per_class=(1, 2, 3))}, r"\(K\) has 3 values for 2 classes"),
        (lambda bm: {"pruning": replace(bm.pruning, thresholds=(None,))}, r"\(P\) has 1 values for 2 classes"),
        (lambda bm: {"retraining": replace(bm.retraining, gammas=())}, "gammas has 0 values for 2 classes"),
        (
            lambda bm: {"inversion": replace(bm.inversion, source="validation")},
            "choose one of validation minority, high",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    with pytest.raises(InputError, match=message) as raised:
        replace(MINI, **change(MINI))
    assert "mini-waterbirds" in str(raised.value)
