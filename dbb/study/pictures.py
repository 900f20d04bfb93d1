"""The study's sets of pictures, each made from the same source images: by the painter, or by a control's short cut."""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.generation import composite, generate, plan
from dbb.manifest import generated_set
from dbb.masks import MaskTable, inpainting_mask
from dbb.mini.scenes import COLOURS, LANDBIRDS, WATERBIRDS, Scene, render
from dbb.models import decode_latents, encode_images, load_inpainting, to_signed
from dbb.seeds import image_seed
from dbb.study.products import Products
from dbb.study.tokens import token_files
from dbb.tokens import add_token

BLUR_SIGMA = 6.0  # px: nothing of a bird's outline survives it


@dataclass(frozen=True)
class Pictures:
    """A set of pictures: image n was made from source n.

    images: labelled with the target classes. masks: bool (N, S, S), M of eq. 5; outside them all but the renderer's
    pictures are their sources.
    """

    images: ImageSet
    masks: np.ndarray


@cache
def make(products: Products, name: str) -> Pictures:
    """Return the set called ``name``, making what is not there yet.

    "tokens", "tokens N": the method's, with tokens learned from the benchmark's number of images or from N.
    "class word": without textual inversion. "erased": an empty scene is painted over the bird.
    "true masks": the renderer's silhouettes in place of the segmenter's masks.
    "blurred": the masked part blurred. "renderer": the same scene drawn with a bird of the other class.

    Raises InputError for another name.
    """
    sources = products.sources
    masks = products.masks.padded(sources.ids)
    match name:
        case "blurred":
            return _pictures(products, blurred(_pixels(products, sources), masks), masks)
        case "renderer":
            return _pictures(products, rendered(sources, products.seed), masks)
        case "true masks":
            return _painted(products, name, true_masks(products))
        case _ if name in ("class word", "erased") or re.fullmatch(r"tokens( \d+)?", name):
            return _painted(products, name, products.masks)
    raise InputError(f"unknown set of pictures {name!r}")


def autoencoded(products: Products) -> ImageSet:
    """Return the sources passed through the autoencoder inside their masks, labelled as they were."""
    sources = products.sources
    originals, masks = _pixels(products, sources), products.masks.padded(sources.ids)
    pipe = load_inpainting(products.benchmark.inpainting)
    with torch.inference_mode():
        rebuilt = torch.cat([decode_latents(pipe, encode_images(pipe, to_signed(part)))
                             for part in originals.split(50)])
    return _image_set(composite(rebuilt, originals, masks), sources.labels, sources)


def joined(one: ImageSet, other: ImageSet, size: int) -> ImageSet:
    """Return both sets as one in memory; the ids are new."""
    parts = [images.pixels(range(len(images)), size) for images in (one, other)]
    labels, attributes = (np.concatenate(pair) for pair in
                          ((one.labels, other.labels), (one.attributes, other.attributes)))
    return ImageSet(_array(torch.cat(parts)), labels, attributes, one.n_attributes, np.arange(len(labels)))


def blurred(originals: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return uint8 (N, 3, S, S), Gaussian-blurred inside the masks, bool (N, S, S)."""
    radius = int(3 * BLUR_SIGMA)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / BLUR_SIGMA) ** 2)
    rows = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = F.pad(originals.float(), [radius] * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(padded, rows, groups=3), rows.mT, groups=3)
    return composite(smooth.round().clamp(0, 255).to(torch.uint8), originals, masks)


def rendered(sources: ImageSet, seed: int) -> torch.Tensor:
    """Return each source's scene with a random bird of the other class, uint8 (N, 3, S, S)."""
    truth, images = sources.truth, []
    for n, label in enumerate(sources.labels):
        rng = np.random.default_rng(image_seed("renderer", seed, int(sources.ids[n]), int(1 - label)))
        species, colour = str(rng.choice(LANDBIRDS if label else WATERBIRDS)), str(rng.choice(COLOURS))
        images.append(render(Scene(species, colour, str(truth["place"][n]), int(truth["scene_seed"][n])))[0])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def true_masks(products: Products) -> MaskTable:
    """Return the table of the sources' silhouettes, padded or boxed as the segmenter's masks are."""
    ids, settings = products.sources.ids, products.benchmark.masks
    silhouettes = torch.from_numpy(products.train.truth["mask"][ids])
    padded = [inpainting_mask(mask, settings.pad, settings.box).numpy() for mask in silhouettes]
    packed = (np.packbits(np.stack(masks).reshape(len(ids), -1), axis=1) for masks in (silhouettes.numpy(), padded))
    area = silhouettes.float().mean((1, 2)).numpy()
    return MaskTable(ids, np.ones(len(ids), bool), np.ones(len(ids), np.float32), area, *packed, silhouettes.shape[-1])


def prompts(products: Products, name: str) -> list[str]:
    """Return each source's prompt in the set ``name``."""
    benchmark, sources = products.benchmark, products.sources
    template = benchmark.templates[0]
    if name == "erased":
        return [f"a photo of an empty {place}" for place in sources.truth["place"]]
    if name == "class word":  # the template without its token is the bare class word
        return [" ".join(template.format("").split())] * len(sources)
    return [template.format(benchmark.placeholder_token(1 - label)) for label in sources.labels]


def _painted(products: Products, name: str, table: MaskTable) -> Pictures:
    benchmark, sources = products.benchmark, products.sources
    pipe = load_inpainting(benchmark.inpainting)
    tokens = _tokens(products, name)
    for path in filter(None, tokens):
        add_token(pipe, path)
    rows, targets = table.rows(sources.ids), 1 - sources.labels
    manifest = plan(benchmark.name, products.seed, sources.ids, sources.labels, targets, [""] * len(tokens), tokens,
                    table.found[rows], table.area[rows], table.score[rows])
    manifest["prompt"] = prompts(products, name)
    folder = products.folder / "pictures" / name.replace(" ", "-")
    manifest = generate(pipe, manifest, products.train, table.padded, benchmark.generation_size, folder,
                        benchmark.generation)
    images = generated_set(folder, manifest, sources.attributes, sources.n_attributes)
    return Pictures(images, table.padded(sources.ids).numpy())


def _tokens(products: Products, name: str) -> list:
    """The token file of each class, None where the set's prompts hold no token."""
    if name in ("class word", "erased"):
        return [None] * len(products.benchmark.classes)
    number = name.removeprefix("tokens").strip()
    return token_files(products, int(number) if number.isdigit() else products.benchmark.inversion.images)


def _pixels(products: Products, images: ImageSet) -> torch.Tensor:
    return images.pixels(range(len(images)), products.benchmark.generation_size)


def _pictures(products: Products, pixels: torch.Tensor, masks: torch.Tensor) -> Pictures:
    return Pictures(_image_set(pixels, 1 - products.sources.labels, products.sources), masks.numpy())


def _image_set(pixels: torch.Tensor, labels: np.ndarray, sources: ImageSet) -> ImageSet:
    return ImageSet(_array(pixels), labels, sources.attributes, sources.n_attributes, np.arange(len(labels)))


def _array(pixels: torch.Tensor) -> ArrayPixels:
    return ArrayPixels(pixels.permute(0, 2, 3, 1).contiguous().numpy())
