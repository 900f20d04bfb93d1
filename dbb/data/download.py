"""Getting a dataset: from the first of its places that has it, all or nothing."""

import shutil
from pathlib import Path

from dbb.data.dataset import HasData
from dbb.data.layout import files_of
from dbb.data.transfer import fetch
from dbb.data.unpack import unpack
from dbb.errors import InputError


def from_archive(url: str, downloads: Path, target: Path) -> None:
    """Fill ``target`` from the archive at ``url``; one that cannot be unpacked is not kept."""
    archive = fetch(url, downloads / "archive")
    try:
        unpack(archive, target)
    except InputError:
        archive.unlink()
        raise


def get(benchmark: HasData, folder: Path) -> None:
    """Bring a benchmark's pictures into ``folder``, unless they are there.

    What is downloaded lies beside ``folder`` until the dataset stands; a call that is cut short is resumed by the next.

    Raises:
        InputError: when the benchmark has no place to get it from, ``folder`` holds something else, or, in one
            sentence, when no place has the dataset.
    """
    if not files_of(benchmark).places:
        raise InputError(
            f"{benchmark.name} has no place to be downloaded from: put its pictures where its file says, "
            "then run `python -m dbb.data verify` on it"
        )
    if is_there(benchmark, folder):
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty, but does not hold the dataset {benchmark.name}: move away what is in it"
        )
    downloads = folder.with_name(f".{folder.name}.downloads")
    _bring(benchmark, folder, downloads)
    shutil.rmtree(downloads)


def is_there(benchmark: HasData, folder: Path) -> bool:
    """Whether ``folder`` holds the dataset, in any of its layouts; `dbb.data.verify` says whether it is whole."""
    try:
        files_of(benchmark).list_split(folder, "train")
    except InputError:
        return False
    return True


def _bring(benchmark: HasData, folder: Path, downloads: Path) -> None:
    """Try the places in turn; the dataset takes its name when it is complete."""
    making = folder.with_name(f".{folder.name}.partial")
    reasons = []
    for number, place in enumerate(files_of(benchmark).places):
        own = downloads / str(number)
        shutil.rmtree(making, ignore_errors=True)
        for new in (own, making):
            new.mkdir(parents=True, exist_ok=True)
        try:
            place.bring(own, making)
            files_of(benchmark).list_split(making, "train")
        except Exception as error:  # each place fails in its library's own way
            reasons.append(f"{place.title}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            making.replace(folder)
            return
    shutil.rmtree(making)
    name = benchmark.name
    raise InputError(
        f"no place has the dataset {name} ({'; '.join(reasons)}): get it by hand into {folder} as "
        f"data/{name}/README.md says, then run `python -m dbb.data verify {name}`"
    )
