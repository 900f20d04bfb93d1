"""Tables are written the same way everywhere."""

import pandas as pd

from dbb.report.tables import POINTS, SHARE, styled


def test_a_token_is_not_taken_for_markup():
    assert "&lt;landbird&gt;" in styled(pd.DataFrame({"prompt": ["a <landbird>"]})).to_html()


def test_numbers_are_written_by_their_kind_and_what_is_missing_as_a_dash():
    table = pd.DataFrame({"n": [1234, 5], "share": [0.123, float("nan")], "change": [1.0, -2.0]}, index=["<a>", "b"])
    html = styled(table, {"share": SHARE, "change": POINTS}).to_html()
    assert all(text in html for text in ("1,234", "12.3%", "–", "+1.0", "-2.0", "&lt;a&gt;"))
    assert "nan" not in html and "&lt;a&gt;" not in styled(table, index=False).to_html()


def test_the_same_table_is_written_to_the_same_bytes():
    table = pd.DataFrame({"n": [1]})
    assert styled(table).to_html() == styled(table).to_html()
