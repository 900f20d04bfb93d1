"""The benchmark at true size: its lines run on tiny models, and its arithmetic is right on the true ones."""

import json
import math
import shutil
from pathlib import Path

import costs
import literal_port
import pytest
import torch
import true_size
import true_size_counts
import true_size_models
import yaml
from diffusers import DPMSolverMultistepScheduler, PNDMScheduler
from true_size_stages import STAGES
from true_size_timing import Work, figures, measure, with_ratios
from true_size_world import tiny_world

ROOT = Path(__file__).resolve().parents[2]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict:
    """What the command writes for tiny models, all stages."""
    folder = tmp_path_factory.mktemp("report")
    true_size.main(["--tiny", "--images", "1", "--out", str(folder)])
    return json.loads((folder / "tiny.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def counted() -> dict:
    return json.loads((ROOT / true_size_counts.FILE).read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------ the script


def test_every_line_runs_and_gives_finite_figures(report):
    assert {line["stage"] for line in report["lines"]} == set(STAGES)
    for line in report["lines"]:
        assert "error" not in line, line
        for key in ("seconds", "per_second", "paper_seconds", "tflops", "share_of_peak", "memory_gib", "times_literal"):
            assert math.isfinite(line[key]) and line[key] > 0, (line["name"], key)


def test_every_stage_begins_with_the_official_way_and_has_ours(report):
    for stage in STAGES:
        ways = [line["way"] for line in report["lines"] if line["stage"] == stage]
        assert ways[0] == "literal" and "ours" in ways
        first = next(line for line in report["lines"] if line["stage"] == stage)
        assert first["times_literal"] == 1


def test_without_a_gpu_it_refuses_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"no CUDA GPU here.*--tiny") as refusal:
        true_size.main(["--out", str(tmp_path)])
    assert "\n" not in str(refusal.value) and not list(tmp_path.iterdir())


def test_no_images_are_refused():
    with pytest.raises(SystemExit, match="--images 0: give at least 1"):
        true_size.main(["--tiny", "--images", "0"])


@pytest.mark.parametrize("out", ["results", "results/true-size", "results/../results/tiny"])
def test_tiny_figures_are_kept_out_of_the_results(out):
    with pytest.raises(SystemExit, match="do not belong into results/"):
        true_size.main(["--tiny", "--stages", "training", "--out", out])


def test_a_line_that_does_not_fit_says_so_and_the_others_go_on():
    def too_much() -> None:
        raise torch.OutOfMemoryError

    line = measure(Work("s", "literal", "n", "images", 4, 8, 2, 1.0, too_much), CPU, 1.0)
    assert line["error"] == "out of memory" and "seconds" not in line
    fits = {"stage": "s", "way": "literal", "per_second": 2.0}
    ours = {"stage": "s", "way": "ours", "per_second": 5.0}
    assert [line.get("times_literal") for line in with_ratios([line, fits, ours])] == [None, 1.0, 2.5]


def test_figures_follow_from_the_median():
    work = Work("s", "ours", "n", "images", units=10, paper_units=100, batch=5, operations=6e12, run=lambda: None)
    found = figures(work, [2.0, 9.0, 3.0], peak=4e12)
    assert found == {
        "seconds": 3.0,
        "fastest": 2.0,
        "slowest": 9.0,
        "per_second": 10 / 3,
        "paper_seconds": 30.0,
        "tflops": 2.0,
        "share_of_peak": 0.5,
    }


def test_set_up_is_taken_off():
    calls = []
    work = Work(
        "s",
        "ours",
        "n",
        "steps",
        1,
        1,
        1,
        1.0,
        run=lambda: calls.append("run"),
        warm_up=lambda: calls.append("warm"),
        less=lambda: calls.append("less"),
    )
    measure(work, CPU, 1.0, repeats=2)
    assert calls == ["warm", "less", "run", "less", "run"]


# ------------------------------------------------------------------------------------------------ the literal port


def test_the_port_learns_one_row_and_puts_all_others_back(tmp_path):
    world = tiny_world(tmp_path)
    picture = literal_port.transforms.functional.to_pil_image(torch.zeros(3, 8, 8, dtype=torch.uint8))
    learning = literal_port.Inversion(world.pipe(torch.float32), [picture], world.size, torch.float32)
    before = learning.table.detach().clone()
    assert len(learning.step()) == literal_port.ACCUMULATED
    changed = (learning.table != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [learning.placeholder]


def test_the_port_leaves_the_switches_as_they_were():
    def state() -> tuple:
        return (
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.deterministic,
            torch.is_autocast_enabled("cpu"),
        )

    before = state()
    with literal_port.switches(CPU, autocast=True):
        assert state() == (True, True, True)
    assert state() == before


# ------------------------------------------------------------------------------------------------ counts and floor


def test_the_true_denoiser_needs_804_gflop():
    unet = true_size_models.inpainting_components(device="meta")["unet"]
    latent, states = torch.zeros(1, 9, 64, 64, device="meta"), torch.zeros(1, 77, 1024, device="meta")
    with torch.no_grad():
        found = true_size_counts.operations(lambda: unet(latent, torch.zeros(1, device="meta"), states))
    assert round(found / 1e9) == 804


def test_committed_counts_are_those_of_the_true_models(counted):
    models = true_size_counts.true_models()
    assert counted["parameters"] == models.parameters
    assert counted["operations"] == true_size_counts.count(models)
    assert counted["stages"] == true_size_counts.stage_costs(counted["operations"], models.parameters)


def test_resnet50_is_counted_as_published(counted):
    # He et al. 2016 give 3.8e9 multiply-adds for the first version, torchvision 4.09e9 for its own.
    assert counted["operations"]["classifier"] == pytest.approx(2 * 4.09e9, rel=0.01)
    # To the pixels it is as much again; the weights take that much once more, but for the first layer's way to pixels.
    ways = ("classifier", "classifier gradient", "classifier training")
    forward, to_pixels, to_weights = (counted["operations"][way] for way in ways)
    assert to_pixels == pytest.approx(2 * forward) and to_weights == pytest.approx(3 * forward, rel=0.02)


def test_the_floor_of_waterbirds_on_an_h100(counted):
    floor = true_size_counts.floor_seconds(989e12, {"denoiser": 804e9}) / 60
    assert floor == pytest.approx(2412 * 50 * 2 * 804 / 989e3 / 60)
    assert round(floor, 1) == 3.3
    # With the autoencoder, and the 51 calls of PNDM's 50 steps.
    row = next(row for row in counted["stages"] if row["stage"] == "inpainting, the model's own, 50 steps")
    assert round(row["units"] * row["operations"] / 989e12 / 60, 1) == 3.5
    halved = true_size_counts.floor_seconds(989e12, {"denoiser": 804e9}, images=1206, steps=50)
    assert halved * 2 == pytest.approx(floor * 60)


def test_pndm_calls_the_denoiser_once_more_than_it_has_steps():
    assert true_size_counts.evaluations(PNDMScheduler(skip_prk_steps=True), 50) == 51
    assert true_size_counts.evaluations(DPMSolverMultistepScheduler(), 20) == 20


# ------------------------------------------------------------------------------------------------ the page


def test_the_page_shows_what_was_measured_and_says_when_nothing_was(report, counted, tmp_path):
    reported = yaml.safe_load((ROOT / "book" / "reported.yml").read_text(encoding="utf-8"))
    folder = tmp_path / "true-size"
    folder.mkdir()
    (folder / "counts.json").write_text(json.dumps(counted))
    shutil.copy(ROOT / "results" / costs.TRAINING_INPUT, tmp_path)
    empty = costs.cost_pages(tmp_path, reported)
    assert b"Not measured yet" in empty["costs-measured.md"]
    assert "3.3 min" in empty["costs-floor.md"].decode() and "Waterbirds: 1 h" in empty["costs-floor.md"].decode()
    (folder / "gpu.json").write_text(json.dumps(report | {"machine": "Some GPU"}))
    shown = costs.cost_pages(tmp_path, reported)["costs-measured.md"].decode()
    assert "### Some GPU" in shown and "Not measured" not in shown
    assert all(line["name"] in shown for line in report["lines"])


def test_the_page_includes_every_part_that_is_made():
    reported = yaml.safe_load((ROOT / "book" / "reported.yml").read_text(encoding="utf-8"))
    page = (ROOT / "book" / "costs.md").read_text(encoding="utf-8")
    for name in costs.cost_pages(ROOT / "results", reported):
        assert f"_generated/{name}" in page
