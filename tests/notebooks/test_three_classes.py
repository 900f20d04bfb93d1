"""Three classes at three places, a user's own dataset, through every stage and every chapter."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from chapters import FEW, Shown, check_figures, run_notebook
from three_classes import KINDS, PLACES, USUAL, write_settings, write_three_classes

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.models.classifier import load_trained
from dbb.stages import pruning, retraining
from dbb.stages.all import STAGES, make_stages
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run, open_run
from dbb.store import NOTEBOOKS as CHAPTERS
from dbb.store import RESULTS
from dbb.transforms import evaluation_input

SEED = 1
NAMES, K, GAMMAS = tuple(KINDS), (3, 2, 4), (0.5, 2.0, 3.0)
PAIRS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
SOME = ((0, 2), (2, 1))


@dataclass(frozen=True)
class Three:
    """A run whose stages are made. path: of the dataset's file."""

    path: Path
    run: Run

    @property
    def manifest(self) -> pd.DataFrame:
        return read_manifest(self.run.folder("pruned") / MANIFEST)

    def chapter(self, notebook: str, drawn: bool = True, **more: object) -> Shown:
        seed = {} if notebook == "01-data" else {"seed": SEED}
        given = {"benchmark": str(self.path), "runs": str(self.run.runs), **seed, **FEW.get(notebook, {}), **more}
        return run_notebook(notebook, given, drawn)


def made(path: Path) -> Three:
    run = open_run(str(path), SEED, path.parent / "runs", "cpu")
    assert [stage.record["stage"] for stage in make_stages(run)] == list(STAGES)
    return Three(path, run)


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Three:
    return made(write_three_classes(tmp_path_factory.mktemp("three")))


@pytest.fixture(scope="module")
def some_pairs(three) -> Three:
    """The same pictures, two of the six directions: nothing is painted from wading birds, nor into songbirds."""
    named = [[NAMES[source], NAMES[target]] for source, target in SOME]
    settings = f"generation: {{per_class: [2, 1, 2], steps: 1, batch_size: 8, pairs: {json.dumps(named)}}}\n"
    return made(write_settings(three.path.parent, settings, "some"))


# ------------------------------------------------------------------------------------------------- the stages


def test_every_group_is_there(three):
    counts = np.bincount(three.run.split("train").groups, minlength=9).reshape(3, 3)
    assert (counts == np.where(np.eye(3, dtype=bool), USUAL, 1)).all()
    assert three.run.benchmark.group_names[5] == "wading bird at lake" and PLACES[2] == "lake"


def test_six_ordered_pairs_are_planned_and_painted(three):
    manifest, bm = three.manifest, three.run.benchmark
    assert bm.pairs == PAIRS
    directions = Counter(zip(manifest["source_class"], manifest["target_class"], strict=True))
    assert directions == {(source, target): K[source] for source, target in PAIRS}
    assert (manifest["status"] == "generated").all()
    counts = three.run.made("generated").counts
    assert counts["planned"] == counts["generated"] == 2 * sum(K) and counts["no mask"] == 0
    assert (three.run.split("train").labels[manifest["source_id"]] == manifest["source_class"]).all()
    for _, rows in manifest.groupby("source_id"):  # no seed and no picture serves two directions
        assert len(rows) == rows["seed"].nunique() == 2
        first, second = (Path(three.run.folder("generated") / name).read_bytes() for name in rows["file"])
        assert first != second


def test_the_sources_are_the_lowest_losses_of_their_class(three):
    said = load_outputs(three.run.folder("erm") / "train.npz")
    for label, k in enumerate(K):
        members = np.flatnonzero(said.labels == label)
        lowest = members[np.argsort(said.losses[members], kind="stable")[:k]]
        chosen = three.manifest.loc[three.manifest["source_class"] == label, "source_id"]
        assert sorted(set(chosen)) == sorted(lowest)


def test_each_picture_is_painted_with_its_target_s_token(three):
    tokens, bm = three.run.folder("tokens"), three.run.benchmark
    for target, rows in three.manifest.groupby("target_class"):
        assert set(rows["prompt"]) == {f"a photo of a <{NAMES[target]}> bird"} == {bm.prompt(target)}
        digest = hashlib.sha256((tokens / f"{NAMES[target]}.safetensors").read_bytes()).hexdigest()
        assert set(rows["token_sha256"]) == {digest}
    assert three.manifest["token_sha256"].nunique() == 3


