"""Tiny random-weight models in the true folder layouts, for the real library classes to run fast."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPImageProcessor,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    ResNetConfig,
    ResNetModel,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
    SamConfig,
    SamImageProcessor,
    SamMaskDecoderConfig,
    SamModel,
    SamProcessor,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
)

from dbb.data.images import ArrayPixels, ImageSet
from dbb.models.sources import quiet_loading
from dbb.pretraining.tokenizer import tokenizer_from_words

WORDS = "a an and background bird crow duck forest in lake of on over photo picture rendering the".split()
LENGTH = 16
SIZE = 64


def _tokenizer() -> CLIPTokenizer:
    return tokenizer_from_words(WORDS, model_max_length=LENGTH)


def make_inpainting(folder: Path, seed: int = 0, in_channels: int = 9, prediction_type: str = "v_prediction") -> Path:
    """Save an inpainting pipeline for 64-px images with 32x32x4 latents into ``folder``; returns ``folder``.

    in_channels: 9, or 4 for a denoiser without the mask's channels.
    """
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    unet = UNet2DConditionModel(
        sample_size=SIZE // 2,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=SIZE,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    pipe = StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDPMScheduler(
            prediction_type=prediction_type,
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with quiet_loading():
        pipe.save_pretrained(folder)
    return folder


def make_segmenter(folder: Path, seed: int = 0) -> Path:
    """Save a CLIPSeg for 64-px images, its tokenizer and image processor into ``folder``, returned."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    shared = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4)
    model = CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config=dict(
                vocab_size=len(tokenizer),
                max_position_embeddings=LENGTH,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
                **shared,
            ),
            vision_config=dict(image_size=SIZE, patch_size=8, **shared),
            projection_dim=16,
            extract_layers=[0, 1, 2],
            reduce_dim=16,
            decoder_num_attention_heads=4,
            decoder_intermediate_size=32,
        )
    )
    with quiet_loading():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"height": SIZE, "width": SIZE}, do_center_crop=False).save_pretrained(folder)
    return folder


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    """Smooth random pictures: uint8 (n, 3, 64, 64)."""
    coarse = torch.rand(n, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 255
    return torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 255).to(torch.uint8)


def boxes(n: int) -> torch.Tensor:
    """Masks with a box each, shifted from image to image: bool (n, 64, 64)."""
    masks = torch.zeros(n, SIZE, SIZE, dtype=torch.bool)
    for i in range(n):
        masks[i, 10 + i : 40 + i, 16 : 50 - i] = True
    return masks


def make_backbone(folder: Path) -> str:
    """Save a tiny ResNet and return its folder."""
    torch.manual_seed(0)
    # With fewer channels than 8, the way back through torch's convolutions of 1 px with stride 2 writes where it must
    # not: torch 2.15 on a CPU, channels last.
    ResNetModel(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ).save_pretrained(folder)
    return str(folder)


def bright_and_dark(n: int, seed: int) -> ImageSet:
    """Class 1 is brighter than class 0: learnt within an epoch or two."""
    rng = np.random.default_rng(seed)
    labels, attributes = rng.integers(0, 2, (2, n))
    pixels = rng.integers(0, 128, (n, 16, 16, 3)) + 127 * labels[:, None, None, None]
    return ImageSet(ArrayPixels(pixels.astype(np.uint8)), labels, attributes, 2, np.arange(n))


def make_grounding_dino(folder: Path, seed: int = 0) -> Path:
    """Save a GroundingDINO with 12 queries that computes at 128 px, and its processor, into ``folder``, returned."""
    torch.manual_seed(seed)
    model = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(
                image_size=2 * SIZE,
                patch_size=4,
                embed_dim=8,
                depths=[1, 1, 1, 1],
                num_heads=[1, 1, 2, 2],
                window_size=2,
                out_indices=[2, 3, 4],
            ),
            text_config=BertConfig(
                vocab_size=len(_bert_vocabulary()),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
            ),
            num_queries=12,
            d_model=32,
            encoder_layers=1,
            decoder_layers=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
        )
    )
    size = {"shortest_edge": 2 * SIZE, "longest_edge": 2 * SIZE}
    processor = GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), BertTokenizer(_bert_vocabulary()))
    with quiet_loading():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _bert_vocabulary() -> dict[str, int]:
    """Words, and the four that GroundingDINO parts a prompt by, at the ids that it expects (BERT's own)."""
    marks = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    others = (i for i in range(1030 + len(WORDS)) if i not in marks.values())
    names = [*WORDS, *(f"[unused{i}]" for i in range(1030 - len(marks)))]
    return marks | dict(zip(names, others, strict=True))


def make_sam(folder: Path, seed: int = 0) -> Path:
    """Save a SAM that computes at 128 px, and its processor, into ``folder``, returned."""
    torch.manual_seed(seed)
    side = 2 * SIZE
    model = SamModel(
        SamConfig(
            vision_config=SamVisionConfig(
                hidden_size=16,
                output_channels=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=side,
                patch_size=16,
                mlp_dim=32,
                num_pos_feats=8,
                window_size=4,
                global_attn_indexes=[1],
            ),
            prompt_encoder_config=SamPromptEncoderConfig(
                hidden_size=16, image_size=side, patch_size=16, mask_input_channels=4
            ),
            mask_decoder_config=SamMaskDecoderConfig(
                hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
            ),
        )
    )
    shape = {"height": side, "width": side}
    with quiet_loading():
        model.save_pretrained(folder)
    SamProcessor(SamImageProcessor(size={"longest_edge": side}, pad_size=shape)).save_pretrained(folder)
    return folder


def make_sam2(folder: Path, seed: int = 0) -> Path:
    """Save a SAM 2 that computes at 128 px, and its processor, into ``folder``, returned.

    It is the model for videos, as published: an image segmenter is a part of it.
    """
    torch.manual_seed(seed)
    side = 2 * SIZE
    model = Sam2VideoModel(
        Sam2VideoConfig(
            vision_config=Sam2VisionConfig(
                backbone_config=Sam2HieraDetConfig(
                    hidden_size=8,
                    image_size=[side, side],
                    blocks_per_stage=[1, 1, 2, 1],
                    embed_dim_per_stage=[8, 16, 32, 64],
                    num_attention_heads_per_stage=[1, 1, 2, 2],
                    window_size_per_stage=[4, 4, 4, 4],
                    global_attention_blocks=[3],
                ),
                backbone_channel_list=[64, 32, 16, 8],
                backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
                fpn_hidden_size=32,
            ),
            prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=32, image_size=side, mask_input_channels=4),
            mask_decoder_config=Sam2MaskDecoderConfig(
                hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
            ),
        )
    )
    with quiet_loading():
        model.save_pretrained(folder)
    Sam2Processor(Sam2ImageProcessor(size={"height": side, "width": side})).save_pretrained(folder)
    return folder
