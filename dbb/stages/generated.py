"""The stage of generation: what is planned from sources, masks and tokens is painted."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from dbb.benchmarks.entry import GenerationSettings
from dbb.models.devices import MEMORY_BATCH, pick_device
from dbb.models.inpainting import compile_denoiser, fit_memory, load_inpainting
from dbb.models.tokens import add_token, token_file
from dbb.record import Made, StageRun, digest_of
from dbb.stages.manifest import MANIFEST, write_manifest
from dbb.stages.mask_table import MASKS, SOURCES, load_masks
from dbb.stages.painting import generate, plan
from dbb.stages.run import Run
from dbb.store import require_file


def generated(
    run: Run,
    settings: GenerationSettings | None = None,
    composited: bool = True,
    compiled: bool = False,
    shard: tuple[int, int] = (0, 1),
    prompts: Mapping[int, str] | None = None,
) -> Made:
    """Make or load the stage: each source painted into each class that the benchmark's pairs name for it (eq. 2).

    Files: manifest.parquet and `images/*.png`.

    Args:
        settings: None: the benchmark's own, fitted to the run's memory.
        composited, shard: as `dbb.stages.painting.generate` takes them; a shard has a record of its own and leaves the
            manifest to the call for all.
        compiled: compile the denoiser.
        prompts: source id -> its prompt, in place of the prompt with the target class's token; no token is read then.
    """
    bm, settings = run.benchmark, settings or fitted(run, run.benchmark.generation)
    folder, whole = run.folder("generated"), shard[1] == 1

    def work(stage: StageRun) -> None:
        pipe = load_inpainting(bm.inpainting, pick_device(run.device), sampler=settings.sampler)
        if run.memory is not None:
            fit_memory(pipe, run.memory)
        for path in token_files(run).values() if prompts is None else ():
            add_token(pipe, path)
        if compiled:
            compile_denoiser(pipe)
        planned = planned_images(run, prompts)
        manifest, painted = generate(
            pipe,
            planned,
            run.split("train"),
            load_masks(run.folder("masks") / MASKS).padded,
            bm.generation_size,
            folder,
            settings,
            stage.stamp,
            composited,
            shard,
        )
        made = manifest[manifest["status"] == "generated"]
        if whole:
            write_manifest(stage.path(MANIFEST), manifest)
        stage.products += [os.path.relpath(folder / name, stage.folder) for name in made["file"]]
        stage.counts |= {
            "planned": len(manifest),
            "no mask": int((manifest["status"] == "no mask").sum()),
            "generated": len(made),
        }
        stage.metrics["painted_now"] = painted

    given = {
        **asdict(settings),
        "pairs": bm.pairs,
        "composited": composited,
        "compiled": compiled,
        "size": bm.generation_size,
        "prompts": digest_of(prompts or {target: bm.prompt(target) for _, target in bm.pairs}),
    }
    reads = {"data": ("train",), "masks": (MASKS, SOURCES)}
    if prompts is None:
        reads["tokens"] = tuple(path.name for path in token_files(run).values())
    part = "" if whole else f"shards/{shard[0]}-of-{shard[1]}"
    return run.make("generated", given, reads, work, {"inpainting": bm.inpainting}, part=part)


def fitted(run: Run, settings: GenerationSettings) -> GenerationSettings:
    """Return the settings with as many images at a time as the memory of the run's GPU takes."""
    return settings if run.memory is None else replace(settings, batch_size=MEMORY_BATCH[run.memory])


def token_files(run: Run) -> dict[int, Path]:
    """Return target class -> the file of its token."""
    targets = sorted({target for _, target in run.benchmark.pairs})
    return {label: token_file(run.folder("tokens"), run.benchmark.classes[label]) for label in targets}


def planned_images(run: Run, prompts: Mapping[int, str] | None = None) -> pd.DataFrame:
    """Return the manifest before anything is painted; ``prompts`` as in `generated`."""
    bm, files = run.benchmark, token_files(run) if prompts is None else {}
    sources = pd.read_parquet(require_file(run.folder("masks") / SOURCES))
    by_class = {target: bm.prompt(target) if prompts is None else "" for _, target in bm.pairs}
    manifest = plan(
        bm.name,
        run.seed,
        sources["source_id"].to_numpy(),
        sources["source_class"].to_numpy(),
        bm.pairs,
        load_masks(run.folder("masks") / MASKS),
        by_class,
        files,
    )
    return manifest if prompts is None else manifest.assign(prompt=manifest["source_id"].map(prompts))
