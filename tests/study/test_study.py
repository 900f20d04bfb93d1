"""The study: its arms train on what they say, its records are made once, its statistics are the textbook's."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standins import make_inpainting

from dbb.benchmarks import MINI_WATERBIRDS
from dbb.benchmarks.splits import make_data
from dbb.errors import InputError
from dbb.stages.inversion import held_out_loss
from dbb.models.inpainting import load_inpainting
from dbb.models.oracle import load_oracle
from dbb.study import summary
from dbb.study.arms import ARMS, SET_SIZES, Arm
from dbb.study.choices import RATES, VECTORS, inversion_choices
from dbb.study.collect import collect, read_study
from dbb.study.curves import condition_shares, curve, precision_recall
from dbb.study.figures import (
    arms_figure,
    choices_figure,
    completeness_figure,
    convergence_figure,
    selection_figure,
    threshold_figure,
)
from dbb.study.pictures import autoencoded, blurred, joined, make, prompts, rendered, true_masks
from dbb.study.products import Products
from dbb.study.run import products_of, run_arm, run_seed
from dbb.study.scores import kept, scored
from dbb.study.tokens import unseen_images

TINY = replace(
    MINI_WATERBIRDS,
    erm=replace(MINI_WATERBIRDS.erm, epochs=1),
    inversion=replace(MINI_WATERBIRDS.inversion, images=4, steps=2, batch_size=2),
    generation=replace(MINI_WATERBIRDS.generation, per_class=(6, 4), steps=2),
    retraining=replace(MINI_WATERBIRDS.retraining, epochs=1),
)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Seed 1 of a tiny study, all of whose arms were run."""
    runs = tmp_path_factory.mktemp("runs")
    made = products_of(TINY, 1, runs, make_data(TINY, runs, {"train": 160, "val": 200, "test": 64}))
    run_seed(made, more=False, closely=True, report=lambda _: None)
    return made


def record(products, arm):
    return json.loads((products.folder / "arms" / f"{arm}.json").read_text())


# ------------------------------------------------------------------------------------------------ running


def test_every_arm_leaves_a_record_and_none_is_made_twice(products):
    paths = sorted((products.folder / "arms").glob("*.json"))
    assert {path.stem for path in paths} == set(ARMS)
    before = {path: path.stat().st_mtime_ns for path in paths}
    said = []
    run_seed(products, more=False, closely=True, report=said.append)
    assert {path: path.stat().st_mtime_ns for path in paths} == before and not said


def test_an_arm_that_is_run_again_gives_the_same_record(products):
    path = products.folder / "arms" / "method.json"
    before = json.loads(path.read_text())
    path.unlink()
    again = products_of(TINY, 1, products.folder.parents[2],
                        {"train": products.train, "val": products.val, "test": products.test})
    run_seed(again, more=False, closely=False, report=lambda _: None)
    assert {k: v for k, v in json.loads(path.read_text()).items() if k != "seconds"} == {
        k: v for k, v in before.items() if k != "seconds"}


def test_arms_train_on_what_their_conditions_keep(products):
    everything = record(products, "no-pruning")
    assert everything["kept"] == everything["generated"] == {"into class 0": 4, "into class 1": 6}
    both, psi, rho = (record(products, name) for name in ("method", "psi-only", "rho-only"))
    for label in ("into class 0", "into class 1"):
        assert both["kept"][label] <= psi["kept"][label] <= everything["kept"][label]
        assert rho["kept"][label] <= everything["kept"][label]
    assert "kept" not in record(products, "longer")


def test_without_pictures_the_weights_of_eq_8_mean_nothing(products):
    one, two = (run_arm(products, Arm("", None, weight=weight)) for weight in (0.0, 1.0))
    assert one["test"] == two["test"]


def test_another_setting_or_other_data_is_another_folder(products, tmp_path):
    splits = {"train": products.train, "val": products.val, "test": products.test}
    other = replace(TINY, pruning=replace(TINY.pruning, quantile=0.3))
    fewer = splits | {"val": products.val.subset(range(10))}
    folders = {products_of(*what).folder for what in (
        (TINY, 1, tmp_path, splits), (other, 1, tmp_path, splits), (TINY, 1, tmp_path, fewer))}
    assert len(folders) == 3


# ------------------------------------------------------------------------------------------------ pictures


