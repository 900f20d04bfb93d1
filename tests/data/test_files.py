"""Pictures on disk are decoded whatever they are, squared as torchvision squares them, and kept decoded."""

import io
import multiprocessing
import os

import numpy as np
import pytest
import torch
from data_standins import ODD_NAME, picture, save, truncate
from PIL import Image, ImageOps
from torchvision.transforms import v2

from dbb.data import cache
from dbb.data.cache import CachedPixels
from dbb.data.files import FilePixels, decode
from dbb.errors import InputError


@pytest.mark.parametrize(
    ("fit", "transform"),
    [("stretch", v2.Resize((24, 24))), ("centre", v2.Compose([v2.CenterCrop(178), v2.Resize((24, 24))]))],
)
def test_pictures_become_the_squares_that_torchvision_makes(tmp_path, fit, transform):
    path = save(tmp_path / "a.png", size=(178, 218))
    expected = v2.functional.pil_to_tensor(transform(Image.open(path)))
    read = FilePixels((path,), fit).read([0], 24)
    assert read.dtype == torch.uint8 and read.shape == (1, 3, 24, 24)
    torch.testing.assert_close(read[0], expected, rtol=0, atol=0)


def test_reading_keeps_the_order_of_the_indices(tmp_path):
    paths = tuple(save(tmp_path / f"{i}.png", seed=i) for i in range(6))
    source = FilePixels(paths, "stretch")
    several = source.read([4, 0, 4], 16)
    for row, index in zip(several, [4, 0, 4], strict=True):
        assert torch.equal(row, source.read([index], 16)[0])
    assert not torch.equal(several[0], several[1])
    assert source.read([], 16).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "1"])
def test_every_mode_is_read_as_rgb(tmp_path, mode):
    path = save(tmp_path / f"a.{'jpg' if mode == 'CMYK' else 'png'}", mode=mode)
    read = FilePixels((path,), "stretch").read([0], 32)[0].permute(1, 2, 0).numpy().astype(int)
    original = np.asarray(picture(0).convert("L" if mode in "L1" else "RGB").convert("RGB").resize((32, 32)))
    assert read.shape == (32, 32, 3)
    assert abs(read - original).mean() < (60 if mode == "1" else 12)
    if mode in "L1":
        assert (read == read[..., :1]).all()


@pytest.mark.filterwarnings("error")
def test_a_palette_with_transparent_colours_is_read_without_a_warning(tmp_path):
    path = tmp_path / "a.png"
    picture(0).convert("P").save(path, transparency=bytes(range(256)))
    assert FilePixels((path,), "stretch").read([0], 8).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, ending):
    ramp = np.linspace(0, 1, 64)[None].repeat(64, 0)
    path = tmp_path / f"a.{ending}"
    Image.fromarray((ramp * 65535).astype(np.uint16)).save(path)
    read = FilePixels((path,), "stretch").read([0], 64)[0].numpy()
    assert abs(read - (ramp * 255)).max() <= 1 and abs(read.mean() - 127.5) < 0.5


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.ones((4, 4), kind)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif has numbers of 32 bits .* save it with 8 or 16 bits"):
        FilePixels((tmp_path / "a.tif",), "stretch").read([0], 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_set_upright_as_its_camera_noted(tmp_path, orientation):
    image = picture(1)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "a.png")), np.asarray(upright))


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    good = save(tmp_path / ODD_NAME)
    bad = {
        "is missing": tmp_path / "gone.jpg",
        "is empty": tmp_path / "empty.jpg",
        "is truncated": truncate(save(tmp_path / "half.jpg")),
        "is not a picture": tmp_path / "page.jpg",
    }
    bad["is empty"].touch()
    bad["is not a picture"].write_text("<html>quota exceeded</html>")
    assert FilePixels((good,), "stretch").read([0], 8).shape == (1, 3, 8, 8)
    for what, path in bad.items():
        with pytest.raises(InputError, match=f"{path.name} {what}"):
            FilePixels((good, path), "stretch").read([0, 1], 8)


@pytest.fixture
def files(tmp_path):
    return FilePixels(tuple(save(tmp_path / "set" / f"{i}.png", seed=i) for i in range(7)), "stretch")


