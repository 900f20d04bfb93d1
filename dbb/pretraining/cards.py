"""Model cards of the embedded models: `python -m dbb.pretraining.cards`, after the trainings.

Each card gives what the model stands in for, its size, its held-out figures, its curve, and unpicked samples.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from dbb.models.inpainting import decode_latents, encode_images, load_inpainting, to_signed
from dbb.models.segmenters import load_segmenter
from dbb.pretraining.lessons import LESSONS
from dbb.pretraining.loop import read_curve
from dbb.pretraining.painter_check import check_painter
from dbb.pretraining.scenes import Book, open_books
from dbb.store import atomic_path, resolve

FEW, SHOWN, COLUMNS = 64, 32, 16  # held-out scenes; of them painted; a row

ABOUT = {
    "inpainting": (
        "Inpainting pipeline",
        "Stable Diffusion 2 inpainting",
        "`StableDiffusionInpaintPipeline` of diffusers",
        ("autoencoder", "painter"),
    ),
    "segmenter": ("Language segmenter", "LangSAM", "`CLIPSegForImageSegmentation` of transformers", ("segmenter",)),
    "backbone": (
        "Backbone of the classifier",
        "ResNet-50 with ImageNet weights",
        "`ResNetModel` of transformers",
        ("backbone",),
    ),
} | {
    lesson.oracle: (
        f"Oracle of {lesson.world.name}",
        "a person who looks at the generated images",
        "`ResNetForImageClassification` of transformers",
        (lesson.oracle,),
    )
    for lesson in LESSONS
}

CARD = """# {title}

Stands in for {stands_for}, at the scale of the drawn worlds (64-px scenes). Loads with `from_pretrained` as
{loads}. {parameters:.2f} M parameters, {megabytes:.1f} MB in half precision.

Trained by `python -m dbb.pretraining {commands}` on scenes that no other model and no benchmark split contains.

## Figures on held-out scenes
{figures}

## Curves
![Training loss against steps](curve.png)
{samples}
Licence: MIT, like the project. Its world is drawn and small: nothing it does carries over to photographs.
"""


def write_card(name: str, work: Path, folder: Path, sheet: np.ndarray | None) -> None:
    """Write README.md, curve.png and samples.png into a model's folder."""
    title, stands_for, loads, trainings = ABOUT[name]
    figures: dict[str, float] = {}
    for training in trainings:
        figures |= json.loads((work / f"{training}-figures.json").read_text())
    weights = sorted(folder.rglob("*.safetensors"))
    megabytes = sum(path.stat().st_size for path in weights) / 1e6
    draw_curves({training: read_curve(work, training) for training in trainings}, folder / "curve.png")
    if sheet is not None:
        with atomic_path(folder / "samples.png") as temporary:
            plt.imsave(temporary, sheet.repeat(2, 0).repeat(2, 1), format="png")
    card = CARD.format(
        title=title,
        stands_for=stands_for,
        loads=loads,
        parameters=megabytes / 2,
        megabytes=megabytes,
        commands="`, then `python -m dbb.pretraining ".join(trainings),
        figures="\n".join(f"- {key.replace('_', ' ')}: {value:.3g}" for key, value in figures.items()),
        samples="\n## Unpicked samples\n![Samples](samples.png)\n" if sheet is not None else "",
    )
    with atomic_path(folder / "README.md") as temporary:
        temporary.write_text(card)


def draw_curves(curves: dict[str, list[list[float]]], path: Path) -> None:
    """Draw each training's loss, on a logarithmic axis, beside the others."""
    figure, axes = plt.subplots(1, len(curves), figsize=(4.5 * len(curves), 2.8), squeeze=False)
    for ax, (name, curve) in zip(axes[0], curves.items(), strict=True):
        steps, losses = np.array(curve)[:, 0], np.array(curve)[:, 1]
        ax.plot(steps, losses)
        ax.set(title=name, xlabel="step", ylabel="training loss", yscale="log")
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)
    plt.close(figure)


def tile(images: torch.Tensor, columns: int) -> np.ndarray:
    """Lay uint8 (N, 3, S, S) out in rows: uint8 (N / columns * S, columns * S, 3)."""
    n, _, size, _ = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(n // columns, columns, size, size, 3)
    return rows.permute(0, 2, 1, 3, 4).reshape(n // columns * size, columns * size, 3).numpy()


def painter_rows(book: Book, models: Path) -> np.ndarray:
    """Held-out scenes, unpicked, each in four rows: the original, its reconstruction by the autoencoder, what is to be
    painted, and the picture with a kind of the other class.
    """
    benchmark = book.lesson.judged_by(models)
    pipe = load_inpainting(benchmark.inpainting)
    painted = check_painter(pipe, book, benchmark, SHOWN)
    with torch.inference_mode():
        rebuilt = decode_latents(pipe, encode_images(pipe, to_signed(painted.originals)))
    hidden = painted.originals.where(~painted.masks[:, None], torch.tensor(128, dtype=torch.uint8))
    rows = (painted.originals, rebuilt, hidden, painted.images)
    halves = (slice(k, k + COLUMNS) for k in range(0, SHOWN, COLUMNS))
    return tile(torch.cat([row[half] for half in halves for row in rows]), COLUMNS)


def segmenter_rows(book: Book, models: Path) -> np.ndarray:
    """Held-out scenes, and the masks found for the subject, for the scene's own kind and place, and for another world's
    subject.
    """
    benchmark, scenes, lesson = book.lesson.judged_by(models), book.rendered.scenes[:COLUMNS], book.lesson
    images = torch.from_numpy(book.rendered.images[:COLUMNS]).permute(0, 3, 1, 2)
    segmenter = load_segmenter(benchmark.segmenter, benchmark.masks.threshold)
    name, phrase = lesson.phrases[0]
    own = [phrase.format(getattr(scene, name)) if getattr(scene, name) else lesson.subject for scene in scenes]
    rows = [images]
    for prompts in ([lesson.subject] * COLUMNS, own, [scene.place for scene in scenes], [lesson.never[0]] * COLUMNS):
        found = [segmenter.segment(images[k : k + 1], prompt)[0].masks for k, prompt in enumerate(prompts)]
        masks = [m[0] if len(m) else torch.zeros(images.shape[-2:], dtype=torch.bool) for m in found]
        rows.append(torch.stack(masks)[:, None].expand(-1, 3, -1, -1).to(torch.uint8) * 255)
    return tile(torch.cat(rows), COLUMNS)


def sheet(rows: Callable[[Book, Path], np.ndarray], books: Sequence[Book], models: Path) -> np.ndarray:
    """One world below the other."""
    return np.concatenate([rows(book, models) for book in books])


def main() -> None:
    """Write every model's card."""
    work, out = resolve(".cache/worlds"), resolve("data/mini/worlds")
    books = open_books(LESSONS, "held-out", [FEW] * len(LESSONS), 0.0, work)
    sheets = {"inpainting": sheet(painter_rows, books, out), "segmenter": sheet(segmenter_rows, books, out)}
    for name in ABOUT:
        write_card(name, work, out / name, sheets.get(name))
        print("wrote", (out / name / "README.md").relative_to(resolve(".")))


if __name__ == "__main__":
    main()