def test_every_set_keeps_the_scene_outside_its_masks(products):
    originals = products.sources.pixels(range(len(products.sources)), 64)
    for name in ("tokens", "class word", "erased", "blurred", "true masks"):
        pictures = make(products, name)
        drawn = pictures.images.pixels(range(len(originals)), 64)
        outside = ~torch.from_numpy(pictures.masks)[:, None].expand_as(drawn)
        assert torch.equal(drawn[outside], originals[outside]), name
        assert (drawn != originals).flatten(1).any(1).all(), name
        assert (pictures.images.labels == 1 - products.sources.labels).all()


def test_the_renderer_draws_the_other_class_into_the_same_scene(products):
    drawn, originals = rendered(products.sources, 1), products.sources.pixels(range(len(products.sources)), 64)
    verdict = load_oracle(TINY).judge(drawn)
    assert np.mean(verdict.classes == 1 - products.sources.labels) >= 0.9
    assert (drawn == originals).float().mean() > 0.6


def test_autoencoded_originals_keep_label_and_scene(products):
    images = autoencoded(products)
    assert (images.labels == products.sources.labels).all()
    difference = (images.pixels(range(len(images)), 64).int()
                  - products.sources.pixels(range(len(images)), 64).int()).abs().float()
    outside = ~products.masks.padded(products.sources.ids)[:, None].expand_as(difference)
    assert difference[outside].max() == 0 and 0 < difference[~outside].mean() < 20


def test_blurring_leaves_a_plain_area_alone_and_hides_a_detail():
    plain = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, 20:44, 20:44] = True
    assert torch.equal(blurred(plain, mask), plain)
    dotted = plain.clone()
    dotted[:, :, 32, 32] = 255
    assert (blurred(dotted, mask).int() - 90).abs().max() <= 2


def test_true_masks_are_boxes_around_the_silhouettes(products):
    table, truth = true_masks(products), products.train.truth["mask"][products.sources.ids]
    assert (table.raw(products.sources.ids).numpy() == truth).all()
    padded = table.padded(products.sources.ids).numpy()
    pad = TINY.masks.pad
    for box, silhouette in zip(padded, truth, strict=True):
        rows, columns = (np.flatnonzero(silhouette.any(axis)) for axis in (1, 0))
        expected = np.zeros_like(box)
        expected[max(0, rows[0] - pad):rows[-1] + pad + 1, max(0, columns[0] - pad):columns[-1] + pad + 1] = True
        assert (box == expected).all()


def test_prompts_say_what_the_sets_mean(products):
    assert set(prompts(products, "class word")) == {"a photo of a bird"}
    assert all(prompt.startswith("a photo of an empty ") for prompt in prompts(products, "erased"))
    tokens = [f"a photo of a {TINY.placeholder_token(1 - label)} bird" for label in products.sources.labels]
    assert prompts(products, "tokens") == tokens


def test_an_unknown_set_is_refused(products):
    with pytest.raises(InputError, match="unknown set"):
        make(products, "painted by hand")


def test_joined_sets_keep_labels_groups_and_pixels(products):
    both = joined(products.val, products.test, 64)
    assert (both.groups == np.concatenate([products.val.groups, products.test.groups])).all()
    last = len(products.test) - 1
    assert torch.equal(both.pixels([len(both) - 1], 64), products.test.pixels([last], 64))


# ------------------------------------------------------------------------------------------------ scores


def test_scores_of_composited_pictures_are_complete(products):
    table = pd.read_parquet(products.folder / "compositing.parquet")
    gap = (table["rho"] - table["change"]).abs().groupby([table["on"], table["composited"]]).max()
    assert gap["logit", True] < 0.05 and gap["probability", True] < 0.05


def test_kept_agrees_with_the_paper_s_formula(products):
    scores = scored(products, "class word")
    for label in (0, 1):
        scores.loc[scores["target_class"] == label, "rho"] = np.linspace(0, 1, (scores["target_class"] == label).sum())
    passed = scores["psi"] < scores["Psi"]
    assert (kept(scores, ("psi",), 0.5) == passed).all()
    for label in (0, 1):
        here = scores["target_class"] == label
        bound = np.quantile(scores.loc[here, "rho"], 0.5)
        assert (kept(scores, ("rho",), 0.5)[here] == (scores.loc[here, "rho"] > bound)).all()
    assert kept(scores, (), 0.5).all()


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_precision_and_recall_count(pairs):
    keep, right = map(np.array, zip(*pairs, strict=True))
    precision, recall = precision_recall(keep, right)
    hits = sum(k and r for k, r in pairs)
    assert np.isnan(precision) if not keep.any() else precision == hits / sum(keep)
    assert np.isnan(recall) if not right.any() else recall == hits / sum(right)


