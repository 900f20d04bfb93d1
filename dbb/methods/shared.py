"""What several trainings of one seed have in common is computed once: features, heat maps, painted pictures."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dbb.code import code_digest, definition_of
from dbb.record import digest_of
from dbb.store import load_weights, locked, save_weights
from dbb.training import Tensors


class Shared:
    """Keeps what was computed in memory and, where a folder is given, in a file each.

    Args:
        folder: of the files; None: memory alone.
        stamp: what all of it is made from beside what `get` is told: data, base model, seed.
    """

    def __init__(self, folder: Path | None = None, stamp: str = "") -> None:
        self._folder, self._stamp = folder, stamp
        self._kept: dict[str, Tensors] = {}

    def get(self, name: str, make: Callable[[], Tensors], of: Mapping[str, Any] | None = None) -> Tensors:
        """Return what ``make`` returned when it was called first with this name, code and ``of``.

        Args:
            make: a function, maybe an inner one, of a module of the package; its code, and that of the function around
                it, tells whether a file still holds.
            of: JSON values on which the result depends.
        """
        key = f"{name}-{digest_of([self._stamp, code_digest(definition_of(make)), dict(of or {})])[:16]}"
        if key not in self._kept:
            self._kept[key] = make() if self._folder is None else self._from_file(self._folder, name, key, make)
        return self._kept[key]

    @staticmethod
    def _from_file(folder: Path, name: str, key: str, make: Callable[[], Tensors]) -> Tensors:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{key}.safetensors"
        with locked(folder / f".{name}.lock"):
            if not path.is_file():
                made = make()
                for old in folder.glob(f"{name}-{'[0-9a-f]' * 16}.safetensors"):
                    old.unlink()
                save_weights(path, made)
            return load_weights(path)
