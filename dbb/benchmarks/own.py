"""A user's own dataset: a YAML file beside a folder of pictures, read as the entry of a benchmark.

The page "Your own dataset" of the book goes through its keys. What the file does not say is taken from the benchmark
that it extends; what it says is checked before anything is computed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.benchmarks import get_benchmark, known_benchmarks
from dbb.benchmarks.entry import IMAGENET_MEAN, IMAGENET_STD, Benchmark, templates
from dbb.benchmarks.fields import (
    MISSING,
    Section,
    Wrong,
    for_each,
    listed,
    one_of,
    or_none,
    read_yaml,
    text,
    whole,
    within,
)
from dbb.benchmarks.own_settings import SECTIONS, read_settings
from dbb.data.dataset import Files
from dbb.data.own_files import ROLES, PictureTable, PictureTree, meanings
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.store import project_root, resolve

KEYS = (
    "name",
    "title",
    "extends",
    "classes",
    "attributes",
    "group_format",
    "class_word",
    "prompts",
    "mask_prompt",
    "models",
    "input",
    "generation_size",
    *SECTIONS,
    "data",
)
MODELS = ("classifier", "inpainting", "segmenter", "oracle", "oracle_labels")
NO_ATTRIBUTES = {"": ""}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
UNFIT = re.compile(r"[<>{}/\\\x00-\x1f]")
"""What a class or an attribute must not have in its name, which goes into tokens, prompts, files and pages."""


def load_own(name: str) -> Benchmark:
    """Return the entry that the YAML file ``name`` describes.

    Args:
        name: its path, absolute, or relative to the project or else to the working directory.

    Raises:
        InputError: for a file that is missing or not YAML, unknown or missing keys, values of another kind, and folders
            or tables that are not there, each with the file, the key and the remedy.
    """
    file = read_yaml(_find(name))
    file.check_keys(KEYS)
    base = _base(file)
    classes, attributes = _names(file, base)
    word = file.read("class_word", text, None)
    known = _take(base, "class_word", "templates", "mask_prompt", "generation_size", "group_format")
    own_words = {"class_word": word, "templates": templates(word), "mask_prompt": word} if word else {}
    known |= own_words
    has_groups = attributes != NO_ATTRIBUTES
    try:
        return Benchmark(
            name=_name(file),
            title=file.read("title", text, _name(file)),
            data=_data(file, base, classes, attributes if has_groups else None),
            classes=tuple(classes.values()),
            attributes=tuple(attributes.values()),
            group_format=_group_format(file, known, has_groups),
            class_word=word or file.read("class_word", text, known.get("class_word", MISSING)),
            mask_prompt=file.read("mask_prompt", text, known.get("mask_prompt", MISSING)),
            templates=file.read("prompts", listed(text), known.get("templates", MISSING)),
            input_format=_input(file, base),
            generation_size=file.read("generation_size", _size_in_eights, known.get("generation_size", MISSING)),
            **_models(file, base, tuple(classes.values())),
            **read_settings(file, tuple(classes.values()), base, has_groups, word),
        )
    except InputError as error:
        if str(file.file) in str(error):
            raise
        raise InputError(f"{file.file}: {error}") from error


def _find(name: str) -> Path:
    for path in (resolve(name), Path(name).expanduser().resolve()):
        if path.is_file():
            return path
    raise InputError(
        f"{name} is missing: give the path of your dataset's file, absolute or relative to {project_root()}"
    )


def _name(file: Section) -> str:
    name = file.read("name", text, file.file.stem)
    if not NAME.fullmatch(name):
        raise file.error("name", f" {name!r} is no name for a folder of runs: use letters, digits, - _ and .")
    if name in known_benchmarks():
        raise file.error("name", f" {name!r} is a benchmark of the project's own: choose another name")
    return name


def _base(file: Section) -> Benchmark | None:
    extended = file.read("extends", or_none(one_of(*known_benchmarks())), None)
    return None if extended is None else get_benchmark(extended)


def _take(base: Benchmark | None, *names: str) -> dict[str, Any]:
    return {} if base is None else {name: getattr(base, name) for name in names}


def _names(file: Section, base: Benchmark | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the table may say -> name of the classes, and of the attributes; `NO_ATTRIBUTES` for none.

    The names of the extended benchmark hold where the file gives neither.
    """
    classes = file.read("classes", _named, None if base is None else {name: name for name in base.classes})
    if classes is None:
        raise file.error("classes", " is missing: give their names, e.g. [landbird, waterbird]")
    if len(classes) < 2:
        raise file.error("classes", " must name two or more")
    inherited = None if base is None or file.has("classes") or not base.has_groups else {a: a for a in base.attributes}
    attributes = file.read("attributes", lambda value: _named(value) if value else None, inherited)
    if attributes is not None and len(attributes) < 2:
        raise file.error("attributes", " must name two or more, or be null where none is known")
    return classes, attributes or NO_ATTRIBUTES


