"""Archives, unpacked so that nothing lands outside the folder."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dbb.errors import InputError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or a .tar, compressed or not, into ``folder``.

    Raises:
        InputError: naming an archive that is truncated or damaged, that has a file whose path leads outside, or, in a
            .tar, anything but files and folders.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _require_inside(archive, folder, zipped.namelist())
                zipped.extractall(folder)
        else:
            with tarfile.open(archive) as tar:
                _untar(archive, folder, tar)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{archive} is truncated or damaged ({error}): delete it and get it again") from error


def _untar(archive: Path, folder: Path, tar: tarfile.TarFile) -> None:
    members = tar.getmembers()
    others = [member.name for member in members if not (member.isfile() or member.isdir())]
    if others:
        raise InputError(
            f"{archive} is not safe to unpack ({others[0]} is a link or a device): get it from another place"
        )
    _require_inside(archive, folder, [member.name for member in members])
    # The filter drops owners and odd permissions too; Python has it from 3.11.4 on, and 3.11.2 is still about.
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    tar.extractall(folder, members, **safely)


def _require_inside(archive: Path, folder: Path, names: Iterable[str]) -> None:
    root = folder.resolve()
    for name in names:
        if not (root / name).resolve().is_relative_to(root):
            raise InputError(f"{archive} is not safe to unpack ({name} leads outside): get it from another place")
