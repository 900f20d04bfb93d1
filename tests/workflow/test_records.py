"""What is told of a run: its records without digests, and its numbers beside those of the committed book."""

import records

from dbb.store import NOTEBOOKS, write_json


def write_run(folder, worst=(0.57, 0.955), **settings) -> list[dict]:
    for stage in NOTEBOOKS:
        test = {"worst_group": worst[stage == "retrained"], "average": 0.9}
        made_from = {"benchmark": "mini-waterbirds", "settings": settings, "inputs": {"a": "digest"}}
        made_from |= {} if stage == "data" else {"seed": 0}
        place = folder / ("data" if stage == "data" else f"seed0/{stage}")
        write_json(
            place / "run.json",
            {name: None for name in records.KEPT}
            | {"stage": stage, "metrics": {"test": test}, "products": {"a.png": "digest"}, "made_from": made_from},
        )
    return records.run_records(folder, 0)


def test_records_come_in_order_and_without_digests(tmp_path):
    made = write_run(tmp_path, epochs=3)
    assert [record["stage"] for record in made] == list(NOTEBOOKS)
    assert made[1]["settings"] == {"epochs": 3} and made[1]["seed"] == 0 and "seed" not in made[0]
    assert "digest" not in str(made)


def test_a_run_stands_beside_the_books_and_the_range_is_told_where_settings_are_the_same(tmp_path):
    run, committed = write_run(tmp_path / "a"), write_run(tmp_path / "b", (0.6025, 0.9575))
    text = records.headline(run, committed)
    assert "57.0%" in text and "95.5%" in text and "60.2%" in text and "95.8%" in text
    assert "ERM from 55 to 62 %" in text
    assert "from 55" not in records.headline(write_run(tmp_path / "c", epochs=1), committed)


def test_another_benchmark_stands_alone_and_what_does_not_exist_is_a_dash(tmp_path):
    run = write_run(tmp_path / "a", (None, 0.5))
    other = [record | {"benchmark": "waterbirds"} for record in run]
    text = records.headline(other, run)
    assert "the book" not in text and "–" in text and "50.0%" in text
