"""Sets of pictures: the same sources in all of them, painted where the masks allow it."""

import pytest
import torch

from dbb.errors import InputError
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.pruning import read_pairs
from dbb.study.sets import make_set, prompts, set_run, set_size

PAINTED = ("tokens", "tokens 10", "class word", "erased", "true masks")


def pairs_of(study, name):
    here = set_run(study, name)
    return here, read_pairs(here, read_manifest(here.folder("generated") / MANIFEST))


@pytest.mark.parametrize("name", [*PAINTED, "blurred"])
def test_every_set_keeps_the_scene_outside_its_masks(study, name):
    here, pairs = pairs_of(study, name)
    everything = range(len(pairs.rows))
    originals, drawn = (images.pixels(everything, 64) for images in (pairs.originals, pairs.generated))
    inside = load_masks(here.folder("masks") / MASKS).padded(pairs.originals.ids)[:, None].expand_as(drawn)
    assert torch.equal(drawn[~inside], originals[~inside])
    assert (drawn != originals).flatten(1).any(1).all()
    assert (pairs.generated.labels != pairs.originals.labels).all()


def test_all_sets_begin_from_the_same_sources(study):
    ids = [pairs_of(study, name)[1].originals.ids.tolist() for name in (*PAINTED, "renderer", "repeated")]
    assert ids[0] == sorted(ids[0]) and len(ids[0]) == 10 and ids.count(ids[0]) == len(ids)


def test_an_image_has_the_same_seed_in_every_set(study):
    seeds = [pairs_of(study, name)[1].rows["seed"].tolist() for name in PAINTED]
    assert seeds.count(seeds[0]) == len(seeds)


def test_prompts_say_what_the_sets_mean(study):
    assert set(prompts(study, "class word").values()) == {"a photo of a bird"}
    places = study.split("train").truth["place"]
    assert prompts(study, "erased") == {i: f"a photo of an empty {places[i]}" for i in prompts(study, "class word")}
    for name in PAINTED:
        rows = pairs_of(study, name)[1].rows
        expected = (
            rows["source_id"].map(prompts(study, name))
            if name in ("class word", "erased")
            else rows["target_class"].map(study.benchmark.prompt)
        )
        assert (rows["prompt"] == expected).all(), name
        assert (rows["token_sha256"] != "").all() == (name not in ("class word", "erased"))


def test_a_set_of_another_size_learns_its_own_tokens(study):
    learned = {name: set_run(study, name).made("tokens") for name in ("tokens", "tokens 10", "tokens 40")}
    counts = [made.counts["images_landbird"] for made in learned.values()]
    assert counts == [4, 10, 40]
    ids = [set(made.metrics["landbird"]["ids"]) for made in learned.values()]
    assert ids[0] < ids[1] < ids[2], "a larger set holds a smaller one"
    assert [set_size(name) for name in ("tokens", "tokens 10", "class word")] == [None, 10, None]


def test_an_unknown_set_is_refused(study):
    with pytest.raises(InputError, match="unknown set of pictures 'painted by hand': choose one of tokens, "):
        list(make_set(study, "painted by hand"))
