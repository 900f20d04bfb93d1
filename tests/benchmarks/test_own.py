"""A user's own dataset file: what it says holds, what it does not say is inherited, what is wrong is named by key."""

from dataclasses import replace

import numpy as np
import pytest
from data_standins import OWN, make_own, own_table, save

from dbb.benchmarks import HIGH_LOSS, get_benchmark
from dbb.benchmarks.own_settings import KINDS, PER_CLASS, SECTIONS
from dbb.benchmarks.splits import load_split, make_splits, split_digest
from dbb.data import __main__
from dbb.data.dataset import SPLITS
from dbb.errors import InputError
from dbb.models.inpainting import SAMPLERS

MINI = get_benchmark("mini-waterbirds")


def own(folder, settings="", **options):
    return get_benchmark(str(make_own(folder, settings, **options)))


def refused(folder, settings="", **options):
    """The message with which the dataset is refused, which names its file."""
    path = make_own(folder, settings, **options)
    with pytest.raises(InputError) as raised:
        get_benchmark(str(path))
    assert str(path) in str(raised.value)
    return str(raised.value)


# ------------------------------------------------------------------------------------------------- what it says


def test_what_the_file_does_not_say_is_the_extended_benchmarks(tmp_path):
    bm = own(tmp_path)
    assert bm.name == bm.title == "own" and bm.classes == ("cat", "dog") and bm.attributes == ("day", "night")
    assert (bm.erm, bm.masks, bm.generation, bm.pruning, bm.retraining) == (
        MINI.erm,
        MINI.masks,
        MINI.generation,
        MINI.pruning,
        MINI.retraining,
    )
    assert (bm.classifier, bm.inpainting, bm.segmenter) == (MINI.classifier, MINI.inpainting, MINI.segmenter)
    assert bm.input_format == MINI.input_format and bm.generation_size == 64
    assert bm.group_names[1] == "cat on night"


def test_prompts_tokens_and_masks_start_from_the_class_word(tmp_path):
    bm = own(tmp_path)
    assert bm.templates[0] == "a photo of a {} animal" and bm.mask_prompt == "animal"
    assert bm.inversion == replace(MINI.inversion, initial_word="animal")
    bm = own(tmp_path, 'prompts: ["one {} beast"]\nmask_prompt: fur\ninversion: {initial_word: pet}')
    assert bm.templates == ("one {} beast",) and bm.mask_prompt == "fur" and bm.inversion.initial_word == "pet"
    assert own(tmp_path, "class_word: -").templates == MINI.templates


def test_what_the_file_says_holds(tmp_path):
    bm = own(
        tmp_path,
        'name: pets\ntitle: My pets\ngroup_format: "{} by {}"\ngeneration_size: 128\n'
        "input: {size: 48, margin: 4}\nmodels: {classifier: some/resnet, segmenter: lang-sam}\n"
        "erm: {epochs: 3, learning_rate: 1e-2, optimiser: sgd}\nmasks: {box: false, pad: 0}\n"
        "generation: {per_class: [7, 8], pairs: [[dog, cat]]}\n"
        "pruning: {thresholds: [0.5, null], on: logit}\nretraining: {gammas: 2}",
    )
    assert (bm.name, bm.title, bm.group_names[0], bm.generation_size) == ("pets", "My pets", "cat by day", 128)
    assert (bm.image_size, bm.read_size) == (48, 52)
    assert bm.classifier == "some/resnet" and bm.segmenter == "lang-sam" and bm.inpainting == MINI.inpainting
    assert bm.erm == replace(MINI.erm, epochs=3, learning_rate=0.01, optimiser="sgd")
    assert bm.masks == replace(MINI.masks, box=False, pad=0)
    assert bm.generation.per_class == (7, 8) and bm.pairs == ((1, 0),)
    assert bm.pruning.thresholds == (0.5, None) and bm.pruning.on == "logit"
    assert bm.retraining.gammas == (2.0, 2.0)


def test_a_file_may_stand_alone(tmp_path):
    settings = (
        'extends: -\nclass_word: animal\ngroup_format: "{} {}"\n'
        "models: {classifier: a, inpainting: b, segmenter: c}\ninput: {size: 64}\ngeneration_size: 64\n"
        "erm: {epochs: 1, batch_size: 2, learning_rate: 0.1, weight_decay: 0}\n"
        "inversion: {images: 1, steps: 1, batch_size: 1, learning_rate: 1, initial_word: a}\n"
        "masks: {threshold: 0.5, pad: 1, box: true, min_area: 0}\n"
        "generation: {per_class: 3, steps: 1, guidance_scale: 1, batch_size: 1}\n"
        "pruning: {quantile: 0.1, on: logit, steps: 2}\n"
    )
    bm = own(tmp_path, settings + "retraining: {epochs: 1, batch_size: 2, learning_rate: 0.1, weight_decay: 0}")
    assert bm.erm.optimiser == "adamw" and bm.generation.per_class == (3, 3)
    assert bm.pruning.thresholds == (None, None) and bm.retraining.gammas == (1.0, 1.0)
    assert "retraining.epochs is missing: add it, or say with `extends`" in refused(tmp_path, settings)