def test_a_generated_picture_has_its_target_s_label_and_its_original_s_place(three):
    pairs, train = pruning.read_pairs(three.run, three.manifest), three.run.split("train")
    assert (pairs.generated.labels == pairs.rows["target_class"]).all()
    assert (pairs.originals.labels == pairs.rows["source_class"]).all()
    assert (pairs.generated.groups == 3 * pairs.rows["target_class"] + train.attributes[pairs.rows["source_id"]]).all()
    kept, images = retraining.read_kept(three.run)
    assert len(kept) > 0 and (images.labels == kept["target_class"]).all()
    counted = {f"into class {label}": int((kept["target_class"] == label).sum()) for label in range(3)}
    assert counted.items() <= three.run.made("retrained").counts.items()


def test_psi_is_of_the_source_class_and_rho_of_the_target_class(three):
    manifest, bm, record = three.manifest, three.run.benchmark, three.run.made("pruned")
    model = load_trained(three.run.folder("erm") / "model.safetensors", bm.classifier, 3)
    pairs = pruning.read_pairs(three.run, manifest)
    rows, sources, targets = np.arange(len(manifest)), manifest["source_class"], manifest["target_class"]

    def probabilities(images):
        pixels = images.pixels(range(len(images)), bm.read_size)
        with torch.inference_mode():
            return model(evaluation_input(pixels, bm.input_format)).softmax(1).numpy()

    after, before = probabilities(pairs.generated), probabilities(pairs.originals)
    assert manifest["psi"].to_numpy() == pytest.approx(after[rows, sources], abs=1e-5)
    said = load_outputs(three.run.folder("erm") / "train.npz")
    Psi = [said.probabilities[said.labels == label, label].mean() for label in range(3)]
    assert manifest["Psi"].to_numpy() == pytest.approx(np.array(Psi)[sources], abs=1e-6)
    assert record.metrics["Psi"] == pytest.approx(Psi, abs=1e-6)

    scored = manifest["rho"].notna().to_numpy()
    assert (scored == (manifest["psi"] < manifest["Psi"])).all() and scored.any()
    change = (after - before)[scored]
    rho, error = manifest["rho"].to_numpy()[scored], record.metrics["convergence_max"] + 1e-5
    into, other = targets[scored], 3 - (sources + targets)[scored]
    assert (abs(rho - change[np.arange(len(rho)), into]) <= error).all()
    for wrong in (sources[scored], other):
        assert abs(rho - change[np.arange(len(rho)), wrong]).max() > 3 * error


def test_P_is_given_or_a_quantile_of_its_target_class(three):
    manifest, P = three.manifest, three.run.made("pruned").metrics["P"]
    assert P[1] == -1.0
    for label in (0, 2):
        scores = manifest.loc[manifest["target_class"] == label, "rho"].dropna()
        assert P[label] == pytest.approx(np.quantile(scores, 0.4))
    assert manifest["P"].to_numpy() == pytest.approx(np.array(P)[manifest["target_class"]])


def test_eq_8_has_four_parts_each_with_its_weight():
    generator = torch.Generator().manual_seed(0)
    logits, part = torch.randn(12, 3, generator=generator), torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 0, 2])
    labels = torch.where(part > 0, part - 1, torch.arange(12) % 3)
    losses = -logits.log_softmax(1)[torch.arange(12), labels]
    terms = [weight * losses[part == p].mean() for p, weight in enumerate((1.0, *GAMMAS))]
    torch.testing.assert_close(retraining.ddb_loss(logits, labels, part, GAMMAS), sum(terms))
    few = part != 2
    rest = retraining.ddb_loss(logits[few], labels[few], part[few], GAMMAS)
    torch.testing.assert_close(rest, terms[0] + terms[1] + terms[3])


