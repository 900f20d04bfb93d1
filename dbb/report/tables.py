"""How the book writes a table: plain numbers (counts, shares of 1) in a `pandas.DataFrame`, written by `styled`."""

from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

SHARE, POINTS, COUNT = "{:.1%}", "{:+.1f}", "{:,.0f}"


def styled(table: pd.DataFrame, formats: Mapping[str, str] | None = None, index: bool = True) -> Styler:
    """Return ``table`` written for a page: integers with thousands separators, a dash for what is missing.

    Args:
        formats: column -> format string, e.g. `SHARE`.
        index: whether the row names are shown.
    """
    counts = {name: COUNT for name in table.columns if pd.api.types.is_integer_dtype(table[name])}
    # A fixed identifier: a random one would change the executed notebook at every run.
    styler = table.style.format({**counts, **(formats or {})}, na_rep="–", escape="html").set_uuid("t")
    for axis in (0, 1):
        styler = styler.format_index(escape="html", axis=axis)
    return styler if index else styler.hide(axis="index")