def some_scores():
    rng = np.random.default_rng(0)
    psi = rng.random(60)
    return pd.DataFrame({"seed": np.repeat([1, 2], 30), "status": "generated", "source_class": np.tile([0, 1], 30),
                         "target_class": np.tile([1, 0], 30), "right": rng.random(60) < 0.7, "psi": psi,
                         "Psi": 0.9, "rho": 1 - psi})


def test_recall_falls_as_the_bound_tightens():
    bounds = np.linspace(0, 1, 21)
    assert (np.diff(curve(some_scores(), "psi", bounds)[1]) >= 0).all()
    assert (np.diff(curve(some_scores(), "rho", bounds)[1]) <= 0).all()
    shares = condition_shares(some_scores(), 0.25)
    assert shares.loc["no pruning", "kept"] == shares.loc["no pruning", "recall"] == 1
    assert shares.loc["both", "kept"] < shares.loc["eq. 3", "kept"]


# ------------------------------------------------------------------------------------------------ statistics


def test_the_interval_is_student_s():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    half = 2.7764451 * np.sqrt(2.5 / 5)  # the 0.975 quantile of t with 4 degrees of freedom
    found = summary.interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3 - half, 3 + half))
    assert found.excludes_zero and str(found) == "3.0 [1.0, 5.0]"
    assert np.isnan(summary.interval([4.0]).low) and not summary.interval([4.0]).excludes_zero
    assert not summary.interval([-1.0, 1.0]).excludes_zero


def some_arms():
    rows = []
    for seed in (1, 2, 3):
        for arm, worst in (("erm", 0.6), ("method", 0.8 + 0.01 * seed), *((f"size-{n}", 0.7) for n in SET_SIZES),
                           ("no-inversion", 0.65)):
            rows.append({"seed": seed, "arm": arm, "worst_group": worst + 0.02 * seed, "average": 0.9,
                         "weighted_average": 0.95, "right": 0.9, "group_0": 1.0, "group_1": worst,
                         "generated_into_class_0": 10, "generated_into_class_1": 20, "kept_into_class_0": 9,
                         "kept_into_class_1": 15})
    return pd.DataFrame(rows)


def test_differences_are_paired_by_seed():
    difference = summary.paired(some_arms(), "method", "erm")
    assert difference.mean == pytest.approx(22.0)
    assert difference.high - difference.mean == pytest.approx(4.3026527 * 1.0 / np.sqrt(3))
    table = summary.differences_table(some_arms(), "method", {"erm": "ERM"})
    assert table.loc["ERM", "without 0"] == "yes"
    effect = summary.effect_table(some_arms(), {"erm": "ERM", "method": "the method"}, "erm")
    assert effect.loc["ERM", "worst group less ERM's"] == "–" and effect.loc["the method", "seeds"] == 3
    groups = summary.group_table(some_arms(), {"erm": "ERM"}, ("a", "b"))
    assert groups.loc["ERM"].tolist() == pytest.approx([3, 100.0, 60.0])


def test_table_5_takes_the_seeds_that_ran_all_sizes():
    arms = some_arms()
    arms = arms[~((arms["seed"] == 3) & (arms["arm"] == "size-40"))]
    table = summary.size_table(arms, 30)
    assert table["size"].tolist() == [f"inversion set of {n}" for n in (0, 10, 20, 30, 40)]
    assert set(table["seeds"]) == {2} and set(table["pruned"]) == {6}


# ------------------------------------------------------------------------------------------------ choices


