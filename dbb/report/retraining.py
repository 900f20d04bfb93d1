"""Chapter 07: how the groups moved while the base model was trained on, and where they ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from dbb.report.groups import UPRIGHT, draw_group_bars, draw_group_curves, draw_loss, group_table, pale_to_full_legend
from dbb.report.style import INK, WIDTH, Figure, legend_below


def retraining_curves(
    history: Sequence[Mapping[str, Any]], best_epoch: int, before: Mapping[str, Any], group_names: Sequence[str]
) -> Figure:
    """Return the validation accuracy of every group over the epochs, ``best_epoch`` marked, and the loss beside it.

    Args:
        history: as `dbb.training.Training` has it.
        before: the `GroupMetrics` fields of the model at the start, drawn as epoch 0.
    """
    figure = Figure((WIDTH, 2.8))
    accuracy, loss = figure.subplots(1, 2, width_ratios=(2.2, 1))
    epochs = [0, *(entry["epoch"] for entry in history)]
    draw_group_curves(accuracy, epochs, [before, *history], group_names)
    accuracy.axvline(best_epoch, color=INK, linestyle="--", linewidth=1)
    accuracy.annotate(
        "kept",
        (best_epoch, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        ha="center",
        textcoords="offset points",
        fontsize=8,
    )
    accuracy.set(xlabel="epoch (0: before)")
    draw_loss(loss, epochs[1:], [entry["loss"] for entry in history], "loss of eq. 8")
    figure.tight_layout()
    legend_below(figure, *accuracy.get_legend_handles_labels())
    return figure


def group_bars(measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]) -> Figure:
    """Return the accuracy of every group, a bar per model beside each other, with a legend of the models.

    Args:
        measured: model name -> the fields of `GroupMetrics`.
    """
    n_groups = len(group_table(list(measured.values()))[1])
    lying = n_groups > UPRIGHT
    figure = Figure((WIDTH, 0.7 + n_groups * max(0.34, 0.15 * len(measured))) if lying else (WIDTH, 2.8))
    axes = figure.subplots()
    draw_group_bars(axes, measured, group_names, lying)
    pale_to_full_legend(axes, list(measured))
    return figure
