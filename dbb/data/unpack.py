"""Archives, unpacked so that nothing lands outside the folder."""

import gzip
import tarfile
import zipfile
import zlib
from pathlib import Path

from dbb.errors import InputError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or a .tar, compressed or not, into ``folder``.

    Raises InputError naming an archive that is truncated or damaged, or that has a file whose path leads outside.
    """
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise InputError(f"{archive} is not safe to unpack ({error}): get it from another place") from error
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{archive} is truncated or damaged ({error}): delete it and get it again") from error


def _unzip(archive: Path, folder: Path) -> None:
    root = folder.resolve()
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if not (root / name).resolve().is_relative_to(root):
                raise InputError(f"{archive} is not safe to unpack ({name} leads outside): get it from another place")
        zipped.extractall(folder)
