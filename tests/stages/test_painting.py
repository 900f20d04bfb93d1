"""Painting a plan: its rows, its files, going on after kill -9, stamps, and shards."""

import hashlib
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from standins import SIZE, boxes, make_inpainting, pictures

from dbb.benchmarks import GenerationSettings
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.seeds import image_seed
from dbb.stages import painting
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.manifest import COLUMNS, generated_set, load_generated
from dbb.stages.mask_table import MaskTable, covered
from dbb.stages.painting import generate, plan

N = 8
SETTINGS = GenerationSettings(per_class=(4, 4), steps=2, guidance_scale=2.0, batch_size=2)
PAIRS = ((0, 1), (1, 0))
PROMPTS = {0: "a crow", 1: "a duck"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_inpainting(tmp_path_factory.mktemp("inpainting"))


@pytest.fixture(scope="module")
def pipe(folder):
    return load_inpainting(str(folder))


def originals() -> ImageSet:
    classes = np.arange(N) % 2
    return ImageSet(ArrayPixels(pictures(N).permute(0, 2, 3, 1).numpy()), classes, classes, 2, np.arange(N))


def masks_of(ids: np.ndarray) -> torch.Tensor:
    return boxes(N)[torch.as_tensor(ids)]


def mask_table(found=(True,) * N) -> MaskTable:
    found = np.array(found)
    packed = np.stack([np.packbits(mask.numpy()) for mask in boxes(N)]) * found[:, None]
    return MaskTable(
        np.arange(N),
        found,
        np.where(found, np.float32(0.9), np.float32(np.nan)),
        covered(packed, SIZE),
        packed,
        packed,
        SIZE,
    )


def make_plan(folder: Path, found=(True,) * N, run_seed: int = 0, pairs=PAIRS, classes=None) -> pd.DataFrame:
    images = originals()
    labels = images.labels if classes is None else np.array(classes)
    token = folder / "model_index.json"
    return plan(
        "toy",
        run_seed,
        images.ids[::-1],
        labels[::-1],
        pairs,
        mask_table(found),
        {**PROMPTS, 2: "a bird"},
        {target: token for _, target in pairs},
    )


def run(
    pipe, folder: Path, directory: Path, settings=SETTINGS, stamp="as it was", **changes
) -> tuple[pd.DataFrame, int]:
    return generate(
        pipe,
        changes.pop("manifest", make_plan(folder)),
        originals(),
        masks_of,
        SIZE,
        directory,
        settings,
        stamp,
        **changes,
    )


def hashes(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((directory / "images").glob("*"))}


def times(directory: Path) -> list[int]:
    return [p.stat().st_mtime_ns for p in sorted((directory / "images").glob("*"))]


# ------------------------------------------------------------------------------------------------ the plan


def test_a_plan_has_a_row_per_source_and_target_by_source(folder) -> None:
    found = (True,) * 5 + (False,) + (True,) * 2
    planned = make_plan(folder, found)
    assert list(planned.columns) == list(COLUMNS) and planned.dtypes.astype(str).to_dict() == COLUMNS
    assert planned["image"].tolist() == planned["source_id"].tolist() == list(range(N))
    assert planned["source_class"].tolist() == [0, 1] * 4 and planned["target_class"].tolist() == [1, 0] * 4
    assert planned["prompt"].tolist() == ["a duck", "a crow"] * 4
    assert planned["seed"].tolist() == [image_seed("toy", 0, i, 1 - i % 2) for i in range(N)]
    assert planned["status"].tolist() == ["planned"] * 5 + ["no mask"] + ["planned"] * 2
    assert planned["file"].tolist() == [f"images/{i:06d}.png" if i != 5 else "" for i in range(N)]
    assert planned["mask_found"].tolist() == list(found) and np.isnan(planned["mask_score"][5])
    assert planned["mask_area"][0] == pytest.approx(boxes(N)[0].float().mean())
    token = hashlib.sha256((folder / "model_index.json").read_bytes()).hexdigest()
    assert set(planned["token_sha256"]) == {token}
    assert planned["kept"].isna().all() and planned[["psi", "Psi", "rho", "P"]].isna().all(axis=None)


def test_of_three_classes_each_pair_that_is_named_is_planned(folder) -> None:
    classes = [0, 1, 2, 0, 1, 2, 0, 1]
    pairs = ((0, 1), (0, 2), (2, 0))
    planned = make_plan(folder, pairs=pairs, classes=classes)
    expected = [(i, c, target) for i, c in enumerate(classes) for source, target in pairs if source == c]
    assert list(planned[["source_id", "source_class", "target_class"]].itertuples(index=False, name=None)) == expected
    assert planned["image"].tolist() == list(range(len(expected))) and planned["file"].is_unique
    assert planned["seed"].is_unique
    assert len(make_plan(folder, pairs=((1, 2),), classes=[0] * N)) == 0


def test_a_prompt_without_a_token_needs_no_file_and_a_token_that_is_missing_is_named(folder, tmp_path) -> None:
    images = originals()
    arguments = "toy", 0, images.ids, images.labels, PAIRS, mask_table(), PROMPTS
    assert set(plan(*arguments, {})["token_sha256"]) == {""}
    with pytest.raises(InputError, match=r"landbird\.safetensors is missing"):
        plan(*arguments, {0: tmp_path / "landbird.safetensors"})


# ------------------------------------------------------------------------------------------------ the files


def test_generated_files_follow_the_manifest(pipe, folder, tmp_path) -> None:
    found = (True,) * 5 + (False,) + (True,) * 2
    planned = make_plan(folder, found)
    done, painted = run(pipe, folder, tmp_path, manifest=planned)
    assert done["status"].tolist() == ["generated"] * 5 + ["no mask"] + ["generated"] * 2
    assert len(hashes(tmp_path)) == painted == 7 and done["file"].iloc[5] == ""
    pd.testing.assert_frame_equal(done.drop(columns="status"), planned.drop(columns="status"))
    assert "generated" not in set(planned["status"])

    made = done[done["status"] == "generated"].iloc[::-1]
    images = load_generated(tmp_path, made, SIZE)
    source, masks = pictures(N)[made["source_id"].tolist()], masks_of(made["source_id"].to_numpy().copy())
    outside = ~masks[:, None].expand_as(images)
    assert torch.equal(images[outside], source[outside]) and not torch.equal(images, source)
    split = generated_set(tmp_path, made, np.zeros(7, np.int64), 2)
    assert split.labels.tolist() == made["target_class"].tolist()


def test_without_compositing_the_autoencoder_changes_the_rest(pipe, folder, tmp_path) -> None:
    images = load_generated(tmp_path, run(pipe, folder, tmp_path, composited=False)[0], SIZE)
    outside = ~boxes(N)[:, None].expand_as(images)
    assert not torch.equal(images[outside], pictures(N)[outside])


def test_a_finished_run_is_not_repeated_but_another_one_is(pipe, folder, tmp_path) -> None:
    assert run(pipe, folder, tmp_path)[1] == N
    first, written = hashes(tmp_path), times(tmp_path)
    assert run(pipe, folder, tmp_path)[1] == 0
    assert times(tmp_path) == written
    assert run(pipe, folder, tmp_path, stamp="made from another token")[1] == N
    assert not set(hashes(tmp_path).values()) & set(first.values())
    run(pipe, folder, tmp_path)
    assert hashes(tmp_path) == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"\x89PNG cut off"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.unlink(),
    ],
    ids=["another file", "truncated", "missing"],
)
def test_a_damaged_picture_is_painted_again_with_its_batch(pipe, folder, tmp_path, damage) -> None:
    run(pipe, folder, tmp_path)
    first, written = hashes(tmp_path), times(tmp_path)
    damage(tmp_path / "images/000002.png")
    assert run(pipe, folder, tmp_path)[1] == SETTINGS.batch_size
    assert hashes(tmp_path) == first
    assert sum(a != b for a, b in zip(times(tmp_path), written, strict=True)) == SETTINGS.batch_size


