"""The book's tables count what the manifest says, and its sentences follow the numbers."""

import numpy as np
import pandas as pd
import pytest

from dbb.report import tables
from dbb.stages.pruning import KEPT, LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION, decide

CLASSES = ("landbird", "waterbird")
GROUPS = ("a", "b", "c", "d")


@pytest.fixture
def manifest() -> pd.DataFrame:
    """Eight originals, four of each class; the fifth has no mask."""
    made = [True] * 4 + [False] + [True] * 3
    return decide(pd.DataFrame({
        "source_class": [0] * 4 + [1] * 4,
        "target_class": [1] * 4 + [0] * 4,
        "mask_found": made,
        "status": np.where(made, "generated", "no mask"),
        "psi": [0.1, 0.99, 0.2, 0.3, np.nan, 0.1, 0.2, 0.3],
        "Psi": [0.9] * 4 + [np.nan] + [0.9] * 3,
        "rho": [0.8, np.nan, 0.1, 0.9, np.nan, 0.7, 0.6, 0.05],
        "P": [0.2] * 4 + [np.nan] + [0.2] * 3,
    }))


# the seven generated rows:     kept  psi   rho    kept  kept  kept  rho
RIGHT = np.array([True, True, False, True, True, False, True])


def test_generated_and_pruned_are_counted_per_source_class(manifest):
    generation = tables.generation_table(manifest, CLASSES)
    assert generation.loc["waterbird"].to_dict() == {"planned": 4, "no mask": 1, "generated": 3}
    assert generation.loc["together", "generated"] == 7
    pruning = tables.pruning_table(manifest, CLASSES)
    assert pruning.loc["landbird"].to_dict() == {"generated": 4, LOOKS_LIKE_SOURCE: 1, LOW_ATTRIBUTION: 1, KEPT: 2,
                                                 "pruned": 2}
    assert pruning.loc["together", "pruned"] == 3


def test_directions_are_those_of_the_target(manifest):
    table = tables.direction_table(manifest, RIGHT, CLASSES)
    assert table.loc["into waterbird"].to_dict() == {"generated": 4, "right class": 0.75}
    assert table.loc["into landbird", "right class"] == pytest.approx(2 / 3)


def test_conditions_are_counted_over_the_images_they_were_asked_about(manifest):
    table = tables.condition_table(manifest, RIGHT)
    assert table.loc[tables.NO_PRUNING, ["images", "kept", "precision", "recall", "wrong pruned"]].tolist() == [
        7, 7, 5 / 7, 1.0, 0.0]
    assert table.loc[tables.SOFTMAX, ["images", "kept"]].tolist() == [7, 6]
    assert table.loc[tables.SOFTMAX, "recall"] == 4 / 5
    assert table.loc[tables.ATTRIBUTION, ["images", "kept", "precision", "recall", "wrong pruned"]].tolist() == [
        6, 4, 3 / 4, 3 / 4, 1 / 2]
    assert table.loc[tables.BOTH, ["precision", "recall", "wrong pruned"]].tolist() == [3 / 4, 3 / 5, 1 / 2]


def test_funnel_narrows_and_knows_what_is_right(manifest):
    steps = tables.funnel(manifest, RIGHT)
    landbirds = steps[steps["target_class"] == 0].set_index("step")
    assert landbirds["images"].tolist() == [4, 3, 3, 3, 2]
    assert landbirds["right"].isna().tolist() == [True, True, False, False, False]
    assert landbirds.loc["kept", "right"] == 0.5
    assert tables.funnel(manifest)["right"].isna().all()


def test_nothing_generated_gives_zeros_and_no_error(manifest):
    empty = decide(manifest.assign(status="no mask", mask_found=False))
    none = np.zeros(0, bool)
    assert tables.pruning_table(empty, CLASSES)["generated"].tolist() == [0, 0, 0]
    assert tables.condition_table(empty, none)["images"].tolist() == [0, 0, 0, 0]
    assert tables.direction_table(empty, none, CLASSES)["generated"].tolist() == [0, 0, 0]
    assert "0 were kept" in tables.describe_pruning(tables.funnel(empty, none))


def metrics(*accuracies: float | None) -> dict:
    known = [a for a in accuracies if a is not None]
    return {"group_accuracy": accuracies, "worst_group": min(known), "average": float(np.mean(known)),
            "weighted_average": 0.9}


def test_change_is_in_points_and_a_group_without_images_is_left_out():
    table = tables.accuracy_table({"ERM": metrics(0.9, 0.5, None, 0.8), "DBB": metrics(0.9, 0.75, None, 0.7)}, GROUPS)
    assert table["change"].iloc[:3].round(6).tolist() == [0, 25, -10]
    assert list(table.index[:3]) == ["a", "b", "d"]
    assert table.loc["worst group", ["ERM", "DBB"]].tolist() == [0.5, 0.7]
    assert "nan" not in tables.styled(table, {"ERM": tables.SHARE, "change": tables.POINTS}).to_html()


@pytest.mark.parametrize(("after", "words"), [
    ((0.9, 0.7, 0.9, 0.9), ("**rose by 20.0 points**", "still *b*", "rose by 5.0 points")),
    ((0.9, 0.9, 0.4, 0.9), ("**fell by 10.0 points**", "now *c*", "fell by 2.5 points")),
    ((0.9, 0.5, 0.9, 0.9), ("**did not move**", "still *b*", "all images did not move")),
])
def test_the_sentence_follows_the_numbers(after, words):
    sentence = tables.describe_change(metrics(0.9, 0.5, 0.9, 0.9), metrics(*after), GROUPS)
    assert all(word in sentence for word in words), sentence


def test_pruning_is_described_with_and_without_a_truth(manifest):
    text = tables.describe_pruning(tables.funnel(manifest, RIGHT))
    assert "7 generated images, 4 were kept" in text and "71.4%" in text and "75.0%" in text
    assert "not known" in tables.describe_pruning(tables.funnel(manifest))


def test_durations_add_up():
    table = tables.duration_table([{"stage": "erm", "wall_s": 30.0}, {"stage": "masks", "wall_s": 10.0}])
    assert table["seconds"].tolist() == [30, 10, 40] and table["share"].tolist() == [0.75, 0.25, 1]


def test_a_token_is_not_taken_for_markup():
    assert "&lt;landbird&gt;" in tables.styled(pd.DataFrame({"prompt": ["a <landbird>"]})).to_html()
