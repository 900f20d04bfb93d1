"""Train an embedded model: `python -m dbb.pretraining MODEL`, one of the autoencoder, the painter, the segmenter, the
backbone, and the oracle of each drawn world.

Each training goes on from its last checkpoint in the working folder and writes the finished model under
data/mini/worlds. The painter needs the autoencoder, and its check the oracles, to be there before. `--start` trains an
autoencoder or a painter on from weights that are there; without it they start from nothing.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.pretraining import autoencoder, diffusion, recogniser, segmenter
from dbb.pretraining.lessons import LESSONS, Lesson
from dbb.pretraining.painter_check import CHECKED, check_painter
from dbb.pretraining.scenes import Book, open_books
from dbb.seeds import seed_everything
from dbb.store import resolve, write_json

SCENES = {"autoencoder": 12_000, "painter": 40_000, "segmenter": 20_000}
"""Of all worlds together, by their lessons' shares."""

STEPS = {"autoencoder": 7_000, "painter": 15_000, "segmenter": 15_000}
ORACLE_SCENES, ORACLE_EPOCHS = 16_000, 8
HELD_OUT = 512


@dataclass(frozen=True)
class Run:
    """What the command line says of a training.

    Attributes:
        work: folder of checkpoints and rendered scenes.
        out: folder of the finished models.
        steps: of the autoencoder, the painter or the segmenter.
        start: a pipeline's folder to train an autoencoder or a painter on from; None: from nothing.
        device: "cpu" or "cuda".
        workers: processes that draw the painter's and the segmenter's batches ahead; 0: none.
    """

    work: Path
    out: Path
    steps: int
    start: Path | None
    device: str
    workers: int


def books_of(name: str, block: str, work: Path) -> list[Book]:
    """Open every world's lesson with its share of a training's scenes."""
    shares = np.array([lesson.share for lesson in LESSONS])
    counts = np.round(SCENES[name] * shares / shares.sum()).astype(int).tolist()
    return open_books(LESSONS, block, counts, 0.1, work)


def held_out(work: Path) -> list[Book]:
    """Open every world's lesson with scenes that no training sees."""
    return open_books(LESSONS, "held-out", [HELD_OUT] * len(LESSONS), 0.1, work)


def train_autoencoder(run: Run) -> dict[str, float]:
    """Train and save the autoencoder alone; `train_painter` puts it into the pipeline."""
    begin = None if run.start is None else run.start / "vae"
    model = autoencoder.train_autoencoder(books_of("autoencoder", "generative", run.work), run.steps, run.work, begin)
    model.save_pretrained(run.work / "autoencoder")
    return {
        f"{book.lesson.world.name}_psnr_db": autoencoder.psnr(
            model, torch.from_numpy(book.rendered.images).permute(0, 3, 1, 2)
        )
        for book in held_out(run.work)
    }


def train_painter(run: Run) -> dict[str, float]:
    """Train text encoder and UNet, save the whole inpainting pipeline, and let the oracles look at what it paints."""
    for needed in (run.work / "autoencoder", *(run.out / lesson.oracle for lesson in LESSONS)):
        if not needed.exists():
            raise InputError(f"{needed} is missing: train it first")
    vae = AutoencoderKL.from_pretrained(run.work / "autoencoder")
    books = books_of("painter", "generative", run.work)
    painter = diffusion.train_painter(books, vae, run.steps, run.work, run.device, run.start, workers=run.workers)
    diffusion.save_pipeline(painter.cpu(), vae.cpu(), run.out / "inpainting")
    pipe, figures = load_inpainting(str(run.out / "inpainting")), {}
    for book in held_out(run.work):
        for name, value in check_painter(pipe, book, book.lesson.judged_by(run.out), CHECKED).figures.items():
            figures[f"{book.lesson.world.name}_{name}"] = value
    return figures


def train_segmenter(run: Run) -> dict[str, float]:
    """Train and save the language segmenter."""
    books = books_of("segmenter", "segmenter", run.work)
    model = segmenter.train_segmenter(books, run.steps, run.work, run.device, workers=run.workers).cpu()
    figures = {
        name: value for book in held_out(run.work) for name, value in segmenter.evaluate_segmenter(model, book).items()
    }
    segmenter.save_segmenter(model, run.out / "segmenter")
    return figures


def train_backbone(work: Path, out: Path) -> dict[str, float]:
    """Train and save the classifiers' backbone, each world for its lesson's epochs."""
    books = open_books(LESSONS, "backbone", [lesson.backbone_scenes for lesson in LESSONS], 0.1, work)
    heads = recogniser.backbone_heads(LESSONS)
    model = recogniser.train_recogniser("backbone", books, heads, [b.lesson.backbone_epochs for b in books], work)
    figures = recogniser.recogniser_accuracy(model, heads, held_out(work))
    recogniser.save_backbone(model, out / "backbone")
    return figures


def train_oracle(lesson: Lesson, work: Path, out: Path) -> dict[str, float]:
    """Train and save a world's oracle."""
    name, heads = lesson.oracle, recogniser.oracle_heads(lesson)
    books = open_books([lesson], "oracle", [ORACLE_SCENES], 0.1, work)
    model = recogniser.train_recogniser(name, books, heads, [ORACLE_EPOCHS], work)
    figures = recogniser.recogniser_accuracy(model, heads, held_out(work))
    recogniser.save_oracle(model, lesson, out / name)
    return figures


TRAINERS = {"autoencoder": train_autoencoder, "painter": train_painter, "segmenter": train_segmenter}
STARTED = ("autoencoder", "painter")
AHEAD = ("painter", "segmenter")
ORACLES = {lesson.oracle: lesson for lesson in LESSONS}


def main() -> None:
    """Parse the command line, train, and write the held-out figures beside the curve."""
    parser = argparse.ArgumentParser(prog="python -m dbb.pretraining", description=__doc__)
    parser.add_argument("model", choices=(*TRAINERS, "backbone", *ORACLES))
    parser.add_argument("--steps", type=int, help="training steps of autoencoder, painter or segmenter")
    parser.add_argument("--start", help="a pipeline's folder, to train an autoencoder or a painter on from")
    parser.add_argument("--work", default=".cache/worlds", help="folder of checkpoints and rendered scenes")
    parser.add_argument("--out", default="data/mini/worlds", help="folder of the finished models")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches ahead, as a GPU wants it")
    arguments = parser.parse_args()
    if arguments.steps and arguments.model not in TRAINERS:
        parser.error(f"--steps says nothing to {arguments.model}: its epochs are in dbb/pretraining/lessons.py")
    if arguments.workers and arguments.model not in AHEAD:
        parser.error(f"{arguments.model} draws its batches as it goes: --workers is for {' and '.join(AHEAD)}")
    if arguments.start and arguments.model not in STARTED:
        parser.error(f"{arguments.model} starts from nothing: --start is for {' and '.join(STARTED)}")
    work, out = resolve(arguments.work), resolve(arguments.out)
    work.mkdir(parents=True, exist_ok=True)
    seed_everything(0)
    name = arguments.model
    if name in TRAINERS:
        start = None if arguments.start is None else resolve(arguments.start)
        run = Run(work, out, arguments.steps or STEPS[name], start, arguments.device, arguments.workers)
        figures = TRAINERS[name](run)
    else:
        figures = train_backbone(work, out) if name == "backbone" else train_oracle(ORACLES[name], work, out)
    write_json(work / f"{name}-figures.json", figures)
    print(name, figures)


if __name__ == "__main__":
    main()