def test_pictures_of_an_earlier_longer_plan_are_removed_and_nothing_else(pipe, folder, tmp_path) -> None:
    run(pipe, folder, tmp_path)
    (tmp_path / "images/notes.png").touch()
    run(pipe, folder, tmp_path, manifest=make_plan(folder).iloc[:3])
    assert list(hashes(tmp_path)) == ["000000.png", "000001.png", "000002.png", "notes.png"]


def test_a_plan_without_a_mask_paints_nothing(pipe, folder, tmp_path) -> None:
    done, painted = run(pipe, folder, tmp_path, manifest=make_plan(folder, (False,) * N))
    assert painted == 0 and set(done["status"]) == {"no mask"} and not hashes(tmp_path)


def test_killed_and_started_again_ends_with_the_same_files(pipe, folder, tmp_path, monkeypatch) -> None:
    broken, write = tmp_path / "broken", painting.write_image

    def stuck(path, *rest):
        write(path, *rest) if path.stem != "000006" else time.sleep(300)

    with monkeypatch.context() as patched:
        patched.setattr(painting, "write_image", stuck)
        child = multiprocessing.get_context("fork").Process(target=run, args=(pipe, folder, broken), daemon=True)
        child.start()
    deadline = time.monotonic() + 60
    while not (broken / "images/000004.png").exists() and time.monotonic() < deadline:
        assert child.is_alive()
        time.sleep(0.01)
    child.kill()
    child.join()
    assert list(hashes(broken)) == ["000000.png", "000002.png", "000004.png"]  # half of the second batch
    whole = times(broken)[:2]

    assert run(pipe, folder, broken)[1] == N - SETTINGS.batch_size
    run(pipe, folder, tmp_path / "undisturbed")
    assert times(broken)[:1] + times(broken)[2:3] == whole
    assert hashes(broken) == hashes(tmp_path / "undisturbed") and len(hashes(broken)) == N


