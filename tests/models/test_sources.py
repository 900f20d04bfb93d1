"""Where a pretrained model is read from, and that loading is quiet."""

import pytest
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from dbb.errors import InputError
from dbb.models.sources import Source, find_source, quiet_loading


def test_a_spec_is_a_folder_or_a_pinned_repository(tmp_path) -> None:
    assert find_source(str(tmp_path), "model") == Source(str(tmp_path), None, is_hub=False)
    pinned = find_source("owner/name@0123abc", "model")
    assert pinned == Source("owner/name", "0123abc", is_hub=True)
    assert pinned.remedy.startswith("run `hf download owner/name --revision 0123abc --local-dir FOLDER`")
    assert find_source("owner/name", "model").revision is None
    for spec in ("./here", "name", "a/b/c", "~/weights"):
        with pytest.raises(InputError, match="no model at"):
            find_source(spec, "model")


def test_the_bars_are_off_while_loading_and_as_before_after_it() -> None:
    def bars() -> tuple[bool, bool]:
        return diffusers_logging.is_progress_bar_enabled(), transformers_logging.is_progress_bar_enabled()

    before = bars()
    for first in (True, False):
        (diffusers_logging.enable_progress_bar if first else diffusers_logging.disable_progress_bar)()
        with pytest.raises(OSError), quiet_loading():
            assert bars() == (False, False)
            raise OSError
        assert bars()[0] == first
    (diffusers_logging.enable_progress_bar if before[0] else diffusers_logging.disable_progress_bar)()
    assert bars() == before
