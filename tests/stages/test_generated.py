"""The stage of generation: what it paints is the sources, in their masks, with the token of the class painted."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline

from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import add_token
from dbb.record import file_digest
from dbb.seeds import image_seed
from dbb.stages import generated as stage_module
from dbb.stages.generated import fitted, generated
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.manifest import MANIFEST, load_generated, read_manifest
from dbb.stages.mask_table import MASKS, SOURCES, load_masks
from dbb.stages.masks import masks
from dbb.stages.run import Run, model_identity


def with_tokens(run, settings):
    pipe = load_inpainting(run.benchmark.inpainting, sampler=settings.sampler)
    for name in run.benchmark.classes:
        add_token(pipe, run.folder("tokens") / f"{name}.safetensors")
    return pipe


def painted_by_hand(pipe, run, row, settings, composited=True):
    """The picture of one row of the manifest: its source, in its mask, under the prompt of its class's token."""
    name = run.benchmark.classes[row.target_class]
    states = encode_prompt(pipe, run.benchmark.templates[0].format(f"<{name}>"), settings.guidance_scale)
    original = run.split("train").pixels([row.source_id], 64)
    mask = load_masks(run.folder("masks") / MASKS).padded(np.array([row.source_id]))
    drawn = inpaint(pipe, states, original, mask, [row.seed], settings.steps, settings.guidance_scale)
    return composite(drawn, original, mask)[0] if composited else drawn[0]


OTHER_SETTINGS = {"guidance_scale": 7.0, "steps": 3, "sampler": "the model's own"}


@pytest.mark.parametrize("how", [{}, {"composited": False}, OTHER_SETTINGS], ids=str)
def test_each_picture_is_its_source_painted_with_the_token_of_its_class(tiny, anew, how):
    settings = replace(tiny.generation, **{name: how[name] for name in OTHER_SETTINGS if name in how})
    composited = how.get("composited", True)
    run, made = anew(generated, settings=settings if "steps" in how else None, composited=composited)
    manifest = read_manifest(run.folder("generated") / MANIFEST)
    rows = manifest[manifest["status"] == "generated"]
    assert set(rows["target_class"]) == {0, 1}, "both classes are painted"
    pipe = with_tokens(run, settings)
    for row, picture in zip(rows.itertuples(), load_generated(run.folder("generated"), rows, 64), strict=True):
        assert row.source_class == run.split("train").labels[row.source_id] != row.target_class
        assert row.seed == image_seed(tiny.name, run.seed, row.source_id, row.target_class)
        assert row.token_sha256 == file_digest(run.folder("tokens") / f"{tiny.classes[row.target_class]}.safetensors")
        expected = painted_by_hand(pipe, run, row, settings, composited)
        assert (picture.int() - expected.int()).abs().max() <= 1
    assert made.counts == {"planned": 5, "no mask": 0, "generated": 5}
    assert made.metrics["painted_now"] == 5
    assert sorted(made.record["products"]) == sorted([MANIFEST, *rows["file"]])


def test_what_has_no_mask_is_counted_and_not_painted(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    table = load_masks(run.folder("masks") / MASKS)
    masks(run, replace(tiny.masks, min_area=float(np.median(table.area))))
    made = generated(run)
    assert 0 < made.counts["no mask"] < 5 and made.counts["generated"] == 5 - made.counts["no mask"]
    assert (
        read_manifest(run.folder("generated") / MANIFEST)["status"].tolist().count("no mask") == made.counts["no mask"]
    )


def test_the_token_changes_what_is_painted(tiny, finished):
    run = Run(tiny, 0, finished, "cpu")
    rows, pipe = read_manifest(run.folder("generated") / MANIFEST), with_tokens(run, tiny.generation)
    row = next(rows[rows["status"] == "generated"].itertuples())
    pictures = [painted_by_hand(pipe, run, row._replace(target_class=c), tiny.generation) for c in (0, 1)]
    assert not torch.equal(*pictures)


def test_prompts_of_ones_own_need_no_token(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    shutil.rmtree(run.folder("tokens"))
    ids = pd.read_parquet(run.folder("masks") / SOURCES)["source_id"]
    made = generated(run, prompts={i: f"a photo of a bird {i}" for i in ids})
    manifest = read_manifest(run.folder("generated") / MANIFEST)
    assert made.new and manifest["prompt"].tolist() == [f"a photo of a bird {i}" for i in manifest["source_id"]]
    assert set(manifest["token_sha256"]) == {""}
    assert not generated(run, prompts={i: f"a photo of a bird {i}" for i in ids}).new


def test_a_shard_paints_its_batches_and_leaves_the_manifest_to_the_call_for_all(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    settings = replace(tiny.generation, batch_size=1, guidance_scale=6.0)  # not what stands there
    (run.folder("generated") / MANIFEST).unlink()
    parts = [generated(run, settings, shard=(number, 2)) for number in (0, 1)]
    assert not (run.folder("generated") / MANIFEST).exists()
    painted = [set(part.record["products"]) for part in parts]
    assert all(painted) and not painted[0] & painted[1]
    assert all(name.startswith("../../images/") for name in painted[0] | painted[1])
    whole = generated(run, settings)
    assert whole.metrics["painted_now"] == 0 and whole.counts["generated"] == sum(map(len, painted))
    assert whole.counts["generated"] == sum(part.metrics["painted_now"] for part in parts)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_denoiser_is_compiled_where_that_is_asked_for(anew, monkeypatch, compiled):
    done = []
    monkeypatch.setattr(stage_module, "compile_denoiser", lambda pipe: done.append(type(pipe.unet).__name__))
    anew(generated, compiled=compiled)
    assert done == ["UNet2DConditionModel"] * compiled


def test_the_pipeline_is_fitted_to_the_memory_of_the_run(tiny, runs, monkeypatch):
    seen = []
    monkeypatch.setattr(stage_module, "fit_memory", lambda pipe, memory: seen.append((type(pipe), memory)))
    generated(replace(Run(tiny, 0, runs, "cpu"), memory=16), replace(tiny.generation, guidance_scale=5.0))
    assert seen == [(StableDiffusionInpaintPipeline, 16)]


@pytest.mark.parametrize(("memory", "batch_size"), [(None, 2), (16, 8), (80, 64)])
def test_a_gpu_s_memory_says_how_many_are_painted_at_a_time(tiny, finished, memory, batch_size):
    run = replace(Run(tiny, 0, finished, "cpu"), memory=memory)
    assert fitted(run, tiny.generation) == replace(tiny.generation, batch_size=batch_size)


def test_the_record_says_what_the_stage_was_made_from(tiny, anew):
    made_from = anew(generated)[1].record["made_from"]
    assert made_from["settings"].items() >= {"steps": 2, "composited": True, "compiled": False, "size": 64}.items()
    assert set(made_from["inputs"]) == {
        "data/train",
        "masks/masks.npz",
        "masks/sources.parquet",
        "tokens/landbird.safetensors",
        "tokens/waterbird.safetensors",
    }
    assert made_from["models"] == {"inpainting": model_identity(tiny.inpainting)}
