"""The table of masks: packed and read again, made smaller, and looked up by image."""

import numpy as np
import pytest
import torch

from dbb.data.images import resized
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.stages import mask_table
from dbb.stages.mask_table import MaskTable, covered, input_masks, load_masks, resize_masks, save_masks
from dbb.transforms import centre

SIZE = 21  # px; 441 bits are no whole number of bytes that numpy would fill without saying


def drawn(n: int = 3, size: int = SIZE) -> torch.Tensor:
    return torch.rand(n, size, size, generator=torch.Generator().manual_seed(0)) > 0.6


def table(masks: torch.Tensor, ids=(2, 5, 9)) -> MaskTable:
    """A table of ``masks``, with wider ones to inpaint; the last was not found."""
    found = np.arange(len(masks)) < len(masks) - 1
    raw, wide = (np.stack([np.packbits(mask.numpy()) for mask in some]) for some in (masks, masks | masks.roll(1, 1)))
    return MaskTable(
        np.array(ids[: len(masks)]),
        found,
        np.where(found, np.float32(0.5), np.float32(np.nan)),
        covered(raw, masks.shape[-1]),
        raw,
        wide,
        masks.shape[-1],
    )


def test_masks_come_back_by_the_images_ids_in_any_order(tmp_path) -> None:
    masks = drawn()
    save_masks(tmp_path / "masks.npz", table(masks))
    again = load_masks(tmp_path / "masks.npz")
    assert all(np.array_equal(v, getattr(again, k), equal_nan=k == "score") for k, v in vars(table(masks)).items())
    assert torch.equal(again.raw(np.array([9, 2, 9])), masks[[2, 0, 2]])
    assert torch.equal(again.padded(np.array([5])), (masks | masks.roll(1, 1))[[1]])
    np.testing.assert_allclose(
        again.painted_area(np.array([9, 2])), [(masks | masks.roll(1, 1))[i].float().mean() for i in (2, 0)]
    )
    assert again.n_failed == 1 and again.raw(np.array([], np.int64)).shape == (0, SIZE, SIZE)


@pytest.mark.parametrize("unknown", [0, 3, 10])
def test_an_image_that_is_not_in_the_table_is_named(unknown) -> None:
    with pytest.raises(InputError, match=f"image {unknown} has no row in the mask table: run notebook 04-masks"):
        table(drawn()).rows(np.array([2, unknown]))
    with pytest.raises(InputError, match=f"image {unknown} has no row"):
        table(drawn()[:1], ids=(2,)).rows(np.array([unknown]))
    one = vars(table(drawn()[:1], ids=(2,)))
    nothing = MaskTable(**{name: value if name == "size" else value[:0] for name, value in one.items()})
    with pytest.raises(InputError, match=f"image {unknown} has no row"):
        nothing.rows(np.array([unknown]))


def test_the_classifiers_masks_are_resized_and_cut_as_its_pictures(monkeypatch) -> None:
    monkeypatch.setattr(mask_table, "CHUNK", 2)
    masks, ids = drawn(5, 64), np.array([4, 0, 3, 1, 2])
    found = input_masks(lambda some: masks[some], ids, InputFormat(24, (0.5,) * 3, (0.5,) * 3, margin=8))
    assert np.array_equal(found, centre(resize_masks(masks[ids], 32), 24).numpy()) and found.shape == (5, 24, 24)
    none = input_masks(lambda some: masks[some], ids[:0], InputFormat(24, (0.5,) * 3, (0.5,) * 3))
    assert none.shape == (0, 24, 24) and none.dtype == bool


def test_a_smaller_mask_covers_all_that_the_larger_one_touched() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:64, :64]
    mask = (rows - 30) ** 2 + (columns - 25) ** 2 < 15**2
    after = np.where(mask[..., None], 255 - before, before)
    for size in (32, 28, 17):
        small = resize_masks(torch.from_numpy(mask)[None], size)[0].numpy()
        changed = (resized(before, size) != resized(after, size)).any(axis=2)
        assert not (changed & ~small).any(), "a changed pixel lies outside"
        assert small.sum() < np.pi * (15 * size / 64 + 1.6) ** 2, "and little else lies inside"
    empty = torch.zeros(2, 64, 64, dtype=torch.bool)
    assert not resize_masks(empty, 32).any() and resize_masks(empty[:0], 32).shape == (0, 32, 32)
    assert torch.equal(resize_masks(torch.from_numpy(mask)[None], 64)[0], torch.from_numpy(mask))


def test_damaged_and_missing_tables_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"masks\.npz"):
        load_masks(tmp_path / "masks.npz")
    (tmp_path / "masks.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="corrupt"):
        load_masks(tmp_path / "masks.npz")
