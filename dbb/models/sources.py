"""Where a pretrained model is read from: a folder, or a repository of the Hub at a pinned revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbb.errors import InputError
from dbb.store import resolve


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Load without the libraries' progress bars, which flood pages; the bars come back afterwards."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    switches = [log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()]
    for log in switches:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in switches:
            log.enable_progress_bar()


def local_folder(spec: str, what: str) -> Path:
    """Return the folder that ``spec`` names, absolute or relative to the project.

    Raises:
        InputError: when it is no folder; ``what`` names the model in the message.
    """
    folder = resolve(spec)
    if not folder.is_dir():
        raise InputError(f"no {what} at {folder}: give a folder that save_pretrained wrote")
    return folder


@dataclass(frozen=True)
class Source:
    """Where a pretrained model is read from: ``name``, a folder or a Hub repository, with its ``revision``."""

    name: str
    revision: str | None
    is_hub: bool

    @property
    def remedy(self) -> str:
        """What to do when it cannot be read."""
        if not self.is_hub:
            return "the folder is incomplete, make or copy it again"
        pinned = f" --revision {self.revision}" if self.revision else ""
        return f"run `hf download {self.name}{pinned} --local-dir FOLDER` on a connected machine and give FOLDER"


def find_source(spec: str, what: str) -> Source:
    """Read a model's ``spec``: a local folder, or a Hub repository "owner/name", best with a pinned revision,
    "owner/name@revision".

    Raises:
        InputError: when it looks like a folder and is none; ``what`` names the model in the message.
    """
    name, _, revision = spec.partition("@")
    if not resolve(spec).exists() and name.count("/") == 1 and name[0] not in "./~":
        return Source(name, revision or None, is_hub=True)
    return Source(str(local_folder(spec, what)), None, is_hub=False)
