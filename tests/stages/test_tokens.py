"""The stage of tokens: which images each class's token is learned from, and in which file it ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dbb.benchmarks import HIGH_LOSS
from dbb.models.inpainting import load_inpainting
from dbb.models.segmenters import load_segmenter
from dbb.seeds import stage_generator
from dbb.stages.inversion import invert
from dbb.stages.masks import masked_images
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run, model_identity
from dbb.stages.selection import highest_loss
from dbb.stages.tokens import candidates, read_inversion, tokens
from dbb.store import save_weights


def worst_group_of(run, label):
    """The positions of the validation images of the class's group that the base classifier knows worst."""
    val, said = run.split("val"), load_outputs(run.folder("erm") / "val.npz")
    right = said.logits.argmax(1) == val.labels
    groups = [np.flatnonzero((val.labels == label) & (val.attributes == place)) for place in (0, 1)]
    return min(groups, key=lambda members: right[members].mean()).tolist()


def drawn_of(members, label, run, n):
    """``n`` of the positions, drawn by the run's seed, ascending."""
    order = torch.randperm(len(members), generator=stage_generator("inversion set", label, run.seed))
    return sorted(members[i] for i in order[:n].tolist())


def learned_by_hand(run, positions, label, settings):
    """What `invert` makes of the images at ``positions`` of the validation split in which a bird is found."""
    bm = run.benchmark
    segmenter = load_segmenter(bm.segmenter, bm.masks.threshold, torch.device("cpu"))
    found, images, masks = masked_images(segmenter, run.split("val"), positions, bm.mask_prompt, bm.masks, 64)
    return found, invert(
        load_inpainting(bm.inpainting, sampler=bm.generation.sampler),
        images,
        masks,
        f"<{bm.classes[label]}>",
        settings.initial_word,
        bm.templates,
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        run.seed,
        settings.vectors,
    )


def test_each_class_s_token_is_learned_from_its_own_minority(tiny, anew):
    settings = replace(tiny.inversion, steps=3, learning_rate=0.1, vectors=2)
    run, made = anew(tokens, settings=settings)
    for label, name in enumerate(tiny.classes):
        positions = candidates(run, label, settings)
        assert positions.tolist() == drawn_of(worst_group_of(run, label), label, run, tiny.inversion.images)
        found, expected = learned_by_hand(run, positions, label, settings)
        saved = load_file(run.folder("tokens") / f"{name}.safetensors")
        assert list(saved) == [f"<{name}>"] and torch.equal(saved[f"<{name}>"], expected.embedding)
        told = made.metrics[name]
        assert told["ids"] == run.split("val").ids[found].tolist() and told["split"] == "val"
        assert made.counts[f"images_{name}"] == len(found) > 0
        assert told["held_out_before"] == pytest.approx(expected.held_out_before)
        assert told["held_out_after"] == pytest.approx(expected.held_out_after)
        losses, snapshots = read_inversion(run.folder("tokens"), name)
        assert losses.tolist() == expected.losses.tolist() and list(snapshots) == sorted(expected.snapshots)
        assert all(torch.equal(value, expected.snapshots[done]) for done, value in snapshots.items())
        assert not torch.equal(snapshots[0], snapshots[3])


def test_snapshots_are_read_in_the_order_of_their_steps(tmp_path):
    written = {str(done): torch.full((1, 3), float(done)) for done in (10, 2, 0)}
    save_weights(tmp_path / "bird-steps.safetensors", {"losses": torch.tensor([0.5], dtype=torch.float64), **written})
    losses, snapshots = read_inversion(tmp_path, "bird")
    assert losses.tolist() == [0.5] and list(snapshots) == [0, 2, 10]
    assert all((embedding == done).all() for done, embedding in snapshots.items())


def test_tokens_from_high_losses_need_no_groups(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    made = tokens(run, replace(tiny.inversion, source=HIGH_LOSS))
    said = load_outputs(run.folder("erm") / "train.npz")
    for label, name in enumerate(tiny.classes):
        assert made.metrics[name]["split"] == "train"
        hardest = sorted(said.ids[highest_loss(said.losses, said.labels, label, tiny.inversion.images)])
        assert set(made.metrics[name]["ids"]) <= set(hardest)
    assert made.why == "settings.source, inputs.data/val, inputs.erm/val.npz, inputs.data/train, inputs.erm/train.npz"


def test_the_record_says_what_the_stage_was_made_from(tiny, anew):
    made_from = anew(tokens)[1].record["made_from"]
    assert (
        made_from["settings"].items()
        >= {
            "steps": tiny.inversion.steps,
            "tokens": {name: f"<{name}>" for name in tiny.classes},
            "templates": list(tiny.templates),
        }.items()
    )
    assert set(made_from["inputs"]) == {"data/val", "erm/val.npz"}
    assert made_from["models"] == {
        "inpainting": model_identity(tiny.inpainting),
        "segmenter": model_identity(tiny.segmenter),
    }
