"""How plots look: colours that stay apart for every eye, on paper and on a dark screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from textwrap import fill
from typing import Any

import numpy as np

from chainrule.errors import FormatError, MissingExtra
from chainrule.pictures.ink import THEMES

CYCLES = {
    "light": ("#0072b2", "#d55e00", "#007a5a", "#b0528a", "#8a6d00", "#3f8fc4"),
    "dark": ("#5ab4f0", "#ff9d4d", "#4fd1a5", "#f09bcb", "#f0e442", "#a8d8ff"),
}
"""After Okabe and Ito (2008), darker or lighter for contrast; lines differ in their dashes too."""
PAD = 0.09
"""Paper around a plot, in inches."""
LABELPAD = 8
"""Points between the numbers of an axis in space and its name, which may be as long as net[0].weight[3, 20]."""
BELOW = 34
"""From the axes to a legend below: room for the numbers and the name of the x axis, in points."""
NARROWEST = 3.6
"""A figure's width, so that its title has room."""
POINTS_AN_INCH = 72
OVER = 1.1
"""How wide a title may be, in widths of its axes."""
SMALL_SIGN, HANDLE = 4.5, 40
"""The width of a sign in a legend, and of what stands before its words, in points."""
LONG_WORD = 6
"""Signs by which a title's first line may be the longer one."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))


def pyplot() -> Any:
    """Matplotlib, an extra."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    return pyplot


@contextmanager
def themed(theme: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """Matplotlib with the colours of a theme, in the block alone: its pyplot, and the inks by name."""
    if theme not in CYCLES:
        raise FormatError(f"there is no theme {theme!r}: choose one of {', '.join(CYCLES)}")
    plt, inks = pyplot(), THEMES[theme]
    settings = {
        "axes.prop_cycle": plt.cycler(color=CYCLES[theme]),
        "axes.facecolor": inks["paper"],
        "axes.edgecolor": inks["muted"],
        "axes.labelcolor": inks["ink"],
        "axes.titlecolor": inks["ink"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlesize": "medium",
        "figure.facecolor": inks["paper"],
        "savefig.facecolor": inks["paper"],
        "grid.color": inks["faint"],
        "grid.alpha": 0.4,
        "legend.facecolor": inks["paper"],
        "legend.edgecolor": inks["faint"],
        "legend.labelcolor": inks["ink"],
        "legend.fontsize": "small",
        "text.color": inks["ink"],
        "xtick.color": inks["muted"],
        "ytick.color": inks["muted"],
        "figure.constrained_layout.use": True,
        "figure.constrained_layout.w_pad": PAD,
        "figure.constrained_layout.h_pad": PAD,
        "figure.dpi": 110,
    }
    # What is not finite is left out of a plot, or said: NumPy need not say it as well.
    with plt.rc_context(settings), np.errstate(all="ignore"):
        yield plt, inks


def one_axes(plt: Any, ax: Any, theme: str, size: tuple[float, float] = (6.4, 4.2)) -> Any:
    """Axes of a new figure, or those that were given, in the colours of the theme too."""
    if ax is None:
        return plt.figure(figsize=size).add_subplot()
    inks = THEMES[theme]
    ax.set_prop_cycle(color=CYCLES[theme])
    ax.figure.set_facecolor(inks["paper"])
    ax.set_facecolor(inks["paper"])
    ax.spines[:].set_color(inks["muted"])
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=inks["muted"])
    ax.grid(visible=True, color=inks["faint"], alpha=0.4)
    ax.set_axisbelow(True)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set_color(inks["ink"])
    return ax


def across(ax: Any) -> float:
    """The width of axes in points, before they are laid out."""
    return ax.get_position().width * ax.figure.get_figwidth() * POINTS_AN_INCH


def headed(ax: Any, title: str, **look: Any) -> None:
    """Give axes a title, in as many lines as their width asks for."""
    from matplotlib.textpath import TextPath

    lines = ceil(TextPath((0, 0), title, ax.title.get_size()).get_extents().width / (across(ax) * OVER))
    signs = len(title) // max(lines, 1) + LONG_WORD
    ax.set_title(fill(title, signs, break_long_words=False) if lines > 1 else title, **look)


def several(plt: Any, count: int, size: float = 3.2, widest: int = 4) -> list[Any]:
    """Axes for so many panels, in rows."""
    columns = min(count, widest)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(max(size * columns, NARROWEST), size * rows), squeeze=False)
    panels = list(axes.flat)
    for spare in panels[count:]:
        figure.delaxes(spare)
    return panels[:count]


def key_below(axes: Any, columns: int = 2, title: str | None = None) -> None:
    """The legend under the axes, where what is drawn fills them."""
    from matplotlib.transforms import offset_copy

    longest = max([len(label) for label in axes.get_legend_handles_labels()[1]])
    fitting = int(across(axes) / (longest * SMALL_SIGN + HANDLE))
    below = offset_copy(axes.transAxes, axes.figure, y=-BELOW, units="points")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=below,
        ncols=max(min(columns, fitting), 1),
        title=title,
        title_fontsize="small",
    )


def for_lines(plt: Any, theme: str) -> Any:
    """Colours from low to high of which each stands out on the paper: viridis without the end that is as pale."""
    first, last = {"light": (0.0, 0.72), "dark": (0.3, 1.0)}[theme]
    return plt.matplotlib.colors.ListedColormap(plt.get_cmap("viridis")(np.linspace(first, last, 256)))


def for_signs(plt: Any, theme: str) -> Any:
    """Purple below 0, the paper at 0, orange above."""
    against, weighs = CYCLES[theme][3], CYCLES[theme][1]
    ends = [against, THEMES[theme]["paper"], weighs]
    return plt.matplotlib.colors.LinearSegmentedColormap.from_list("signs", ends)


def in_space(figure: Any, place: int, count: int, inks: dict[str, str]) -> Any:
    """Axes in three dimensions, with few ticks and walls of the paper's colour."""
    axes = figure.add_subplot(1, count, place, projection="3d")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(inks["frame"])
        axis.set_major_locator(pyplot().MaxNLocator(4))
        axis.labelpad = LABELPAD
    axes.view_init(elev=32, azim=-58)
    return axes
