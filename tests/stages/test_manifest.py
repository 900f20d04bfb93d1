"""The manifest and the pictures that its rows name: read as they were written, and what is wrong is named."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from standins import SIZE, pictures

from dbb.data.images import resized
from dbb.errors import InputError
from dbb.stages.manifest import COLUMNS, generated_set, load_generated, read_manifest, write_manifest


def rows(n: int = 4) -> pd.DataFrame:
    """A manifest of ``n`` generated images, whose files are named in another order."""
    values = {name: np.zeros(n) for name in COLUMNS}
    values |= {
        "image": np.arange(n),
        "source_id": 10 + np.arange(n),
        "target_class": np.arange(n) % 3,
        "prompt": "a duck",
        "token_sha256": "",
        "mask_found": True,
        "status": "generated",
        "file": [f"images/{n - 1 - i:06d}.png" for i in range(n)],
        "kept": pd.NA,
        "reason": "",
    }
    return pd.DataFrame(values).astype(COLUMNS)


def save(folder, manifest: pd.DataFrame) -> torch.Tensor:
    """Write a picture for each row; returns them, uint8 (n, 3, 64, 64)."""
    drawn = pictures(len(manifest))
    (folder / "images").mkdir(parents=True)
    for name, picture in zip(manifest["file"], drawn, strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / name)
    return drawn


def test_a_manifest_comes_back_with_its_types(tmp_path) -> None:
    manifest = rows()
    manifest.loc[0, "kept"], manifest.loc[1, "psi"] = True, np.nan
    write_manifest(tmp_path / "m.parquet", manifest.astype({"seed": "int32", "prompt": object})[[*COLUMNS][::-1]])
    again = read_manifest(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(again[[*COLUMNS]], manifest)
    assert again["kept"].isna().tolist() == [False, True, True, True]


def test_the_pictures_come_in_the_rows_order(tmp_path) -> None:
    manifest = rows()
    drawn = save(tmp_path, manifest)
    assert torch.equal(load_generated(tmp_path, manifest, SIZE), drawn)
    assert torch.equal(load_generated(tmp_path, manifest.iloc[[2, 0]], SIZE), drawn[[2, 0]])
    split = generated_set(tmp_path, manifest.iloc[::-1], np.array([1, 0, 1, 0]), 2)
    assert split.labels.tolist() == [0, 2, 1, 0] and split.ids.tolist() == [3, 2, 1, 0]
    assert split.groups.tolist() == [1, 4, 3, 0]
    assert torch.equal(split.subset([2, 0]).pixels([0, 1], SIZE), drawn[[1, 3]])


def test_numbers_of_any_width_are_read_as_int64(tmp_path) -> None:
    manifest = rows().astype({"image": "int32", "target_class": "int8"})
    split = generated_set(tmp_path, manifest, np.array([1, 0, 1, 0], np.int16), 2)
    assert split.ids.dtype == split.labels.dtype == split.attributes.dtype == np.int64


def test_at_another_size_they_are_resampled_as_originals_are(tmp_path) -> None:
    manifest = rows()
    drawn = save(tmp_path, manifest)
    small = load_generated(tmp_path, manifest, 32)
    assert small.shape == (4, 3, 32, 32)
    assert np.array_equal(small[1].permute(1, 2, 0).numpy(), resized(drawn[1].permute(1, 2, 0).numpy(), 32))


def test_a_row_without_a_picture_is_refused(tmp_path) -> None:
    manifest = rows()
    manifest.loc[2, "status"] = "no mask"
    with pytest.raises(InputError, match=r"image 2 of .* is 'no mask', not generated: leave such rows out"):
        load_generated(tmp_path, manifest, SIZE)
    assert len(load_generated(tmp_path, manifest.iloc[:0], SIZE)) == 0


def test_bad_files_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"manifest\.parquet is missing"):
        read_manifest(tmp_path / "manifest.parquet")
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="corrupt"):
        read_manifest(tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match=r"/m\.parquet is no manifest, it lacks rho"):
        write_manifest(tmp_path / "m.parquet", rows().drop(columns="rho"))
    assert not (tmp_path / "m.parquet").exists()
    rows().drop(columns=["psi", "change"]).to_parquet(tmp_path / "old.parquet")
    with pytest.raises(InputError, match=r"/old\.parquet is no manifest, it lacks psi, change"):
        read_manifest(tmp_path / "old.parquet")
    manifest = rows()
    save(tmp_path, manifest)
    (tmp_path / "images/000001.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"000001\.png is corrupt.*05-generate again"):
        load_generated(tmp_path, manifest, SIZE)
    (tmp_path / "images/000001.png").unlink()
    with pytest.raises(InputError, match=r"000001\.png is missing.*05-generate again"):
        load_generated(tmp_path, manifest, SIZE)


def test_a_selection_of_rows_is_written_without_the_places_it_came_from(tmp_path) -> None:
    write_manifest(tmp_path / "m.parquet", rows().iloc[[2, 0, 3]])  # evenly spaced ones are a range to pandas
    assert pq.read_schema(tmp_path / "m.parquet").names == list(COLUMNS)


def test_a_grey_picture_has_three_channels_too(tmp_path) -> None:
    manifest = rows(1)
    (tmp_path / "images").mkdir()
    Image.new("L", (SIZE, SIZE), 77).save(tmp_path / manifest["file"].iloc[0])
    assert (load_generated(tmp_path, manifest, SIZE) == 77).all()
    assert load_generated(tmp_path, manifest, SIZE).shape == (1, 3, SIZE, SIZE)