def test_retraining_trains_on_that_loss(three, monkeypatch):
    """Every batch of the retraining is weighed by the three gammas, and generated pictures carry part 1 + target."""
    seen, true_loss = [], retraining.ddb_loss

    def watched(logits, labels, part, gammas):
        assert tuple(gammas) == GAMMAS
        seen.append((labels.tolist(), part.tolist()))
        return true_loss(logits, labels, part, gammas)

    monkeypatch.setattr(retraining, "ddb_loss", watched)
    bm, run = three.run.benchmark, three.run
    model = load_trained(run.folder("erm") / "model.safetensors", bm.classifier, 3)
    train, kept = run.split("train"), retraining.read_kept(run)[1]
    settings = replace(bm.retraining, epochs=1)
    retraining.retrain(model, train, kept, run.split("val"), settings, settings.gammas, bm.input_format, SEED)
    pairs = Counter(pair for labels, parts in seen for pair in zip(labels, parts, strict=True))
    assert pairs == {
        **{(label, 0): n for label, n in enumerate(np.bincount(train.labels))},
        **{(label, 1 + label): n for label, n in enumerate(np.bincount(kept.labels)) if n},
    }


@pytest.mark.parametrize(
    "settings",
    ["generation: {per_class: [4, 3]}", "pruning: {thresholds: [null, 0.1]}", "retraining: {gammas: [1, 2, 3, 4]}"],
)
def test_lists_of_the_wrong_length_are_refused_by_the_file(tmp_path, three, settings):
    path = write_settings(three.path.parent, f"{settings}\n", f"wrong-{settings.split(':')[0]}")
    with pytest.raises(InputError, match="a list with one for each"):
        get_benchmark(str(path))


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        ("02-erm", {"k": [4, 3]}),
        ("04-masks", {"per_class": [4]}),
        ("06-prune", {"P": [0.1, None]}),
        ("07-retrain", {"gammas": [1.0, 2.0, 3.0, 4.0]}),
    ],
)
def test_lists_of_the_wrong_length_are_refused_by_the_chapter(three, notebook, given):
    with pytest.raises(InputError, match="values for 3 classes"):
        three.chapter(notebook, **given)


def test_some_pairs_alone_go_through_every_stage(some_pairs):
    manifest = some_pairs.manifest
    directions = Counter(zip(manifest["source_class"], manifest["target_class"], strict=True))
    assert directions == {(0, 2): 2, (2, 1): 2}
    learned = sorted(path.name for path in some_pairs.run.folder("tokens").glob("*.safetensors"))
    assert [name for name in learned if "-steps" not in name] == ["swimmer.safetensors", "wading bird.safetensors"]
    assert some_pairs.run.made("masks").counts["sources"] == 4
    assert some_pairs.run.made("retrained").counts["into class 0"] == 0


# ------------------------------------------------------------------------------------------------- the chapters

ROWS = {
    "01-data": [f"{kind} at {place}" for kind in KINDS for place in PLACES],
    "02-erm": [f"{kind}, ranked by" for kind in KINDS] + [f"probability of {kind}" for kind in KINDS],
    "03-tokens": [f"&lt;{kind}&gt;" for kind in KINDS],
    "04-masks": [f">{kind}</th>" for kind in KINDS],
    "05-generate": [f"{NAMES[i]} → {NAMES[j]}" for i, j in PAIRS] + [f"into {kind}" for kind in KINDS],
    "06-prune": [f"{NAMES[i]} → {NAMES[j]}" for i, j in PAIRS] + [f">{kind}</td>" for kind in KINDS],
    "07-retrain": [f">into {kind}</td>" for kind in KINDS] + ["γ = 0.5 for Songbird, 2 for wading bird, 3 for swimmer"],
    "08-results": [f"{kind} at {place}" for kind in KINDS for place in PLACES],
}
"""Chapter -> what its tables say of every class, direction or group."""


@pytest.mark.parametrize("notebook", [*CHAPTERS.values(), RESULTS])
def test_every_chapter_shows_all_classes(three, notebook):
    shown = three.chapter(notebook)
    assert [row for row in ROWS[notebook] if row not in shown.page] == []
    if notebook != RESULTS:
        assert "loaded, not made again" in shown.printed and "made now" not in shown.printed
    check_figures(notebook, shown, without={"fig-iou"})


@pytest.mark.parametrize("notebook", ["03-tokens", "05-generate", "06-prune", "08-results"])
def test_every_chapter_shows_some_pairs(some_pairs, notebook):
    shown = some_pairs.chapter(notebook, drawn=False)
    page = shown.page
    if notebook in ("05-generate", "06-prune"):
        assert "Songbird → swimmer" in page and "swimmer → wading bird" in page and "Songbird → wading" not in page
    assert "made now" not in page
    check_figures(notebook, shown, without={"fig-iou", "fig-path", "fig-pipeline"})
