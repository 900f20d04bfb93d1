"""Ready base classifiers: a user's trained weights instead of our own training, from the files that such users have.

A state dict is read as data alone. A pickle of a whole module is refused: to load one is to run the code in it.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dbb.errors import InputError
from dbb.models.classifier import Classifier, untrained_classifier
from dbb.store import resolve

NESTS = ("state_dict", "model_state_dict", "model", "net")
"""Where training scripts put the state dict in what they save."""

WRAPPERS = re.compile(r"^(?:(?:module|model|backbone|resnet|_orig_mod)\.)+")
"""What wrappers put before a weight's name: DataParallel, Lightning, our own and transformers' classes, compile."""

HEADS = re.compile(r"^(?:head|fc|classifier)(?:\.\d+)?\.(weight|bias)$")
"""A linear head's names: ours, torchvision's, transformers', with or without a dropout before it."""

IMAGENET_CLASSES = 1000

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class ReadyClassifier:
    """A classifier made from a file.

    Attributes:
        model: in evaluation mode, on the CPU.
        trained: it stands as the base classifier; else its head is new, and training goes on from its backbone.
        told: a sentence that says which, and why.
    """

    model: Classifier
    trained: bool
    told: str

    def __str__(self) -> str:
        return self.told


def load_checkpoint(path: str | Path, spec: str, n_classes: int, seed: int) -> ReadyClassifier:
    """Return the classifier in ``path``: .safetensors, else what torch.save wrote (.pt, .pth, .bin).

    Args:
        path: absolute, or relative to the project. The file holds a state dict of the architecture ``spec`` (as
            `load_classifier` takes it; nothing is downloaded), maybe in a dict under one of `NESTS`, its names maybe
            behind `WRAPPERS`: torchvision's or our own names for "torchvision:resnet50", transformers' or our own for a
            folder.
        n_classes, seed: a head of ``n_classes`` is kept; in place of ImageNet's 1,000, or of none, one is drawn from
            ``seed``, as `load_classifier` draws it.

    Raises:
        InputError: when the file is missing, damaged, could run code, is of another architecture, or has a head of
            another number of classes.
    """
    path = resolve(path)
    names = _plain_names(_state_dict(path), path)
    model = untrained_classifier(spec, n_classes)
    classes = _head_classes(names, path)
    if classes not in (n_classes, IMAGENET_CLASSES, None):
        raise InputError(
            f"{path} tells {classes} classes apart and the benchmark has {n_classes}: give a checkpoint "
            f"of {n_classes} classes, in the benchmark's order, or of ImageNet's {IMAGENET_CLASSES:,}, "
            "whose head is drawn anew"
        )
    trained = classes == n_classes
    if not trained:
        names = {name: value for name, value in names.items() if not name.startswith("head.")}
    _fill(model, names, trained, path, spec)
    if not trained:
        model.reset_head(seed)
    return ReadyClassifier(model.eval(), trained, _told(path, classes, n_classes, seed))


def _told(path: Path, classes: int | None, n_classes: int, seed: int) -> str:
    if classes == n_classes:
        return f"{path.name} is a trained classifier of {n_classes} classes: it stands as the base classifier."
    had = "has no head" if classes is None else f"has a head of {classes:,} classes, which was dropped"
    return (
        f"{path.name} {had}: a head of {n_classes} was drawn from seed {seed}, and training goes on from this "
        "backbone, as it would from the ImageNet weights."
    )


# ------------------------------------------------------------------------------------------------ reading


def _state_dict(path: Path) -> Tensors:
    """Return the tensors in the file by name."""
    if not path.is_file():
        raise InputError(f"there is no file {path}: give a .safetensors file, or one that torch.save wrote")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path} is damaged, or no safetensors file ({error}): copy it again") from error
    return _find_tensors(_unpickled(path), path)


def _unpickled(path: Path) -> Any:
    """Return what torch.save wrote, where it is data alone."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise InputError(f"{path} is damaged, or nothing that torch.save wrote: copy it again") from error
        raise InputError(_refusal(path, code[1])) from error
    except Exception as error:  # a damaged archive fails in many ways
        if "TorchScript" in str(error):
            raise InputError(_refusal(path, "a TorchScript program")) from error
        raise InputError(f"{path} is damaged ({str(error) or 'it ends too early'}): copy it again") from error


def _refusal(path: Path, code: str) -> str:
    return (
        f"{path} holds more than weights: to load it is to run {code}, and whatever else its maker put there. If "
        "you trust its maker, save the weights alone where the model's code is, and give that file:\n"
        f"    made = torch.load({str(path)!r}, weights_only=False)\n"
        "    state = made.state_dict() if hasattr(made, 'state_dict') else made['state_dict']\n"
        "    torch.save(state, 'weights.pt')"
    )


def _find_tensors(value: Any, path: Path) -> Tensors:
    """Return the state dict that lies in ``value``, however deep under `NESTS`."""
    if not isinstance(value, Mapping):
        raise InputError(f"{path} holds a {type(value).__name__}, no state dict: save model.state_dict()")
    for key in NESTS:
        if isinstance(value.get(key), Mapping):
            return _find_tensors(value[key], path)
    found = {str(name): tensor for name, tensor in value.items() if isinstance(tensor, torch.Tensor)}
    if not found:
        raise InputError(
            f"{path} holds a dict of {_some(map(str, value)) or 'nothing'}, no state dict: save "
            f"model.state_dict(), alone or under {', '.join(map(repr, NESTS))}"
        )
    return found


# ------------------------------------------------------------------------------------------------ matching


def _plain_names(state: Tensors, path: Path) -> Tensors:
    """Return the weights without their wrappers' names, the head's as "head.weight" and "head.bias"."""
    plain: Tensors = {}
    for name, tensor in state.items():
        short = WRAPPERS.sub("", name)
        short = HEADS.sub(r"head.\1", short)
        if short in plain:
            raise InputError(
                f"{path} has {short} twice, the second time as {name}: save the state dict of one "
                "network with one linear head"
            )
        plain[short] = tensor
    return plain


def _head_classes(names: Tensors, path: Path) -> int | None:
    weight = names.get("head.weight")
    if weight is None:
        return None
    if weight.ndim != 2:
        raise InputError(
            f"{path} has a head of shape {tuple(weight.shape)}: give a checkpoint with a linear head, "
            "(classes, features)"
        )
    return len(weight)


def _fill(model: Classifier, names: Tensors, with_head: bool, path: Path, spec: str) -> None:
    """Copy the weights into ``model``, whose own names are made plain in the same way."""
    own = {
        WRAPPERS.sub("", name): value
        for name, value in model.state_dict().items()
        if with_head or not name.startswith("head.")
    }
    # Old files lack these counters, which nothing reads in a network with a fixed momentum.
    missing = sorted(name for name in own.keys() - names.keys() if not name.endswith("num_batches_tracked"))
    unexpected = sorted(names.keys() - own.keys())
    shapes = sorted(
        f"{name} {tuple(names[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in names and names[name].shape != value.shape
    )
    faults = [
        f"{what} {_some(which)}"
        for what, which in (("it lacks", missing), ("it has besides", unexpected), ("of another shape are", shapes))
        if which
    ]
    if faults:
        raise InputError(
            f"{path} is no {spec}: {'; '.join(faults)}: give a checkpoint of this architecture, or name "
            "the checkpoint's as the benchmark's classifier"
        )
    with torch.no_grad():
        for name, value in own.items():
            if name in names:
                value.copy_(names[name])


def _some(names: Any, most: int = 3) -> str:
    """Return the first few of ``names``, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