def test_another_number_of_classes_needs_k_and_takes_neutral_p_and_gamma(tmp_path):
    message = refused(tmp_path, "classes: [cat, dog, cow]")
    assert "generation.per_class must be given for these 3 classes: one number" in message
    bm = own(tmp_path, "classes: [cat, dog, cow]\ngeneration: {per_class: [1, 2, 3]}")
    assert bm.generation.per_class == (1, 2, 3) and len(bm.pairs) == 6
    assert bm.pruning.thresholds == (None,) * 3 and bm.retraining.gammas == (1.0,) * 3
    assert bm.erm == MINI.erm


def test_the_oracle_is_inherited_by_the_same_classes_only(tmp_path):
    assert own(tmp_path).oracle is None
    same = own(tmp_path, "classes: [landbird, waterbird]\nattributes: [land, water]", table=own_table().iloc[:0])
    assert same.oracle == MINI.oracle and same.oracle_labels == MINI.oracle_labels
    bm = own(tmp_path, "models: {oracle: data/mini/oracle, oracle_labels: [[robin], [duck, goose]]}")
    assert bm.oracle_labels == (("robin",), ("duck", "goose"))
    assert "oracle_labels has 0 values for 2 classes" in refused(tmp_path, "models: {oracle: data/mini/oracle}")


def test_without_attributes_minority_images_come_from_high_loss(tmp_path):
    for value in ("-", "null", "[]"):
        bm = own(tmp_path, f"attributes: {value}")
        assert bm.attributes == ("",) and bm.group_names == ("cat", "dog") and not bm.has_groups
        assert bm.inversion.source == HIGH_LOSS and bm.group_format == "{}"
    images = load_split(bm, "train", tmp_path / "data")
    assert images.n_attributes == 1 and images.attributes.tolist() == [0] * 8
    assert "needs attributes" in refused(tmp_path, "attributes: []\ninversion: {source: validation minority}")


def test_classes_and_attributes_of_the_extended_benchmark_hold_together(tmp_path):
    table = own_table().replace({"cat": "landbird", "dog": "waterbird", "day": "land", "night": "water"})
    bm = own(tmp_path, "classes: -\nattributes: -", table=table)
    assert bm.classes == MINI.classes and bm.attributes == MINI.attributes
    assert np.bincount(load_split(bm, "train", tmp_path / "data").groups).tolist() == list(OWN["train"])


# ------------------------------------------------------------------------------------------------- its pictures


def counts(bm, folder):
    return {split: np.bincount(load_split(bm, split, folder).groups, minlength=4).tolist() for split in SPLITS}


def test_splits_are_made_loaded_and_digested(tmp_path):
    bm = own(tmp_path)
    make_splits(bm, tmp_path / "data", {})
    assert counts(bm, tmp_path / "data") == {split: list(groups) for split, groups in OWN.items()}
    train = load_split(bm, "train", tmp_path / "data")
    assert train.pixels([0, 7], 64).shape == (2, 3, 64, 64) and len(split_digest(bm, train)) == 64


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_of_other_names_kinds_and_codes(tmp_path, ending):
    table = own_table().replace({"cat": -1, "dog": 1, "day": 0, "night": 1, "train": 0, "val": 1, "test": 2})
    table = table.set_axis(["img", "y", "a", "part"], axis=1).assign(path="no file")
    make_own(tmp_path)
    table.to_csv(tmp_path / "t.csv") if ending == "csv" else table.to_parquet(tmp_path / "t.parquet")
    data = (
        f"  pictures: pictures\n  table: t.{ending}\n  fit: centre\n"
        "  columns: {path: img, label: y, attribute: a, split: part}\n"
    )
    bm = own(tmp_path, "classes: {-1: cat, 1: dog}", data=data)
    assert bm.data.fit == "centre" and counts(bm, tmp_path / "data") == {s: list(g) for s, g in OWN.items()}


def test_a_tree_of_folders_needs_no_table(tmp_path):
    for row in own_table().itertuples():
        save(tmp_path / "tree" / row.split / row.label / row.attribute / row.path, seed=row.Index)
    bm = own(tmp_path, data="  pictures: tree\n")
    assert counts(bm, tmp_path / "data") == {split: list(groups) for split, groups in OWN.items()}