def test_a_source_that_is_not_there_is_named_before_any_work(pipe, folder, tmp_path) -> None:
    strangers = make_plan(folder).assign(source_id=99)
    with pytest.raises(InputError, match="source image 99 is not among the 8 images given"):
        run(pipe, folder, tmp_path / "a", manifest=strangers)
    assert not (tmp_path / "a").exists()


def test_a_compiled_denoiser_paints_nearly_the_same(folder, tmp_path) -> None:
    own, ducks = load_inpainting(str(folder)), make_plan(folder).iloc[[0, 2]]  # of one batch: traced once
    done, _ = run(own, folder, tmp_path, manifest=ducks)
    plain = load_generated(tmp_path, done, SIZE)
    own.unet.compile(backend="eager")  # the true one, minutes of C++, is timed in speed/true_size.py
    done, painted = run(own, folder, tmp_path, stamp="compiled", manifest=ducks)
    assert painted == 2
    assert (plain.int() - load_generated(tmp_path, done, SIZE).int()).abs().max() <= 1


# ------------------------------------------------------------------------------------------------ shards


def test_shards_paint_the_same_files_as_one_run_whatever_their_order(pipe, folder, tmp_path) -> None:
    whole, _ = run(pipe, folder, tmp_path / "whole")
    parts = [run(pipe, folder, tmp_path / "sharded", shard=(number, 3)) for number in (2, 0, 1)]
    assert sum(painted for _, painted in parts) == N
    written = times(tmp_path / "sharded")
    merged, painted = run(pipe, folder, tmp_path / "sharded")
    assert painted == 0 and times(tmp_path / "sharded") == written, "nothing anew"
    assert hashes(tmp_path / "sharded") == hashes(tmp_path / "whole")
    made = [set(part.loc[part["status"] == "generated", "image"]) for part, _ in parts]
    assert sum(map(len, made)) == len(set.union(*made)) == (merged["status"] == "generated").sum()
    pd.testing.assert_frame_equal(merged, whole)


def test_a_shard_leaves_what_other_shards_painted(pipe, folder, tmp_path) -> None:
    run(pipe, folder, tmp_path, shard=(0, 2))
    first = hashes(tmp_path)
    run(pipe, folder, tmp_path, shard=(1, 2))
    assert first.items() < hashes(tmp_path).items()
    assert all(hashes(tmp_path)[name] == digest for name, digest in first.items())


def test_a_shard_that_is_not_there_is_refused(pipe, folder, tmp_path) -> None:
    with pytest.raises(InputError, match="shard 3 of 3: count from 0 to 2"):
        run(pipe, folder, tmp_path, shard=(3, 3))


