"""Train an embedded model: `python -m dbb.pretraining {autoencoder,painter,segmenter,backbone,oracle}`.

Each training goes on from its last checkpoint in the working folder and writes the finished model under data/mini.
The painter needs the autoencoder, and its check the oracle, to be there.
"""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.pretraining import autoencoder, diffusion, recogniser, segmenter
from dbb.pretraining.painter_check import CHECKED, check_painter
from dbb.pretraining.scenes import training_scenes
from dbb.seeds import seed_everything
from dbb.store import resolve, write_json
from dbb.worlds.waterbirds.world import random_scenes, render_all

SCENES = {"autoencoder": 30_000, "painter": 30_000, "segmenter": 12_000, "backbone": 6_000, "oracle": 16_000}
STEPS = {"autoencoder": 5_000, "painter": 6_250, "segmenter": 9_000}
EPOCHS = {"backbone": 1, "oracle": 8}
HELD_OUT = 512


def train_autoencoder(work: Path, out: Path, steps: int, device: str) -> dict[str, float]:
    """Train and save the autoencoder alone; `train_painter` puts it into the pipeline."""
    model = autoencoder.train_autoencoder(training_scenes("generative", SCENES["autoencoder"], 0.1, work), steps, work)
    model.save_pretrained(work / "autoencoder")
    held_out = torch.from_numpy(training_scenes("held-out", HELD_OUT, 0.1, work).images).permute(0, 3, 1, 2)
    return {"psnr_db": autoencoder.psnr(model, held_out)}


def train_painter(work: Path, out: Path, steps: int, device: str) -> dict[str, float]:
    """Train text encoder and UNet, save the whole inpainting pipeline, and let the oracle look at what it paints."""
    if not (work / "autoencoder").exists():
        raise InputError(f"{work / 'autoencoder'} is missing: train the autoencoder first")
    vae = AutoencoderKL.from_pretrained(work / "autoencoder")
    scenes = training_scenes("generative", SCENES["painter"], 0.1, work)
    painter = diffusion.train_painter(scenes, vae, steps, work, device)
    diffusion.save_pipeline(painter.cpu(), vae.cpu(), out / "inpainting")
    scenes = render_all(random_scenes("held-out", CHECKED))
    return check_painter(load_inpainting(str(out / "inpainting")), scenes, CHECKED)[1]


def train_segmenter(work: Path, out: Path, steps: int, device: str) -> dict[str, float]:
    """Train and save the language segmenter."""
    scenes = training_scenes("segmenter", SCENES["segmenter"], 0.15, work)
    model = segmenter.train_segmenter(scenes, steps, work, device).cpu()
    figures = segmenter.evaluate_segmenter(model, training_scenes("held-out", HELD_OUT, 0.1, work))
    segmenter.save_segmenter(model, out / "segmenter")
    return figures


def train_recogniser(name: str, work: Path, out: Path, epochs: int) -> dict[str, float]:
    """Train and save the classifier's backbone or the oracle."""
    scenes = training_scenes(name, SCENES[name], 0.1, work)
    model = recogniser.train_recogniser(name, scenes, epochs, work, with_places=name == "backbone")
    accuracy = recogniser.recogniser_accuracy(model, training_scenes("held-out", HELD_OUT, 0.1, work))
    save = recogniser.save_backbone if name == "backbone" else recogniser.save_oracle
    save(model, out / name)
    return {"species_accuracy": accuracy}


def main() -> None:
    """Parse the command line, train, and write the held-out figures beside the curve."""
    parser = argparse.ArgumentParser(prog="python -m dbb.pretraining", description=__doc__)
    parser.add_argument("model", choices=SCENES)
    parser.add_argument("--steps", type=int, help="training steps, or epochs of the backbone and the oracle")
    parser.add_argument("--work", default=".cache/mini", help="folder of checkpoints and rendered scenes")
    parser.add_argument("--out", default="data/mini", help="folder of the finished models")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    work, out = resolve(arguments.work), resolve(arguments.out)
    work.mkdir(parents=True, exist_ok=True)
    seed_everything(0)
    if arguments.model in EPOCHS:
        epochs = arguments.steps or EPOCHS[arguments.model]
        figures = train_recogniser(arguments.model, work, out, epochs)
    else:
        steps = arguments.steps or STEPS[arguments.model]
        trainers = {"autoencoder": train_autoencoder, "painter": train_painter, "segmenter": train_segmenter}
        figures = trainers[arguments.model](work, out, steps, arguments.device)
    write_json(work / f"{arguments.model}-figures.json", figures)
    print(arguments.model, figures)


if __name__ == "__main__":
    main()
