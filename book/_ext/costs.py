"""What the paper's scale costs: counted operations, the floors that follow, and what was measured on GPUs.

`cost_pages` gives the files that book/costs.md includes. Counts come from results/true-size/counts.json, which
speed/true_size_counts.py writes; measured figures from the other files of that folder, one per machine, which
speed/true_size.py writes; published hours from reported.yml.
"""

import json
from pathlib import Path
from typing import Any

from dbb.models.devices import MEMORY_BATCH
from dbb.report.markdown import markdown_table

COUNTS = "counts.json"
TRAINING_INPUT = "training-input.json"
HEADER = ["", "batch", "per second", "Waterbirds", "TFLOP/s", "of the peak", "GiB", "× official"]
NOT_MEASURED = (
    "**Not measured yet:** no GPU has been at hand where this book was made. On a machine with one,\n\n"
    "```bash\npython speed/true_size.py\n```\n\n"
    "downloads nothing, is meant to need less than ten minutes of an H100, and writes the file from which a table of "
    "its figures will stand here. On a CPU, `--tiny` goes through the same lines with tiny models, which is how they "
    "are tested."
)


def cost_pages(results: Path, reported: dict[str, Any]) -> dict[str, bytes]:
    """Return file name -> content of what book/costs.md includes.

    results: the folder that holds true-size/. reported: the content of reported.yml.
    """
    folder = results / "true-size"
    counted = json.loads((folder / COUNTS).read_text(encoding="utf-8"))
    pages = {
        "costs-models.md": models_table(counted),
        "costs-stages.md": stages_table(counted),
        "costs-floor.md": floor_part(counted, reported),
        "costs-measured.md": measured_part(folder),
        "costs-memory.md": memory_table(),
        "costs-input.md": input_table(json.loads((results / TRAINING_INPUT).read_text(encoding="utf-8"))),
    }
    return {name: (text + "\n").encode() for name, text in pages.items()}


def input_table(measured: dict[str, Any]) -> str:
    """Return how many pictures a second each way of feeding ResNet-50 gives, as speed/training_input.py writes."""
    rows = [
        [
            row["what"],
            f"{row['images per second']:,.0f}",
            f"{row['least']:,.0f} – {row['most']:,.0f}",
            f"{row['times the DataLoader']:.1f}",
        ]
        for row in measured["rates"]
    ]
    table = markdown_table(["", "images per second", "least – most", "× DataLoader"], rows)
    return (
        f"Measured on {measured['images']} made-up photographs, {measured['machine']}, torch {measured['torch']}."
        f"\n\n{table}"
    )


def models_table(counted: dict[str, Any]) -> str:
    """Return the models' parameters and bytes, and operations per image by what is done with it."""
    sizes = [[name, f"{n / 1e6:.1f}", f"{2 * n / 1e9:.2f}"] for name, n in counted["parameters"].items()]
    work = [[name, f"{n / 1e9:,.0f}"] for name, n in counted["operations"].items()]
    return "\n\n".join(
        [
            markdown_table(["model", "parameters (millions)", "GB in 16 bits"], sizes),
            markdown_table(["once through", "GFLOP per image"], work),
        ]
    )


def stages_table(counted: dict[str, Any]) -> str:
    """Return each stage's operations and least bytes per unit, and its least time for all of Waterbirds."""
    peaks = counted["peaks"]
    rows = [
        [
            row["stage"],
            f"{row['units']:,} {row['unit']}s",
            f"{row['operations'] / 1e12:,.3g}",
            f"{row['bytes'] / 1e9:,.2g}",
            *(_time(row["units"] * row["operations"] / peak) for peak in peaks.values()),
        ]
        for row in counted["stages"]
    ]
    return markdown_table(
        ["stage", "Waterbirds", "TFLOP each", "GB of weights each", *(f"least time, {card}" for card in peaks)], rows
    )


def floor_part(counted: dict[str, Any], reported: dict[str, Any]) -> str:
    """Return the floor of the inpainting's denoiser beside Table 9's hours for all three stages."""
    hours = dict(zip(reported["table9"]["columns"], reported["table9"]["rows"][0], strict=True))
    floors = counted["floor_seconds"]
    rows = [
        [f"floor, {card}, dense bfloat16 at {counted['peaks'][card] / 1e12:.0f} TFLOP/s", _time(seconds)]
        for card, seconds in floors.items()
    ]
    published = f"{reported['table9']['title']} {reported['table9']['note']}"
    return "\n\n".join(
        [
            f"{counted['images']:,} images, 50 steps, two passes of the denoiser each, and nothing else:",
            markdown_table(["", "time"], rows),
            f"Published, never measured here: {published} {', '.join(f'{name}: {h} h' for name, h in hours.items())}.",
            f"The hours of Waterbirds are {hours['Waterbirds'] * 3600 / floors['A100']:.1f} times the A100's floor.",
        ]
    )


def measured_part(folder: Path) -> str:
    """Return a table per machine that was measured; `NOT_MEASURED` when there is none."""
    reports = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")) if path.name != COUNTS
    ]
    return "\n\n".join(machine_part(report) for report in reports) if reports else NOT_MEASURED


def machine_part(report: dict[str, Any]) -> str:
    """Return what was measured on one machine, a table per stage."""
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    parts = [
        f"### {report['machine']}",
        f"{report['date'][:10]}; {versions}. A large matrix product runs at {report['matmul_tflops']:.0f} TFLOP/s "
        "here, of which the shares are; the denoiser of all images at 50 steps would take "
        f"{_time(report['floor_seconds'])} at that rate.",
    ]
    for stage in dict.fromkeys(line["stage"] for line in report["lines"]):
        lines = [line for line in report["lines"] if line["stage"] == stage]
        parts += [
            f"**{stage.capitalize()}**, {lines[0]['unit']}:",
            markdown_table(HEADER, [_row(line) for line in lines]),
        ]
    return "\n\n".join(parts)


def _row(line: dict[str, Any]) -> list[str]:
    if "error" in line:
        return [line["name"], str(line["batch"]), line["error"], *[""] * 5]
    ratio = f"{line['times_literal']:.2f}" if "times_literal" in line else ""
    rate, spread = line["per_second"], (line["slowest"] - line["fastest"]) / line["seconds"] / 2
    return [
        line["name"],
        str(line["batch"]),
        f"{rate:.3g} ± {spread:.0%}",
        _time(line["paper_seconds"]),
        f"{line['tflops']:.3g}",
        f"{line['share_of_peak']:.0%}",
        f"{line['memory_gib']:.1f}",
        ratio,
    ]


def memory_table() -> str:
    """Return how many images are inpainted at a time by the GPU's memory."""
    return markdown_table(["`memory` (GiB)", "images at a time"], [[str(g), str(n)] for g, n in MEMORY_BATCH.items()])


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
