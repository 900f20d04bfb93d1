"""The models, pictures and sizes that `true_size.py` works on: the paper's own, or tiny ones for its tests."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
import true_size_models
from diffusers import PNDMScheduler, StableDiffusionInpaintPipeline
from PIL import Image
from torch import nn
from torchvision.models import resnet50
from transformers import (
    BertTokenizer,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SamImageProcessor,
    SamProcessor,
)
from true_size_counts import BATCHES, DETECTED, WATERBIRDS, Models, count, true_models

from dbb.benchmarks import IMAGENET_MEAN, IMAGENET_STD
from dbb.data.files import Listing
from dbb.data.images import ImageSet
from dbb.input_format import InputFormat
from dbb.models.classifier import Classifier, load_classifier
from dbb.models.inpainting import compile_denoiser, load_inpainting
from dbb.models.segmenters.grounded import GroundedSAMSegmenter, load_grounded_sam
from dbb.models.sources import find_source, quiet_loading
from dbb.pretraining.tokenizer import tokenizer_from_words

WORDS = "a bird of photo picture rendering the".split()
PROMPT = "a photo of a bird"


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    repeats: runs of each line. batch, literal_batch: images painted at a time; sweep: others tried. steps: of the
    model's own sampler, then two of DPM-Solver++. inversion_*: of textual inversion. points: of integrated gradients;
    internal_batches: tried for them. segmented, trained: images at a time. matmul: side of the matrices.
    """

    repeats: int
    batch: int
    literal_batch: int
    sweep: tuple[int, ...]
    steps: tuple[int, int, int]
    inversion_images: int
    inversion_steps: int
    inversion_batch: int
    points: int
    internal_batches: tuple[int, ...]
    segmented: tuple[int, ...]
    trained: int
    matmul: int


TRUE = Sizes(
    repeats=3,
    batch=BATCHES["inpainting"],
    literal_batch=BATCHES["literal"],
    sweep=(8, 16, 64),
    steps=(50, 25, 20),
    inversion_images=WATERBIRDS.inversion.images,
    inversion_steps=20,
    inversion_batch=WATERBIRDS.inversion.batch_size,
    points=WATERBIRDS.pruning.steps,
    internal_batches=(BATCHES["pruning"], 400, 800),
    segmented=(BATCHES["masks"], 4, 16),
    trained=WATERBIRDS.retraining.batch_size,
    matmul=8192,
)
TINY = Sizes(
    repeats=1,
    batch=2,
    literal_batch=2,
    sweep=(1,),
    steps=(3, 2, 2),
    inversion_images=2,
    inversion_steps=2,
    inversion_batch=2,
    points=3,
    internal_batches=(6, 3),
    segmented=(2, 1),
    trained=2,
    matmul=64,
)


@dataclass(frozen=True)
class World:
    """Everything that is timed, each model made anew on ``device`` by a call.

    dtype, literal_dtype: of our denoiser and of the official one. size: px of the pictures.
    pipe: by dtype, with the model's own sampler, as a folder's loading leaves it.
    compile_denoiser: in place. detected: px at which the detector sees a picture.
    """

    device: torch.device
    dtype: torch.dtype
    literal_dtype: torch.dtype
    sizes: Sizes
    size: int
    detected: int
    input_format: InputFormat
    pipe: Callable[[torch.dtype], StableDiffusionInpaintPipeline]
    segmenter: Callable[[], GroundedSAMSegmenter]
    classifier: Callable[[], Classifier]
    compile_denoiser: Callable[[StableDiffusionInpaintPipeline], None]

    def counts(self) -> dict[str, int]:
        """Return operations per image, as `true_size_counts.count` names them."""
        if self.device.type == "cuda":
            return count(true_models())
        pipe, segmenter = self.pipe(torch.float32), self.segmenter()
        return count(
            Models(
                pipe.unet,
                pipe.vae,
                pipe.text_encoder,
                segmenter.detector,
                segmenter.sam,
                self.classifier(),
                self.size,
                self.detected,
                self.input_format.size,
            )
        )


def true_world(device: torch.device) -> World:
    """Return the paper's scale with random weights, on a GPU."""
    return World(
        device,
        torch.bfloat16,
        torch.float16,
        TRUE,
        WATERBIRDS.generation_size,
        DETECTED,
        WATERBIRDS.input_format,
        lambda dtype: _true_pipe(device, dtype),
        lambda: _true_segmenter(device),
        lambda: _true_classifier(device),
        compile_denoiser,
    )


