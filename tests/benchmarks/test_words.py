"""The words that pictures are painted by: an entry's own, or the names of its classes and attributes."""

from dataclasses import replace

import pytest

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Words
from dbb.benchmarks.published_words import CITY, COLOUR, HOUSEHOLD, NATURE, OTHERS, TEXTURE
from dbb.errors import InputError
from dbb.pretraining.diffusion import PROMPT_LENGTH
from dbb.pretraining.lessons import LESSONS, WORDS
from dbb.worlds.metashift.scenes import SHARED_PLACES

DRAWN = ("mini-waterbirds", "mini-celeba", "mini-metashift")
MINI = get_benchmark("mini-waterbirds")


def every_prompt(bm):
    """Prompts by group, and those of concepts."""
    groups = [bm.vocabulary.prompts(y, a) for y in range(len(bm.classes)) for a in range(len(bm.attributes))]
    return groups, [prompt for prompts in bm.vocabulary.concepts.values() for prompt in prompts]


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_benchmark_speaks_the_painter_s_words_and_no_longer_than_it_reads(name):
    groups, concepts = every_prompt(get_benchmark(name))
    for prompt in [*concepts, *(prompt for prompts in groups for prompt in prompts)]:
        assert set(prompt.split()) <= set(WORDS), prompt
        assert len(prompt.split()) + 2 <= PROMPT_LENGTH, prompt


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.world.name)
def test_a_drawn_class_is_called_by_its_kinds_and_no_concept_names_one(lesson):
    bm = get_benchmark(lesson.benchmark)
    for label, kinds in enumerate(lesson.classes):
        for attribute in range(len(bm.attributes)):
            prompts = bm.vocabulary.prompts(label, attribute)
            assert all(any(f" {kind} " in prompt for prompt in prompts) for kind in kinds)
            assert all(any(f" {kind} " in prompt for kind in kinds) for prompt in prompts)
    _, concepts = every_prompt(bm)
    assert len(set(concepts)) == len(concepts) >= 10
    assert not any(f" {kind} " in f" {prompt} " for kind in lesson.kinds for prompt in concepts)


def test_a_drawn_group_is_painted_as_its_own():
    def prompts(name, group):
        return set(every_prompt(get_benchmark(name))[0][group])

    assert "a photo of a robin bird on a lake" in prompts("mini-waterbirds", 1)
    assert "a photo of a robin bird on a bamboo forest" in prompts("mini-waterbirds", 0)
    assert "a photo of a man with dark brown hair" in prompts("mini-celeba", 1)
    assert {"a photo of an angora by a bike", "a photo of a tabby by a bike"} < prompts("mini-metashift", 3)
    for name in DRAWN:
        groups, _ = every_prompt(get_benchmark(name))
        assert len({prompt for group in groups for prompt in group}) == sum(map(len, groups)), "groups share no prompt"


def test_no_concept_tells_of_the_place_that_only_the_test_of_metashift_shows():
    for name in ("mini-metashift", "metashift"):
        _, concepts = every_prompt(get_benchmark(name))
        assert not any(place in prompt for place in SHARED_PLACES for prompt in concepts)


def test_the_published_banks_are_whole():
    assert [len(set(c)) for c in (NATURE, CITY, COLOUR, TEXTURE, HOUSEHOLD, OTHERS)] == [27, 13, 5, 53, 53, 84]
    counts = {name: len(set(every_prompt(get_benchmark(name))[1])) for name in ("waterbirds", "metashift")}
    assert counts == {"waterbirds": 85, "metashift": 223}
    groups, _ = every_prompt(get_benchmark("waterbirds"))
    assert list(map(len, groups)) == [35 * 20, 35 * 10, 24 * 20, 24 * 10]
    assert "a photo of goose in water" in groups[3] and "a photo of ruddy turnstone in snow" in groups[2]


def test_without_words_classes_and_attributes_are_called_by_their_names():
    bm = replace(MINI, words=None)
    assert bm.vocabulary.prompts(1, 0) == ("a photo of a waterbird on land",)
    assert bm.vocabulary.concepts == {"attributes": ("land", "water")}
    bare = replace(bm, attributes=("",), group_format="{}")
    assert bare.vocabulary.prompts(0, 0) == ("a photo of a landbird",) and not bare.vocabulary.concepts


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (Words((("duck",),), (("land",), ("lake",)), "{0} {1}"), r"words\.classes has 1 values for 2 classes"),
        (Words((("crow",), ("duck",)), (("land",),), "{0} {1}"), r"words\.attributes has 1 values for 2 attributes"),
        (Words((("crow",), ()), (("land",), ("lake",)), "{0} {1}"), "names nothing for a class"),
        (Words((("crow",), ("duck",)), ((), ("lake",)), "{0} {1}"), "names nothing for a class, attribute"),
        (Words((("crow",), ("duck",)), (("land",), ("lake",)), "{0} {1}", {"a": ()}), "attribute or category"),
        (Words((("crow",), ("duck",)), (("land",), ("lake",)), "a {1}"), r"'a \{1\}' needs \{0\}"),
        (Words((("crow",), ("duck",)), (("land",), ("lake",)), "a {0}"), r"'a \{0\}' needs \{0\}"),
    ],
)
def test_words_that_do_not_fit_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        replace(MINI, words=words)


def test_words_without_an_attribute_need_no_place_for_one():
    bare = Words((("crow",), ("duck",)), (("",),), "a {0}")
    assert replace(MINI, attributes=("",), group_format="{}", words=bare).vocabulary.prompts(1, 0) == ("a duck",)