def test_paths_are_seen_from_the_file_and_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    bm = own(tmp_path / "sub", data="  pictures: ../sub/pictures\n  table: ~/sub/table.csv\n")
    assert len(load_split(bm, "val", tmp_path / "data")) == 4


def test_a_model_folder_may_lie_beside_the_file(tmp_path):
    (tmp_path / "nets" / "mine").mkdir(parents=True)
    bm = own(tmp_path, "models: {classifier: nets/mine, segmenter: data/mini/segmenter}")
    assert bm.classifier == str(tmp_path / "nets" / "mine") and bm.segmenter == "data/mini/segmenter"


def test_the_path_is_seen_from_the_project_or_the_working_directory(tmp_path, monkeypatch):
    make_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert get_benchmark("own.yml").name == "own"
    assert get_benchmark("data/example/example.yml").name == "example"
    with pytest.raises(InputError, match=r"gone\.yml is missing: give the path of your dataset's file"):
        get_benchmark("gone.yml")


def test_models_given_on_the_command_line_go_first(tmp_path):
    path = make_own(tmp_path, "models: {classifier: some/resnet}")
    assert get_benchmark(str(path), classifier="other").classifier == "other"


# ------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("clases: [a, b]", "clases is no key that is known here: did you mean 'classes'?"),
        ("on: 1", "on is no key that is known here: choose from name, title"),
        ("erm: {epoch: 3}", "erm.epoch is no key that is known here: did you mean 'epochs'?"),
        ("models: {clasifier: x}", "models.clasifier is no key that is known here: did you mean 'classifier'?"),
        ("input: {mean: 3}", "input.mean is no key"),
        ("extends: watrbirds", "extends must be one of celeba, metashift"),
        ("name: ../evil", "name '../evil' is no name for a folder"),
        ("name: waterbirds", "name 'waterbirds' is a benchmark of the project's own"),
        ("name: 7", "name must be a text (put it in quotes"),
        ("title: ''", "title must be a text that is not blank"),
        ("classes: cat", "classes must be a list of one or more, but is 'cat'"),
        ("classes: [cat]", "classes must name two or more"),
        ("classes: [cat, cat]", "classes must be a list of names, each once"),
        ("classes: [cat, Cat]", "differ by more than capital letters"),
        ("classes: [1, 2]", "classes must be a text (put it in quotes"),
        ("classes: [true, false]", "classes must be a text (put it in quotes"),
        ("classes: ['<b>', dog]", "classes must be names of up to 60 letters"),
        ("classes: [a/b, dog]", "classes must be names of up to 60 letters"),
        ("classes: {true: cat, 1: dog}", "classes must be a mapping from what the table says, in quotes"),
        ("attributes: [day]", "attributes must name two or more, or be null"),
        ("group_format: on", "group_format 'on' must have {} twice"),
        ("group_format: '{} {} {}'", "must have {} twice"),
        ("group_format: '{'", "must have {} twice"),
        ("prompts: a {} bird", "prompts must be a list of one or more"),
        ("prompts: ['a bird']", "needs one {}"),
        ("generation_size: 100", "generation_size must be a multiple of 8"),
        ("generation_size: 64.0", "generation_size must be a whole number, but is 64.0"),
        ("input: {size: 4}", "input.size must be from 8 on, but is 4"),
        ("input: 64", "input must hold keys of its own, indented below it, but is 64"),
        ("erm: {epochs: true}", "erm.epochs must be a whole number, but is True"),
        ("erm: {epochs: 0}", "erm.epochs must be from 1 on, but is 0"),
        ("erm: {epochs: '8'}", "erm.epochs must be a whole number, but is '8'"),
        ("erm: {learning_rate: 0}", "erm.learning_rate must be above 0, but is 0"),
        ("erm: {learning_rate: .nan}", "erm.learning_rate must be a number, but is nan"),
        ("erm: {learning_rate: fast}", "erm.learning_rate must be a number, but is 'fast'"),
        ("erm: {weight_decay: true}", "erm.weight_decay must be a number, but is True"),
        ("erm: {optimiser: Adam}", "erm.optimiser must be one of adamw, adam, sgd, but is 'Adam'"),
        ("erm: {augmentation: null}", "erm.augmentation must be one of none, flip, crop"),
        ("inversion: {source: loss}", "inversion.source must be one of validation minority, high loss"),
        ("masks: {box: 1}", "masks.box must be true or false, but is 1"),
        ("masks: {threshold: 2}", "masks.threshold must be from 0 to 1, but is 2"),
        ("masks: {pad: -1}", "masks.pad must be from 0 on, but is -1"),
        ("generation: {per_class: [1, 2, 3]}", "generation.per_class must be one value, or a list with one for each"),
        ("generation: {per_class: [1, 0]}", "generation.per_class must be from 1 on"),
        ("generation: {pairs: [[cat, cow]]}", "generation.pairs must be null, for all of them, or a list of pairs"),
        ("generation: {pairs: [[cat, cat]]}", "generation.pairs must be null"),
        ("generation: {pairs: []}", "generation.pairs must be null"),
        ("generation: {sampler: ddim}", "generation.sampler must be one of dpm-solver++, the model's own"),
        ("pruning: {thresholds: [high, low]}", "pruning.thresholds must be a number"),
        ("pruning: {'on': Probability}", "pruning.on must be one of probability, logit"),
        ("retraining: {gammas: -1}", "retraining.gammas must be from 0 on"),
        ("models: {oracle_labels: [[robin]]}", "models.oracle_labels must be one value, or a list with one for each"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_remedy(tmp_path, settings, message):
    assert message in refused(tmp_path, settings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("  table: table.csv\n", "data.pictures is missing: add it"),
        ("  pictures: gone\n", "data.pictures: there is no folder"),
        ("  pictures: pictures\n  table: gone.csv\n", "data.table: there is no file"),
        ("  pictures: pictures\n  folder: x\n", "data.folder is no key"),
        ("  pictures: pictures\n  columns: {label: y}\n", "data.table is missing, but its columns are named"),
        ("  pictures: pictures\n  table: table.csv\n  columns: {labl: y}\n", "did you mean 'label'?"),
        ("  pictures: pictures\n  table: table.csv\n  fit: crop\n", "data.fit must be one of stretch, centre"),
        ("  pictures: [a, b]\n", "data.pictures must be a text"),
    ],
)
def test_missing_pictures_and_tables_are_named(tmp_path, data, message):
    assert message in refused(tmp_path, data=data)