def _true_pipe(device: torch.device, dtype: torch.dtype) -> StableDiffusionInpaintPipeline:
    pipe = StableDiffusionInpaintPipeline(
        **true_size_models.inpainting_components(dtype, str(device)),
        tokenizer=tokenizer_from_words(WORDS, 77),
        feature_extractor=None,
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _true_segmenter(device: torch.device) -> GroundedSAMSegmenter:
    # Moved once more: GroundingDINO makes one parameter on the CPU whatever the default device is.
    detector = nn.Module.to(true_size_models.grounding_dino(device=str(device)), device)
    edges = {"shortest_edge": DETECTED, "longest_edge": 1333}
    processor = GroundingDinoProcessor(GroundingDinoImageProcessor(size=edges), _bert_tokenizer())
    sam_processor = SamProcessor(
        SamImageProcessor(size={"longest_edge": 1024}, pad_size={"height": 1024, "width": 1024})
    )
    threshold = WATERBIRDS.masks.threshold
    return GroundedSAMSegmenter(
        detector, processor, true_size_models.sam(device=str(device)), sam_processor, threshold, torch.bfloat16
    )


def _bert_tokenizer() -> BertTokenizer:
    """A few words; the marks and the full stop by which GroundingDINO parts a prompt have BERT's own ids."""
    marks = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    free = [i for i in range(1030 + len(WORDS)) if i not in marks.values()]
    names = [*WORDS, *(f"[unused{i}]" for i in range(len(free) - len(WORDS)))]
    return BertTokenizer(marks | dict(zip(names, free, strict=True)))


def _true_classifier(device: torch.device) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = resnet50()
        width, backbone.fc = backbone.fc.in_features, nn.Identity()
        return Classifier(backbone, width, 2).to(device).to(memory_format=torch.channels_last).eval()


def tiny_world(folder: Path) -> World:
    """Return the tests' stand-ins, saved into ``folder``, on the CPU; compiled is a small part, for time's sake."""
    standins = _standins()
    pipe = standins.make_inpainting(folder / "inpainting")
    detector = find_source(str(standins.make_grounding_dino(folder / "detector")), "detector")
    sam = find_source(str(standins.make_sam(folder / "sam")), "SAM")
    with quiet_loading():
        backbone = standins.make_backbone(folder / "backbone")
    return World(
        torch.device("cpu"),
        torch.float32,
        torch.float32,
        TINY,
        standins.SIZE,
        2 * standins.SIZE,
        InputFormat(16, IMAGENET_MEAN, IMAGENET_STD),
        lambda dtype: _tiny_pipe(pipe, dtype),
        lambda: load_grounded_sam(detector, sam, 0.5, "cpu"),
        lambda: load_classifier(backbone, 2, seed=0).eval(),
        lambda made: made.unet.mid_block.compile(fullgraph=True, backend="eager"),
    )


def _standins() -> ModuleType:
    """The tests' stand-ins, from their file: they are on no path when this runs outside of the tests."""
    path = Path(__file__).resolve().parents[1] / "tests" / "support" / "standins.py"
    spec = spec_from_file_location("standins", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tiny_pipe(folder: Path, dtype: torch.dtype) -> StableDiffusionInpaintPipeline:
    pipe = load_inpainting(str(folder), dtype=dtype, sampler="the model's own")
    pipe.scheduler = PNDMScheduler.from_config(pipe.scheduler.config, skip_prk_steps=True)
    return pipe


# ------------------------------------------------------------------------------------------------ pictures


def pictures(n: int, size: int, seed: int = 0) -> torch.Tensor:
    """Return smooth random pictures with some grain, uint8 (n, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(n, 3, 5, 5, generator=generator), (size, size), mode="bicubic")
    grain = 0.05 * torch.randn(n, 3, size, size, generator=generator)
    return ((smooth + grain).clamp(0, 1) * 255).to(torch.uint8)


def painted_masks(n: int, size: int) -> torch.Tensor:
    """Return a box in the middle of each picture, bool (n, size, size)."""
    masks = torch.zeros(n, size, size, dtype=torch.bool)
    masks[:, size // 4 : -size // 4, size // 4 : -size // 4] = True
    return masks


def on_disk(folder: Path, images: torch.Tensor, label: int) -> ImageSet:
    """Write ``images``, uint8 (N, 3, S, S), into ``folder`` and return them as a split of one class."""
    folder.mkdir(parents=True)
    paths = tuple(folder / f"{i:06d}.png" for i in range(len(images)))
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return Listing(paths, np.full(len(images), label), np.zeros(len(images), np.int64)).image_set(2, "stretch")
