"""Generation: eq. 2, compositing, independence of the batch, and going on after kill -9."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from standins import SIZE, boxes, make_inpainting, pictures
from torchvision.transforms.functional import to_pil_image

from dbb.benchmarks import GenerationSettings
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.stages.generation import encode_prompt, generate, inpaint, masked_noising, noising_pictures, plan, sample
from dbb.stages.manifest import generated_set, load_generated, read_manifest, write_manifest
from dbb.models.inpainting import load_inpainting
from dbb.seeds import image_seed

N = 8
SETTINGS = GenerationSettings(per_class=(4, 4), steps=2, guidance_scale=2.0, batch_size=2)


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


def make_plan(folder: Path, found=(True,) * N, run_seed: int = 0) -> pd.DataFrame:
    tokens = [folder / "model_index.json"] * 2
    images = originals()
    return plan("toy", run_seed, images.ids, images.labels, 1 - images.labels, ["a crow", "a duck"], tokens,
                np.array(found), np.full(N, 0.2), np.full(N, 0.9))


def run(pipe, folder: Path, directory: Path, settings=SETTINGS, **changes) -> pd.DataFrame:
    return generate(pipe, changes.pop("manifest", make_plan(folder)), originals(), masks_of, SIZE, directory,
                    settings, **changes)


def hashes(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((directory / "images").glob("*"))}


def test_masked_noising_follows_eq_2() -> None:
    generator = torch.Generator().manual_seed(0)
    z0, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    mask = torch.rand(2, 1, 8, 8, generator=generator) > 0.5
    zt = masked_noising(z0, mask, noise, torch.tensor([0.9, 0.04]))
    inside, outside = mask.expand_as(z0), ~mask.expand_as(z0)
    assert torch.equal(zt[outside], z0[outside])
    for i, (signal_, noise_) in enumerate([(0.9 ** 0.5, 0.1 ** 0.5), (0.2, 0.96 ** 0.5)]):
        torch.testing.assert_close(zt[i][inside[i]], (signal_ * z0[i] + noise_ * noise[i])[inside[i]])
    assert torch.equal(masked_noising(z0, mask.float(), noise, 1.0), z0)


def test_an_image_does_not_depend_on_its_batch(pipe) -> None:
    images, masks, states = pictures(4), boxes(4), encode_prompt(pipe, "a duck", 2.0)
    together = inpaint(pipe, states, images, masks, range(4), 3, 2.0)
    alone = torch.cat([inpaint(pipe, states, images[i:i + 1], masks[i:i + 1], [i], 3, 2.0) for i in range(4)])
    assert (together.int() - alone.int()).abs().max() <= 1
    other = inpaint(pipe, states, images, masks, range(4, 8), 3, 2.0)
    assert (together.int() - other.int()).abs().max() > 10


def test_inpainting_is_the_pipelines_own_call(pipe) -> None:
    images, masks = pictures(2), boxes(2)
    with torch.no_grad():
        expected = pipe(prompt=["a duck"] * 2, image=list(map(to_pil_image, images)),
                        mask_image=[to_pil_image(m.to(torch.uint8) * 255) for m in masks], height=SIZE, width=SIZE,
                        strength=1.0, num_inference_steps=3, guidance_scale=4.0, output_type="np",
                        generator=[torch.Generator().manual_seed(s) for s in (7, 8)]).images
    ours = inpaint(pipe, encode_prompt(pipe, "a duck", 4.0), images, masks, [7, 8], 3, 4.0)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - expected * 255).max() < 1


def test_sample_changes_only_the_mask_and_follows_the_prompt(pipe) -> None:
    images, masks = pictures(2), boxes(2)
    drawn = sample(pipe, ["a duck", "a crow in the forest"], images, masks, [0, 1], 2, 3.0)
    assert drawn.shape == (2, 2, 3, SIZE, SIZE) and drawn.dtype == torch.uint8
    outside = ~masks[:, None].expand_as(images)
    assert all(torch.equal(d[outside], images[outside]) for d in drawn)
    assert not torch.equal(drawn[0], drawn[1])


def test_pictures_of_eq_2_start_at_the_original_and_end_in_noise(pipe) -> None:
    images = noising_pictures(pipe, pictures(1)[0], boxes(1)[0], [0, 500, 999], seed=0)
    assert images.shape == (3, 3, SIZE, SIZE)
    change = (images[1:].float() - images[:1].float()).abs()
    assert change[0][:, boxes(1)[0]].mean() > change[0][:, ~boxes(1)[0]].mean()


def test_generated_files_follow_the_manifest(pipe, folder, tmp_path) -> None:
    found = (True,) * 5 + (False,) + (True,) * 2
    done = run(pipe, folder, tmp_path, manifest=make_plan(folder, found))
    assert done["status"].tolist() == ["generated"] * 5 + ["no mask"] + ["generated"] * 2
    assert len(hashes(tmp_path)) == 7 and done["file"].iloc[5] == ""
    assert done["seed"].tolist() == [image_seed("toy", 0, i, 1 - i % 2) for i in range(N)]
    assert done["prompt"].iloc[0] == "a duck" and done["target_class"].iloc[0] == 1
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.parquet"), done)

    made = done[done["status"] == "generated"].iloc[::-1]
    images = load_generated(tmp_path, made, SIZE)
    source, masks = pictures(N)[made["source_id"].tolist()], masks_of(made["source_id"].to_numpy().copy())
    outside = ~masks[:, None].expand_as(images)
    assert torch.equal(images[outside], source[outside]) and not torch.equal(images, source)
    split = generated_set(tmp_path, made, np.zeros(7, np.int64), 2)
    assert split.labels.tolist() == made["target_class"].tolist()
    assert torch.equal(split.subset([2, 0]).pixels([0, 1], SIZE), images[[2, 0]])
    assert load_generated(tmp_path, made, 32).shape == (7, 3, 32, 32)
    with pytest.raises(InputError, match="no mask"):
        load_generated(tmp_path, done, SIZE)


def test_without_compositing_the_autoencoder_changes_the_rest(pipe, folder, tmp_path) -> None:
    images = load_generated(tmp_path, run(pipe, folder, tmp_path, composited=False), SIZE)
    outside = ~boxes(N)[:, None].expand_as(images)
    assert not torch.equal(images[outside], pictures(N)[outside])


def test_a_finished_run_is_not_repeated_but_another_one_is(pipe, folder, tmp_path) -> None:
    run(pipe, folder, tmp_path)
    first, stamps = hashes(tmp_path), [p.stat().st_mtime_ns for p in sorted(tmp_path.glob("images/*"))]
    run(pipe, folder, tmp_path)
    assert [p.stat().st_mtime_ns for p in sorted(tmp_path.glob("images/*"))] == stamps
    (tmp_path / "images/000002.png").write_bytes(b"\x89PNG cut off")
    run(pipe, folder, tmp_path)
    assert hashes(tmp_path) == first
    run(pipe, folder, tmp_path, replace(SETTINGS, steps=3))
    assert not set(hashes(tmp_path).values()) & set(first.values())
    run(pipe, folder, tmp_path, manifest=make_plan(folder).iloc[:3])
    assert len(hashes(tmp_path)) == 3


def test_killed_and_started_again_ends_with_the_same_files(pipe, folder, tmp_path) -> None:
    script = ("import sys, time; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
              "import dbb.stages.generation as g; from dbb.models import load_inpainting; import test_generation as t\n"
              "write = g._write_png\n"
              "g._write_png = lambda path, *rest: time.sleep(300) if path.stem == '000006' else write(path, *rest)\n"
              "folder = Path(sys.argv[1])\n"
              "t.run(load_inpainting(str(folder)), folder, Path(sys.argv[2]))\n")
    here = Path(__file__).parent
    search = os.pathsep.join([str(here), str(here.parent)])
    broken = tmp_path / "broken"
    with subprocess.Popen([sys.executable, "-c", script, str(folder), str(broken)],
                          env={**os.environ, "PYTHONPATH": search}) as child:
        deadline = time.monotonic() + 120
        while not (broken / "images/000004.png").exists() and time.monotonic() < deadline:
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    assert list(hashes(broken)) == ["000000.png", "000002.png", "000004.png"]  # half of the second batch
    assert not (broken / "manifest.parquet").exists()
    whole = [(broken / "images" / name).stat().st_mtime_ns for name in ("000000.png", "000002.png")]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run(pipe, folder, broken)
        run(pipe, folder, tmp_path / "undisturbed")
    finally:
        torch.set_num_threads(threads)
    assert whole == [(broken / "images" / name).stat().st_mtime_ns for name in ("000000.png", "000002.png")]
    assert hashes(broken) == hashes(tmp_path / "undisturbed") and len(hashes(broken)) == N
    assert ((broken / "manifest.parquet").read_bytes()
            == (tmp_path / "undisturbed/manifest.parquet").read_bytes())


def test_bad_input_is_named_before_any_work(pipe, folder, tmp_path) -> None:
    strangers = make_plan(folder).assign(source_id=99)
    with pytest.raises(InputError, match="99"):
        run(pipe, folder, tmp_path / "a", manifest=strangers)
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match="missing"):
        read_manifest(tmp_path / "manifest.parquet")
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="corrupt"):
        read_manifest(tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match="rho"):
        write_manifest(tmp_path / "m.parquet", make_plan(folder).drop(columns="rho"))
    done = run(pipe, folder, tmp_path / "b")
    (tmp_path / "b/images/000001.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"000001\.png is corrupt"):
        load_generated(tmp_path / "b", done, SIZE)
    (tmp_path / "b/images/000001.png").unlink()
    with pytest.raises(InputError, match=r"000001\.png is missing"):
        load_generated(tmp_path / "b", done, SIZE)


def test_a_compiled_denoiser_paints_anew_and_nearly_the_same(folder, tmp_path) -> None:
    own = load_inpainting(str(folder))
    run(own, folder, tmp_path)
    plain = load_generated(tmp_path, make_plan(folder).assign(status="generated"), SIZE)
    first = hashes(tmp_path)
    own.unet.compile(backend="eager")  # the true one, minutes of C++, is timed in benchmarks/true_size.py
    run(own, folder, tmp_path)
    assert not set(hashes(tmp_path).values()) & set(first.values()), "stamped as made otherwise"
    again = load_generated(tmp_path, make_plan(folder).assign(status="generated"), SIZE)
    assert (plain.int() - again.int()).abs().max() <= 1


def test_shards_paint_the_same_files_as_one_run_whatever_their_order(pipe, folder, tmp_path) -> None:
    run(pipe, folder, tmp_path / "whole")
    parts = [run(pipe, folder, tmp_path / "sharded", shard=(number, 3)) for number in (2, 0, 1)]
    assert not (tmp_path / "sharded/manifest.parquet").exists()
    stamps = [p.stat().st_mtime_ns for p in sorted(tmp_path.glob("sharded/images/*"))]
    merged = run(pipe, folder, tmp_path / "sharded")
    assert [p.stat().st_mtime_ns for p in sorted(tmp_path.glob("sharded/images/*"))] == stamps, "nothing anew"
    assert hashes(tmp_path / "sharded") == hashes(tmp_path / "whole")
    made = [set(part.loc[part["status"] == "generated", "image"]) for part in parts]
    assert sum(map(len, made)) == len(set.union(*made)) == (merged["status"] == "generated").sum()
    pd.testing.assert_frame_equal(merged, read_manifest(tmp_path / "whole/manifest.parquet"))


def test_a_shard_that_is_not_there_is_refused(pipe, folder, tmp_path) -> None:
    with pytest.raises(InputError, match="shard 3 of 3: count from 0 to 2"):
        run(pipe, folder, tmp_path, shard=(3, 3))


def test_a_picture_that_cannot_be_written_stops_the_run(pipe, folder, tmp_path, monkeypatch) -> None:
    def full(path, *_):
        raise OSError(f"no space left for {path.name}")

    monkeypatch.setattr("dbb.stages.generation._write_png", full)
    with pytest.raises(OSError, match="no space left"):
        run(pipe, folder, tmp_path)
    assert not (tmp_path / "manifest.parquet").exists()