def test_the_cache_holds_what_the_files_hold_and_is_made_once(tmp_path, files, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", 3)
    path = tmp_path / "cache" / "train-16.npy"
    indices = [6, 2, 2]
    assert torch.equal(CachedPixels(files, path, 7, 16).read(indices, 16), files.read(indices, 16))
    array = np.load(path)
    assert array.shape == (7, 3, 16, 16) and array.dtype == np.uint8

    def refuse(*_):
        raise AssertionError("decoded a second time")

    expected, large = files.read(indices, 16), files.read([1], 20)
    monkeypatch.setattr(FilePixels, "read", refuse)
    assert torch.equal(CachedPixels(files, path, 7, 16).read(indices, 16), expected)
    monkeypatch.undo()
    assert torch.equal(CachedPixels(files, path, 7, 16).read([1], 20), large)


def test_the_cache_is_made_anew_for_other_files_order_fit_or_content(tmp_path, files):
    path = tmp_path / "train-16.npy"
    others = [
        files,
        FilePixels(files.paths, "centre"),
        FilePixels(files.paths[::-1], "centre"),
        FilePixels(files.paths[:6], "centre"),
    ]
    for source in others:
        n = len(source.paths)
        assert torch.equal(CachedPixels(source, path, n, 16).read(range(n), 16), source.read(range(n), 16))


def test_the_cache_is_made_anew_for_a_picture_that_was_replaced_by_one_of_the_same_length(tmp_path):
    picture_path = save(tmp_path / "a.bmp", seed=0)
    source, length = FilePixels((picture_path,), "stretch"), picture_path.stat().st_size
    first = CachedPixels(source, tmp_path / "train-16.npy", 1, 16).read([0], 16)
    save(picture_path, seed=99)
    os.utime(picture_path, ns=(1, 1))
    second = CachedPixels(source, tmp_path / "train-16.npy", 1, 16).read([0], 16)
    assert picture_path.stat().st_size == length
    assert torch.equal(second, source.read([0], 16)) and not torch.equal(second, first)


@pytest.mark.parametrize("harm", ["truncated", "no record", "another shape"])
def test_a_cache_that_is_not_whole_is_made_anew(tmp_path, files, harm):
    path = tmp_path / "train-16.npy"
    CachedPixels(files, path, 7, 16).read([0], 16)
    if harm == "truncated":
        truncate(path)
    elif harm == "no record":
        path.with_suffix(".json").unlink()
        np.save(path, np.zeros((7, 3, 16, 16), np.uint8))
    else:
        np.save(path, np.zeros((7, 3, 8, 8), np.uint8))
    assert torch.equal(CachedPixels(files, path, 7, 16).read(range(7), 16), files.read(range(7), 16))


def test_a_failure_while_decoding_leaves_no_cache(tmp_path, files):
    path = tmp_path / "cache" / "train-16.npy"
    whole = files.paths[5].read_bytes()
    truncate(files.paths[5])
    with pytest.raises(InputError, match=r"5\.png is truncated"):
        CachedPixels(files, path, 7, 16).read([0], 16)
    assert [found.name for found in path.parent.iterdir()] == ["train-16.lock"]
    files.paths[5].write_bytes(whole)
    assert torch.equal(CachedPixels(files, path, 7, 16).read([5], 16), files.read([5], 16))


def test_a_disk_without_room_is_told_before_anything_is_decoded(tmp_path, files, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("usage", (), {"free": 5000}))
    with pytest.raises(InputError, match="make room"):
        CachedPixels(files, tmp_path / "train-16.npy", 7, 16).read([0], 16)


def _sum_of_all(source, path, start, results):
    start.wait()
    results.put(int(CachedPixels(source, path, 7, 64).read(range(7), 64).sum()))


def test_processes_that_start_together_see_one_whole_cache(tmp_path, files):
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    path = tmp_path / "train-64.npy"
    workers = [context.Process(target=_sum_of_all, args=(files, path, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    sums = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert set(sums) == {int(files.read(range(7), 64).sum())}


def test_pictures_in_memory_and_on_disk_are_the_same_bytes(tmp_path):
    """JPEG is decoded in full, not at a reduced scale, before it is resized."""
    original = picture(3, 256, 192)
    encoded = io.BytesIO()
    original.save(encoded, "JPEG")
    (tmp_path / "a.jpg").write_bytes(encoded.getvalue())
    whole = np.asarray(Image.open(encoded).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    read = FilePixels((tmp_path / "a.jpg",), "stretch").read([0], 32)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(read, whole)
