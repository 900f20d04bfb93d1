"""Small made-up copies of the paper's datasets, in every layout in use."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ODD_NAME = "a bird (1) [ö] é.jpg"


def picture(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A smooth random RGB picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Path:
    """Write a picture in any mode; returns ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, *size).convert(mode).save(path)
    return path


def truncate(path: Path) -> Path:
    """Cut a file in half; returns ``path``."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def make_waterbirds(folder: Path, groups: tuple[int, ...] = (3, 2, 1, 2)) -> Path:
    """Write ``groups`` images of each group into every split, as the Stanford archive unpacks; returns its top folder.

    The first training picture is grayscale, the second CMYK, the third has an odd name.
    """
    top = folder / "waterbird_complete95_forest2water2"
    rows, odd = [], {0: "L", 1: "CMYK"}
    for split in range(3):
        for group, count in enumerate(groups):
            for number in range(count):
                name = f"{group:03d}.Bird/{split}_{number}.jpg" if len(rows) != 2 else f"000.Bird/{ODD_NAME}"
                save(top / name, seed=len(rows), mode=odd.get(len(rows), "RGB"))
                rows.append(
                    {
                        "img_id": len(rows) + 1,
                        "img_filename": name,
                        "y": group // 2,
                        "split": split,
                        "place": group % 2,
                        "place_filename": "/o/ocean/00000123.jpg",
                    }
                )
    pd.DataFrame(rows).to_csv(top / "metadata.csv", index=False)
    return top


def celeba_table(n: int = 60) -> pd.DataFrame:
    """image_id, Male, Blond_Hair (-1, 1) and split (0, 1, 2) of ``n`` images, every fifth blond, every fourth male."""
    number = np.arange(n)
    return pd.DataFrame(
        {
            "image_id": [f"{i + 1:06d}.jpg" for i in number],
            "Male": np.where(number % 4 == 0, 1, -1),
            "Blond_Hair": np.where(number % 5 == 0, 1, -1),
            "split": np.where(number < n - 20, 0, np.where(number < n - 10, 1, 2)),
        }
    )


def make_celeba(folder: Path, layout: str, table: pd.DataFrame) -> Path:
    """Write CelebA into ``folder`` in the layout "kaggle", "torchvision", "group_DRO", "DDB" or "DaC"."""
    inside = {"torchvision": folder / "celeba", "group_DRO": folder / "data"}.get(layout, folder)
    deep = layout in ("kaggle", "DDB")
    images = inside / "img_align_celeba" / ("img_align_celeba" if deep else "")
    for number, name in enumerate(table["image_id"]):
        save(images / name, seed=number, size=(178, 218))
    attributes = table[["image_id"]].assign(Bald=-1, Blond_Hair=table["Blond_Hair"], Male=table["Male"], Young=1)
    if layout in ("kaggle", "group_DRO"):
        attributes.to_csv(inside / "list_attr_celeba.csv", index=False)
        table[["image_id", "split"]].set_axis(["image_id", "partition"], axis=1).to_csv(
            inside / "list_eval_partition.csv", index=False
        )
    elif layout == "torchvision":
        lines = ["  ".join(map(str, row)) for row in attributes.itertuples(index=False)]
        (inside / "list_attr_celeba.txt").write_text(
            f"{len(table)}\n{' '.join(attributes.columns[1:])} \n" + "\n".join(lines) + "\n"
        )
        (inside / "list_eval_partition.txt").write_text(
            "".join(f"{name} {split}\n" for name, split in zip(table["image_id"], table["split"], strict=True))
        )
    else:
        binary = table.assign(Male=(table["Male"] > 0).astype(int), Blond_Hair=(table["Blond_Hair"] > 0).astype(int))
        binary[["image_id", "Male", "Blond_Hair", "split"]].to_csv(inside / "celeba_split.csv", index=False)
    return folder


def make_metashift(folder: Path, counts: dict[str, int] | None = None) -> Path:
    """Write MetaShift as DISC's archive unpacks; returns its top folder."""
    top = folder / "metashifts" / "MetaDatasetCatDog"
    counts = counts or {
        "cat(sofa)": 3,
        "cat(bed)": 2,
        "dog(bench)": 1,
        "dog(bike)": 4,
        "cat(shelf)": 8,
        "dog(shelf)": 12,
    }
    for group, count in counts.items():
        part = top / ("test" if "shelf" in group else "train") / group[:3] / group
        for number in range(count):
            save(part / f"{number:04d}.jpg", seed=number)
    return top


OWN = {"train": (3, 1, 1, 3), "val": (1, 1, 1, 1), "test": (1, 1, 1, 1)}
"""Pictures of each group g = 2 y + a of a user's own dataset."""


def own_table(counts: dict[str, tuple[int, ...]] | None = None) -> pd.DataFrame:
    """path, label (cat, dog), attribute (day, night) and split of a small dataset."""
    rows = []
    for split, groups in (counts or OWN).items():
        for group, count in enumerate(groups):
            for _ in range(count):
                rows.append(
                    {
                        "path": f"{len(rows):03d}.png",
                        "label": ("cat", "dog")[group // 2],
                        "attribute": ("day", "night")[group % 2],
                        "split": split,
                    }
                )
    return pd.DataFrame(rows)


def make_own(folder: Path, settings: str = "", table: pd.DataFrame | None = None, data: str | None = None) -> Path:
    """Write a user's own dataset, cats and dogs by day and by night: pictures, table.csv and own.yml; returns the last.

    settings: more lines of own.yml; one that sets a key again takes its place. data: the lines below ``data:``.
    """
    table = own_table() if table is None else table
    for number, name in enumerate(own_table()["path"]):
        save(folder / "pictures" / name, seed=number)
    table.to_csv(folder / "table.csv", index=False)
    lines = {
        "extends": "mini-waterbirds",
        "classes": "[cat, dog]",
        "attributes": "[day, night]",
        "class_word": "animal",
    }
    lines |= dict(line.split(": ", 1) for line in settings.splitlines() if line)
    data = "  pictures: pictures\n  table: table.csv\n" if data is None else data
    text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value != "-")
    (folder / "own.yml").write_text(text + "data:\n" + data, encoding="utf-8")
    return folder / "own.yml"
