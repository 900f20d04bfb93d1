"""Model cards of the embedded models: `python -m dbb.pretraining.cards`, after the trainings.

Each card gives what the model stands in for, its size, its held-out figures, its curve, and unpicked samples.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from dbb.benchmarks.mini_waterbirds import BENCHMARK
from dbb.models.inpainting import decode_latents, encode_images, load_inpainting, to_signed
from dbb.models.segmenters import load_segmenter
from dbb.pretraining.loop import read_curve
from dbb.pretraining.painter_check import CHECKED, check_painter
from dbb.store import atomic_path, resolve
from dbb.worlds.waterbirds.world import Rendered, random_scenes, render_all

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
    "oracle": (
        "Oracle",
        "a person who looks at the generated images",
        "`ResNetForImageClassification` of transformers",
        ("oracle",),
    ),
}

CARD = """# {title}

Stands in for {stands_for}, at the scale of mini-Waterbirds (64-px drawn scenes). Loads with `from_pretrained` as
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


def painter_sheet(scenes: Rendered) -> np.ndarray:
    """A row of originals, one of their reconstructions by the autoencoder, and 64 inpainted birds of all species."""
    pipe = load_inpainting(BENCHMARK.inpainting)
    painted, _ = check_painter(pipe, scenes, 72)
    originals = torch.from_numpy(scenes.images[:16]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        rebuilt = decode_latents(pipe, encode_images(pipe, to_signed(originals)))
    return tile(torch.cat([originals, rebuilt, painted[:64]]), 16)


def segmenter_sheet(scenes: Rendered) -> np.ndarray:
    """Rows of scenes and of the masks found for "bird", "heron" and "ocean"."""
    images = torch.from_numpy(scenes.images[:24]).permute(0, 3, 1, 2)
    segmenter = load_segmenter(BENCHMARK.segmenter, BENCHMARK.masks.threshold)
    rows = [images]
    for prompt in ("bird", "heron", "ocean"):
        masks = [
            c.masks[0] if len(c.masks) else torch.zeros(64, 64, dtype=torch.bool)
            for c in segmenter.segment(images, prompt)
        ]
        rows.append(torch.stack(masks)[:, None].expand(-1, 3, -1, -1).to(torch.uint8) * 255)
    return tile(torch.cat([part for half in (slice(0, 12), slice(12, 24)) for part in (r[half] for r in rows)]), 12)


def main() -> None:
    """Write the four cards."""
    work, out = resolve(".cache/mini"), resolve("data/mini")
    scenes = render_all(random_scenes("held-out", CHECKED, 0.0))
    sheets = {"inpainting": painter_sheet(scenes), "segmenter": segmenter_sheet(scenes)}
    for name in ABOUT:
        write_card(name, work, out / name, sheets.get(name))
        print("wrote", (out / name / "README.md").relative_to(resolve(".")))


if __name__ == "__main__":
    main()
