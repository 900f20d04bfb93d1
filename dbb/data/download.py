"""Getting the paper's datasets: from the first place that has them, all or nothing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive

from dbb.data import FILES
from dbb.data.mirrors import hub_tables, write_celeba, write_waterbirds
from dbb.data.transfer import fetch
from dbb.data.unpack import unpack
from dbb.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where a dataset can be had. bring: takes a folder for what is downloaded, and the folder to fill."""

    title: str
    bring: Callable[[Path, Path], None]


def from_archive(url: str, downloads: Path, target: Path) -> None:
    """Fill ``target`` from the archive at ``url``; one that cannot be unpacked is not kept."""
    archive = fetch(url, downloads / "archive")
    try:
        unpack(archive, target)
    except InputError:
        archive.unlink()
        raise


def waterbirds_from_hub(downloads: Path, target: Path) -> None:
    """Fill ``target`` from grodino/waterbirds, whose group counts are those of the Stanford archive."""
    revision = "e9856c710d0da2e4029d116cdd9d5fce7cc2bc80"
    write_waterbirds(hub_tables("grodino/waterbirds", revision, downloads), target)


def celeba_from_drive(downloads: Path, target: Path) -> None:
    """Fill ``target`` with torchvision's downloader, which checks MD5 sums and needs the package gdown.

    Only the three files that are used, and unpacked by us: torchvision takes a half unpacked folder for a whole one.
    """
    tables = ("list_attr_celeba.txt", "list_eval_partition.txt")
    for file_id, md5, name in CelebA.file_list:
        if name in (*tables, "img_align_celeba.zip"):
            download_file_from_google_drive(file_id, downloads, name, md5)
    unpack(downloads / "img_align_celeba.zip", target)
    for name in tables:
        shutil.copyfile(downloads / name, target / name)


def celeba_from_hub(downloads: Path, target: Path) -> None:
    """Fill ``target`` from eurecom-ds/celeba."""
    revision = "e9092e921951927418a9e8f87822020206b292ce"
    write_celeba(hub_tables("eurecom-ds/celeba", revision, downloads), target)


WATERBIRDS_ARCHIVE = "data/dro/waterbird_complete95_forest2water2.tar.gz"
METASHIFT_ID = "1WySOxBRkxAUlSokgZrC-0JaWZwcG5UMT"  # named by Wuyxin/DISC and fhn98/DaC

PLACES: dict[str, tuple[Place, ...]] = {
    "waterbirds": (
        Place("nlp.stanford.edu", partial(from_archive, f"https://nlp.stanford.edu/{WATERBIRDS_ARCHIVE}")),
        Place("downloads.cs.stanford.edu",
              partial(from_archive, f"https://downloads.cs.stanford.edu/nlp/{WATERBIRDS_ARCHIVE}")),
        Place("grodino/waterbirds on the Hugging Face Hub", waterbirds_from_hub),
    ),
    "celeba": (
        Place("Google Drive, by torchvision", celeba_from_drive),
        Place("eurecom-ds/celeba on the Hugging Face Hub", celeba_from_hub),
    ),
    "metashift": (
        # confirm=t passes the page that says that the file is too large to be scanned for viruses.
        Place("Google Drive", partial(from_archive, "https://drive.usercontent.google.com/download"
                                                    f"?id={METASHIFT_ID}&export=download&confirm=t")),
    ),
}


def get(name: str, folder: Path) -> None:
    """Bring the dataset ``name`` into ``folder``, unless it is there.

    What is downloaded lies beside ``folder`` until the dataset stands; a call that is cut short is resumed by the next.

    Raises InputError when ``folder`` holds something else, or, in one sentence, when no place has the dataset.
    """
    if is_there(name, folder):
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty, but does not hold the dataset {name}: move away what is in it")
    downloads = folder.with_name(f".{folder.name}.downloads")
    _bring(name, folder, downloads)
    shutil.rmtree(downloads)


def is_there(name: str, folder: Path) -> bool:
    """Whether ``folder`` holds the dataset, in any of its layouts; `dbb.data.verify` says whether it is whole."""
    try:
        FILES[name].list_split(folder, "train")
    except InputError:
        return False
    return True


def _bring(name: str, folder: Path, downloads: Path) -> None:
    """Try the places in turn; the dataset takes its name when it is complete."""
    making = folder.with_name(f".{folder.name}.partial")
    reasons = []
    for number, place in enumerate(PLACES[name]):
        own = downloads / str(number)
        shutil.rmtree(making, ignore_errors=True)
        for new in (own, making):
            new.mkdir(parents=True, exist_ok=True)
        try:
            place.bring(own, making)
            FILES[name].list_split(making, "train")
        except Exception as error:  # each place fails in its library's own way
            reasons.append(f"{place.title}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            making.replace(folder)
            return
    shutil.rmtree(making)
    raise InputError(f"no place has the dataset {name} ({'; '.join(reasons)}): get it by hand into {folder} as "
                     f"data/{name}/README.md says, then run `python -m dbb.data verify {name}`")