def test_choices_begin_with_the_initial_word_once_per_vector(products, tmp_path, monkeypatch):
    monkeypatch.setattr("dbb.stages.inversion.HELD_OUT_TIMES", 1)
    bm = replace(TINY, inpainting=str(make_inpainting(tmp_path)))
    splits = {"train": products.train, "val": products.val, "test": products.test}
    table = inversion_choices(Products(bm, products.seed, products.folder, splits))
    own = bm.inversion.learning_rate
    tried = [*((rate, 1) for rate in RATES), *((own, vectors) for vectors in VECTORS)]
    assert table.groupby(["class", "learning_rate", "vectors"])["step"].apply(list).to_dict() == {
        (name, *setting): [0, 1, 2] for name in bm.classes for setting in tried}
    pipe = load_inpainting(bm.inpainting)
    for (name, vectors), rows in table[table["step"] == 0].groupby(["class", "vectors"]):
        words = [template.format(" ".join(["bird"] * vectors)) for template in bm.templates]
        expected = held_out_loss(pipe, *unseen_images(products, bm.classes.index(name)), words, products.seed)
        assert rows["unseen_loss"].tolist() == pytest.approx([expected] * len(rows), rel=1e-6)


def test_the_figure_of_the_choices_parts_rates_and_vectors():
    table = pd.DataFrame([{"class": name, "learning_rate": rate, "vectors": vectors, "step": step,
                           "unseen_loss": rate + vectors + step}
                          for name in "ab" for rate, vectors in ((0.1, 1), (0.3, 1), (0.3, 2)) for step in (0, 5)])
    figure = choices_figure(table)
    drawn = {axes.get_title(): {line.get_label(): (line.get_ydata().tolist(), line.get_color()) for line in axes.lines}
             for axes in figure.axes}
    assert list(drawn) == ["a, one vector", "a, rate 0.3", "b, one vector", "b, rate 0.3"]
    left, right = drawn["a, one vector"], drawn["a, rate 0.3"]
    assert {label: values for label, (values, _) in left.items()} == {"rate 0.1": [1.1, 6.1], "rate 0.3": [1.3, 6.3]}
    assert {label: values for label, (values, _) in right.items()} == {"vectors: 1": [1.3, 6.3],
                                                                       "vectors: 2": [2.3, 7.3]}
    assert left["rate 0.3"] == right["vectors: 1"] and right["vectors: 2"][1] not in [c for _, c in left.values()]


# ------------------------------------------------------------------------------------------------ results


def test_results_are_collected_and_drawn(products, tmp_path):
    folder = collect([products], tmp_path)
    assert read_study(tmp_path, TINY.name)["seeds"] == [1]
    arms = pd.read_csv(folder / "arms.csv")
    assert set(arms["arm"]) == {"erm", *ARMS} and arms["worst_group"].between(0, 1).all()
    samples = np.load(folder / "samples.npz")
    assert samples["original"].shape == samples["tokens"].shape == (10, 3, 64, 64)
    inversion = pd.read_csv(folder / "inversion.csv")
    assert summary.inversion_table(inversion)["seeds"].tolist() == [1, 1]
    low = pd.read_csv(folder / "low-loss.csv")
    assert (low["majority"] + low["minority"] == low["k"]).all()
    whole = low[low["k"] == low.groupby("label")["k"].transform("max")]
    counts = products.train_counts
    assert sorted(whole["minority"].unique()) == sorted([counts[1], counts[2]])
    convergence = pd.read_csv(folder / "convergence.csv")
    bounds = np.linspace(0, 1, 5)
    panel = ("t", "x", bounds, *curve(some_scores(), "rho", bounds))
    for figure in (arms_figure(arms, {"erm": "ERM", "method": "m"}, "erm", "method"), threshold_figure([panel] * 3, 3),
                   completeness_figure([("t", bounds, bounds)] * 2), convergence_figure(convergence),
                   selection_figure(low, TINY.classes)):
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_unfinished_seeds_are_not_collected(products, tmp_path):
    path = products.folder / "arms" / "renderer.json"
    kept_text = path.read_text()
    path.unlink()
    with pytest.raises(InputError, match=r"renderer\.json"):
        collect([products], tmp_path)
    path.write_text(kept_text)


def test_without_a_complete_seed_table_5_is_empty():
    arms = some_arms()
    assert len(summary.size_table(arms[arms["arm"] != "size-10"], 30)) == 0
    assert "size-10" not in summary.titles_of(arms[arms["arm"] != "size-10"], "erm", "size-10")


def test_missing_results_are_named(tmp_path):
    with pytest.raises(InputError, match=r"study\.json"):
        read_study(tmp_path, "mini-waterbirds")