def test_a_picture_that_cannot_be_written_stops_the_run(pipe, folder, tmp_path, monkeypatch) -> None:
    def full(path, *_):
        raise OSError(f"no space left for {path.name}")

    monkeypatch.setattr(painting, "write_image", full)
    with pytest.raises(OSError, match="no space left"):
        run(pipe, folder, tmp_path)
    assert not hashes(tmp_path)


# ------------------------------------------------------------------------------------------------ which is which


def test_every_picture_is_its_row_s_source_mask_prompt_and_seed(pipe, folder, tmp_path) -> None:
    settings = GenerationSettings(per_class=(4, 4), steps=2, guidance_scale=3.0, batch_size=3)
    done, _ = run(pipe, folder, tmp_path, settings)
    for row, image in zip(done.itertuples(), load_generated(tmp_path, done, SIZE), strict=True):
        original, mask = pictures(N)[[row.source_id]], boxes(N)[[row.source_id]]
        alone = inpaint(pipe, encode_prompt(pipe, PROMPTS[row.target_class], 3.0), original, mask, [row.seed], 2, 3.0)
        assert (composite(alone, original, mask)[0].int() - image.int()).abs().max() <= 1
        assert row.seed == image_seed("toy", 0, row.source_id, 1 - row.source_class)


def test_each_row_tells_the_token_of_its_target_class(tmp_path) -> None:
    tokens = {label: tmp_path / f"{label}.safetensors" for label in (0, 1)}
    for label, path in tokens.items():
        path.write_bytes(bytes([label]))
    images = originals()
    planned = plan("toy", 4, images.ids, images.labels, PAIRS, mask_table(), PROMPTS, tokens)
    digests = [hashlib.sha256(bytes([label])).hexdigest() for label in (0, 1)]
    assert planned["token_sha256"].tolist() == [digests[label] for label in planned["target_class"]]
    assert planned["prompt"].tolist() == [PROMPTS[label] for label in planned["target_class"]]
    assert planned["seed"].tolist() == [image_seed("toy", 4, i, 1 - i % 2) for i in range(N)]
    half = plan("toy", 4, images.ids, images.labels, PAIRS, mask_table(), PROMPTS, {0: tokens[0]})
    assert half["token_sha256"].tolist() == [digests[0] if label == 0 else "" for label in half["target_class"]]


def test_a_plan_tells_each_source_s_own_mask(folder) -> None:
    found = (True, False) * 4
    table = mask_table(found)
    planned = make_plan(folder, found, pairs=((0, 1), (0, 2)), classes=[0, 1] * 4)
    assert planned["source_id"].tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    np.testing.assert_array_equal(planned["mask_area"], table.area[planned["source_id"]])
    np.testing.assert_array_equal(planned["mask_score"], table.score[planned["source_id"]])
    assert planned["image"].tolist() == list(range(8)) and (planned["reason"] == "").all()


def test_a_batch_is_of_one_prompt_in_the_manifest_s_order(pipe, folder, tmp_path, monkeypatch) -> None:
    calls, real = [], painting.inpaint

    def noted(pipe, states, images, masks, seeds, *rest):
        calls.append((len(images), [*seeds], rest))
        return real(pipe, states, images, masks, seeds, *rest)

    monkeypatch.setattr(painting, "inpaint", noted)
    settings = GenerationSettings(per_class=(4, 4), steps=1, guidance_scale=1.0, batch_size=3)
    done, _ = run(pipe, folder, tmp_path, settings)
    ducks, crows = (done.loc[done["prompt"] == prompt, "seed"].tolist() for prompt in ("a duck", "a crow"))
    assert [seeds for _, seeds, _ in calls] == [ducks[:3], ducks[3:], crows[:3], crows[3:]]
    assert {rest for _, _, rest in calls} == {(1, 1.0)}


def test_a_picture_carries_its_stamp(tmp_path) -> None:
    painting.write_image(tmp_path / "images/one.png", pictures(1)[0], "as it was")
    with painting.Image.open(tmp_path / "images/one.png") as image:
        assert image.info == {"dbb": "as it was"} and image.format == "PNG"
        assert np.array_equal(np.asarray(image), pictures(1)[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("shard", [(-1, 2), (2, 2), (0, 0)])
def test_shards_are_counted_from_0(pipe, folder, tmp_path, shard) -> None:
    with pytest.raises(InputError, match="count from 0"):
        run(pipe, folder, tmp_path, shard=shard)