def test_a_column_of_attributes_without_attributes_is_refused(tmp_path):
    data = "  pictures: pictures\n  table: table.csv\n  columns: {attribute: time}\n"
    assert "data.columns.attribute names a column" in refused(tmp_path, "attributes: null", data=data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold lines `key: value`"),
        ("- a\n", "must hold lines `key: value`"),
        ("a: [1\n", "is not right as YAML"),
        ("title: a\ntitle: b\n", "the key 'title' is there twice"),
        ("title: !!python/object/apply:os.system ['true']\n", "is not right as YAML"),
    ],
)
def test_a_file_that_is_not_right_as_yaml_is_refused(tmp_path, text, message):
    (tmp_path / "own.yml").write_text(text)
    with pytest.raises(InputError, match=r"own\.yml") as raised:
        get_benchmark(str(tmp_path / "own.yml"))
    assert message in str(raised.value)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "own.yml").write_bytes("title: Vögel\n".encode("latin-1"))
    with pytest.raises(InputError, match="save it as text in UTF-8"):
        get_benchmark(str(tmp_path / "own.yml"))


@pytest.mark.parametrize(
    ("split", "groups", "message"),
    [
        ("train", (3, 1, 0, 0), "train has no picture of the class 'dog'"),
        ("val", (0, 0, 1, 1), "val has no picture of the class 'cat'"),
        ("val", (1, 0, 1, 1), "test has pictures of the group 'cat on night' and val has none"),
        ("val", (0, 0, 0, 0), "no pictures of own are listed for the split 'val'"),
    ],
)
def test_splits_that_lack_something_are_refused_and_told_by_verify(tmp_path, capsys, split, groups, message):
    path = make_own(tmp_path, table=own_table({**OWN, split: groups}))
    with pytest.raises(InputError, match=message):
        make_splits(get_benchmark(str(path)), tmp_path / "data", {})
    assert __main__.main(["verify", str(path)]) == 1
    assert ("has no picture of the class" if "are listed" in message else message) in capsys.readouterr().out


def test_verify_counts_groups_and_opens_every_picture(tmp_path, capsys):
    path = make_own(tmp_path)
    assert __main__.main(["verify", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "16 pictures" in printed and "cat on night" in printed and "WRONG" not in printed
    (tmp_path / "pictures" / "003.png").write_text("no picture")
    (tmp_path / "pictures" / "005.png").unlink()
    assert __main__.main(["verify", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "003.png is not a picture" in printed and "005.png is missing" in printed
    assert __main__.main(["get", str(path)]) == 1
    assert "no place to be downloaded from" in capsys.readouterr().err


def test_every_field_of_the_settings_has_a_kind_and_the_choices_are_the_code_s():
    for section in SECTIONS.values():
        assert set(section.__dataclass_fields__) <= {*KINDS, *PER_CLASS, "pairs"}
    for name in SAMPLERS:
        assert KINDS["sampler"](name) == name
