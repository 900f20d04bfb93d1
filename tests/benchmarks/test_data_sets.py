"""The paper's datasets are read alike from every layout in use, with the groups and the splits of the paper."""

import numpy as np
import pandas as pd
import pytest
from data_standins import ODD_NAME, celeba_table, make_celeba, make_metashift, make_waterbirds

from dbb.benchmarks import celeba, metashift, waterbirds
from dbb.data.dataset import SPLITS
from dbb.errors import InputError

MODULES = (waterbirds, celeba, metashift)

# sorted(train_test_split(range(541), test_size=0.85, random_state=0)[0]) of scikit-learn 1.9.1
SCIKIT_LEARN_541 = [
    9,
    28,
    31,
    38,
    42,
    47,
    53,
    57,
    70,
    72,
    82,
    84,
    87,
    91,
    99,
    105,
    115,
    119,
    121,
    127,
    128,
    131,
    143,
    147,
    148,
    151,
    174,
    177,
    180,
    183,
    192,
    203,
    207,
    227,
    244,
    257,
    262,
    265,
    267,
    273,
    277,
    279,
    288,
    291,
    314,
    321,
    324,
    334,
    335,
    356,
    358,
    359,
    376,
    384,
    388,
    389,
    396,
    397,
    398,
    420,
    423,
    425,
    426,
    430,
    431,
    442,
    448,
    452,
    459,
    460,
    472,
    486,
    487,
    488,
    500,
    510,
    513,
    517,
    519,
    525,
    534,
]

# of the other class, when every seventh of 1,000 images is blond
FIRST_DRAWN = [12, 22, 27, 30, 33, 34, 46, 59]


def test_waterbirds_is_read_from_its_metadata(tmp_path):
    top = make_waterbirds(tmp_path)
    for split in SPLITS:
        images = waterbirds.list_split(tmp_path, split).image_set(2, "stretch")
        assert np.bincount(images.groups, minlength=4).tolist() == [3, 2, 1, 2]
        assert images.ids.tolist() == list(range(8))
    train = waterbirds.list_split(tmp_path, "train")
    assert train.paths[2] == top / "000.Bird" / ODD_NAME
    assert train.labels.tolist() == [0, 0, 0, 0, 0, 1, 1, 1] and train.attributes.tolist() == [0, 0, 0, 1, 1, 0, 1, 1]
    assert train.image_set(2, "stretch").pixels(range(8), 16).shape == (8, 3, 16, 16)


def test_metadata_of_another_kind_is_refused(tmp_path):
    path = make_waterbirds(tmp_path) / "metadata.csv"
    table = pd.read_csv(path)
    table.assign(place="land").to_csv(path, index=False)
    with pytest.raises(InputError, match=r"metadata\.csv, line 2: column 'place' holds 'land', which is none of 0, 1"):
        waterbirds.list_split(tmp_path, "train")
    table.drop(columns="y").to_csv(path, index=False)
    with pytest.raises(InputError, match=r"metadata\.csv has no column 'y'"):
        waterbirds.list_split(tmp_path, "train")
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"metadata\.csv cannot be read"):
        waterbirds.list_split(tmp_path, "train")


@pytest.mark.parametrize("layout", ["kaggle", "torchvision", "group_DRO", "DDB", "DaC"])
def test_celeba_is_the_same_in_every_layout(tmp_path, layout):
    table = celeba_table()
    make_celeba(tmp_path, layout, table.sample(frac=1, random_state=0))
    for split, code in {"train": 0, "val": 1, "test": 2}.items():
        natural = table[table["split"] == code]
        listing = celeba.list_split(tmp_path, split)
        assert [path.name for path in listing.paths] == natural["image_id"].tolist()
        assert listing.labels.tolist() == (natural["Blond_Hair"] == 1).astype(int).tolist()
        assert listing.attributes.tolist() == (natural["Male"] == 1).astype(int).tolist()
    train = celeba.balanced(celeba.list_split(tmp_path, "train"))
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert train.image_set(2, "centre").pixels([0, 15], 32).shape == (2, 3, 32, 32)


def test_tables_of_celeba_that_do_not_fit_together_are_refused(tmp_path):
    make_celeba(tmp_path, "kaggle", celeba_table(30))
    path = tmp_path / "list_eval_partition.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))
    with pytest.raises(InputError, match="do not list the same images"):
        celeba.list_split(tmp_path, "train")


def test_the_training_draw_has_all_blonds_and_as_many_others_and_never_changes():
    labels = (np.arange(1000) % 7 == 0).astype(np.int64)
    drawn = celeba.balanced_draw(labels)
    assert np.bincount(labels[drawn]).tolist() == [143, 143]
    assert set(np.flatnonzero(labels)) <= set(drawn)
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, celeba.balanced_draw(labels))
    others = drawn[labels[drawn] == 0]
    assert others[:8].tolist() == FIRST_DRAWN, "another draw than the one that earlier runs trained on"
    assert 400 < others.mean() < 600


def test_the_draw_from_the_paper_sized_split_is_of_the_paper_size():
    labels = np.repeat([0, 0, 1, 1], celeba.COUNTS["train"])
    assert len(celeba.balanced_draw(labels)) == 48534


def test_metashift_is_listed_by_group_and_name(tmp_path):
    top = make_metashift(tmp_path)
    (top / "train" / "cat" / "cat(bed)" / ".DS_Store").touch()
    train = metashift.list_split(tmp_path, "train")
    assert np.bincount(5 * train.labels + train.attributes, minlength=10).tolist() == [3, 2, 0, 0, 0, 0, 0, 1, 4, 0]
    names = [path.name for path in metashift.list_split(top, "train").paths]
    assert names[:5] == ["0000.jpg", "0001.jpg", "0002.jpg", "0000.jpg", "0001.jpg"]
    val, test = metashift.list_split(tmp_path, "val"), metashift.list_split(tmp_path, "test")
    shelves = sorted((top / "test").rglob("*.jpg"))
    # train_test_split(range(20), test_size=0.85, random_state=0)[0] of scikit-learn 1.9.1 is [0, 15, 12]
    assert val.paths == (shelves[0], shelves[12], shelves[15]) and val.labels.tolist() == [0, 1, 1]
    assert sorted(val.paths + test.paths) == shelves
    assert set(val.attributes) == set(test.attributes) == {4}


def test_the_validation_split_of_metashift_is_scikit_learns_and_has_the_papers_groups():
    positions = metashift.validation_positions(541)
    assert positions.tolist() == SCIKIT_LEARN_541
    cats = metashift.COUNTS["val"][4] + metashift.COUNTS["test"][4]
    assert ((positions < cats).sum(), (positions >= cats).sum()) == (34, 47)
    assert len(metashift.validation_positions(7)) == 1  # ceil(0.85 * 7) = 6 go to test


def test_a_missing_group_of_metashift_is_named(tmp_path):
    top = make_metashift(tmp_path, {"cat(sofa)": 1, "cat(bed)": 1, "dog(bench)": 1, "cat(shelf)": 2})
    with pytest.raises(InputError, match=r"dog\(bike\) is missing"):
        metashift.list_split(top, "train")


def test_counts_add_up_to_the_datasets_sizes():
    sums = {module.BENCHMARK.name: [sum(module.COUNTS[split]) for split in SPLITS] for module in MODULES}
    assert sums == {"waterbirds": [4795, 1199, 5794], "celeba": [162770, 19867, 19962], "metashift": [1123, 81, 460]}
    for module in MODULES:
        assert all(len(module.COUNTS[split]) == len(module.BENCHMARK.group_names) for split in SPLITS)