def _named(value: Any) -> dict[str, str]:
    """Names, or a mapping from what the table says to names."""
    if isinstance(value, dict):
        if not all(isinstance(key, str | int) and not isinstance(key, bool) for key in value):
            raise Wrong("a mapping from what the table says, in quotes, to names")
        found = {str(key): text(name) for key, name in value.items()}
    else:
        names = listed(text)(value)
        found = {name: name for name in names}
        if len(found) < len(names):
            raise Wrong("a list of names, each once")
    for name in found.values():
        if UNFIT.search(name) or len(name) > 60 or name != name.strip():
            raise Wrong("names of up to 60 letters, without < > { } / \\ and without spaces at their ends")
    if len({name.casefold() for name in found.values()}) < len(found):
        raise Wrong("names that differ by more than capital letters")
    return found


def _group_format(file: Section, known: Mapping[str, Any], has_groups: bool) -> str:
    if not has_groups:
        return "{}"
    form = file.read("group_format", text, known.get("group_format", "{}, {}"))
    try:
        right = "A" in form.format("A", "B") and "B" in form.format("A", "B")
    except (IndexError, KeyError, ValueError):
        right = False
    if not right:
        raise file.error("group_format", f" {form!r} must have {{}} twice, for the class and the attribute")
    return form


def _input(file: Section, base: Benchmark | None) -> InputFormat:
    section = file.section("input")
    section.check_keys(("size", "margin"))
    inherited = base.input_format if base else None
    return InputFormat(
        size=section.read("size", within(whole, 8), inherited.size if inherited else MISSING),
        margin=section.read("margin", within(whole, 0), inherited.margin if inherited else 0),
        mean=inherited.mean if inherited else IMAGENET_MEAN,
        std=inherited.std if inherited else IMAGENET_STD,
    )


def _size_in_eights(value: Any) -> int:
    if whole(value) < 8 or value % 8:
        raise Wrong("a multiple of 8, the number of pixels that the autoencoder makes one of")
    return value


def _models(file: Section, base: Benchmark | None, classes: tuple[str, ...]) -> dict[str, Any]:
    """The oracle of the extended benchmark is kept where the classes are the same: it knows no others."""
    section = file.section("models")
    section.check_keys(MODELS)
    found = {key: section.read(key, text, getattr(base, key) if base else MISSING) for key in MODELS[:3]}
    oracle, labels = (base.oracle, base.oracle_labels) if base is not None and base.classes == classes else (None, ())
    found["oracle"] = section.read("oracle", or_none(text), oracle)
    found["oracle_labels"] = section.read("oracle_labels", for_each(listed(text), len(classes)), labels)
    return {
        key: _model_folder(file, value) if key in MODELS[:4] and section.has(key) and value else value
        for key, value in found.items()
    }


def _model_folder(file: Section, spec: str) -> str:
    """Return a model's name; where it is a folder beside the file, its path, within the project relative to it."""
    beside = (file.file.parent / Path(spec).expanduser()).resolve()
    if not beside.is_dir() or resolve(spec).is_dir():
        return spec
    root = project_root().resolve()
    return str(beside.relative_to(root) if beside.is_relative_to(root) else beside)


def _data(
    file: Section, base: Benchmark | None, classes: Mapping[str, str], attributes: Mapping[str, str] | None
) -> Files:
    section = file.section("data")
    section.check_keys(("pictures", "table", "columns", "fit"))
    pictures = _existing(section, "pictures", Path.is_dir, "folder")
    fit = base.data.fit if base is not None and isinstance(base.data, Files) else "stretch"
    fit = section.read("fit", one_of("stretch", "centre"), fit)
    class_codes, attribute_codes = meanings(classes), None if attributes is None else meanings(attributes)
    columns = section.section("columns")
    columns.check_keys(ROLES)
    if columns.has("attribute") and attributes is None:
        raise columns.error(
            "attribute", " names a column, but the file names no attributes: add `attributes`, or take the column out"
        )
    if not section.has("table"):
        if columns.values:
            raise section.error("table", " is missing, but its columns are named: add it, or take `columns` out")
        return Files(PictureTree(class_codes, attribute_codes).list_split, fit, folder=pictures)
    table = PictureTable(
        _existing(section, "table", Path.is_file, "file"),
        {role: columns.read(role, text, role) for role in ROLES},
        class_codes,
        attribute_codes,
    )
    return Files(table.list_split, fit, folder=pictures)


def _existing(section: Section, key: str, there: Any, what: str) -> Path:
    """Return the path under ``key``, relative to the file's own folder."""
    path = section.file.parent / Path(section.read(key, text)).expanduser()
    if not there(path):
        raise section.error(key, f": there is no {what} {path}: give its path, relative to this file's folder")
    return path
