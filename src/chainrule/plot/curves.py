"""Functions of one number: tangents and secants, activations, losses, and how far difference quotients are off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.errors import UNFIT, FormulaError, meant
from chainrule.nn.module import Module
from chainrule.plot.arguments import above, number, numbers
from chainrule.plot.functions import LONGEST, SHORT, Function, begun, finite_part, in_pieces, range_of, shown
from chainrule.plot.style import DASHES, headed, one_axes, several, themed

POINTS = 401
EPSILON = float(np.finfo(float).eps)


def tangent(
    f: Any,
    at: float,
    *,
    steps: Sequence[float] = (1.0, 0.5, 0.1),
    span: float = 2.0,
    ax: Any = None,
    theme: str = "light",
) -> Any:
    """A curve with its tangent at a point, and secants that near it, with the table of their difference quotients.

    `f` is a formula or a function of one number, `steps` the h of the secants through f(at) and f(at + h), `span` how
    far the curve is drawn to both sides. Draws into `ax`, or a new figure; returns the axes. The slope is the engine's.
    Where the function or its slope is not finite, the curve stands alone and its title says so; FormulaError where it
    is finite nowhere around.

    >>> import chainrule as cr
    >>> axes = cr.plot.tangent("x**2", 1.0, steps=(1.0, 0.1))
    >>> [line.get_label() for line in axes.lines[2:4]]
    ['h = 1: 3', 'h = 0.1: 2.1']
    """
    at, span = number(at, "the point of a tangent"), above(span, "span")
    steps = numbers(steps, "steps")
    if 0.0 in steps:
        raise FormulaError("a secant goes through two points: its step h is not 0")
    curve = Function(f, ("x",))
    value, (slope,) = curve.at(at)
    x = np.linspace(at - span, at + span, POINTS)
    with themed(theme) as (plt, _):
        ax = one_axes(plt, ax, theme)
        run, (slopes,) = curve.with_slopes(x)
        (line,) = ax.plot(*in_pieces(x, run, slopes), linewidth=2.2, label=curve.titled())
        kink = kink_told(curve, at, slope)
        if np.isfinite([value, slope]).all():
            told = f"slope {shown(slope)}, taken" if kink else f"tangent, slope {shown(slope)}"
            ax.plot(x, value + slope * (x - at), "--", linewidth=1.8, label=told)
        steepest = abs(slope)
        for n, h in enumerate(steps):
            end, _ = curve.at(at + h)
            quotient = (end - value) / h
            if not np.isfinite(quotient):
                continue
            steepest = max(steepest, abs(quotient))
            drawn = value + quotient * (x - at)
            (secant,) = ax.plot(
                x, drawn, linewidth=1.0, linestyle=DASHES[2 + n % 4], label=f"h = {h:g}: {shown(quotient)}"
            )
            ax.plot([at + h], [end], "o", color=secant.get_color(), markersize=4, label="_point")
        if np.isfinite(value):
            ax.plot([at], [value], "o", color=line.get_color(), markersize=7, label="_point")
        low, high = range_of(run)
        if np.isfinite([value, steepest]).all() and steepest > 0:
            # A curve that runs away is cut, or nothing would be seen of the tangent.
            low, high = max(low, value - 2 * span * steepest), min(high, value + 2 * span * steepest)
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        letter = curve.names[0]
        told = f"the slope at {shown(at)} is {shown(slope)}"
        if not np.isfinite(value):
            told = f"no tangent at {shown(at)}, where it is {shown(value)}"
        elif kink:
            told = kink
        ax.set(xlabel=letter, ylabel=curve.head())
        headed(ax, f"{curve.titled()}: {told}")
        secants = any([text.get_label().startswith("h = ") for text in ax.lines])
        ax.legend(title=f"secants: (f({letter}+h) − f({letter})) / h" if secants else None, title_fontsize="small")
    # The secants stand behind the curve and the tangent in the list of lines, their points last.
    return in_order(ax)


def kink_told(curve: Function, at: float, slope: float) -> str:
    """What is said of a point at which there is no slope, and one is taken by convention; empty for any other."""
    sides = slopes_beside(curve, at)
    if sides is None:
        return ""
    return f"a kink at {shown(at)}, slope {sides[0]} before and {sides[1]} after; {shown(slope)} is taken"


BESIDE = 1e-7
"""How far beside a point the slopes on both sides of a kink are asked for."""


def slopes_beside(curve: Function, at: float) -> tuple[str, str] | None:
    """The slopes just before and just after a point, where the curve has a kink there."""
    slopes = [curve.at(at + step)[1][0] for step in (-BESIDE, BESIDE)]
    far = [curve.at(at + 100 * step)[1][0] for step in (-BESIDE, BESIDE)]
    # Of a curve that is only steep the slopes near each other as the points do.
    jumps = [abs(before - after) for before, after in (slopes, far)]
    if (
        not np.isfinite([*slopes, *far]).all()
        or jumps[0] < 1e-3 * max(1.0, *map(abs, slopes))
        or jumps[1] > 3 * jumps[0]
    ):
        return None
    before, after = [shown(slope, 3) for slope in slopes]
    return before, after


def in_order(ax: Any) -> Any:
    """The axes with the lines that have a label first."""
    points = [line for line in ax.lines if line.get_label().startswith("_")]
    for line in points:
        line.remove()
        ax.add_line(line)
    return ax


def activation(*names: Any, span: float = 4.0, ax: Any = None, theme: str = "light") -> Any:
    """Activation curves with their derivatives, and the formulas of both, by the rules of the book.

    `names` are names of functions of the package (``"relu"``), or functions of one number themselves. One is drawn into
    `ax` or a new figure, several side by side; returns the axes, or a list of them.

    >>> import chainrule as cr
    >>> axes = cr.plot.activation("tanh")
    >>> [line.get_label() for line in axes.lines[:2]]
    ['tanh(x)', 'slope: 1 − tanh(x)²']
    """
    curves = [activation_of(name) for name in names or ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus")]
    span = above(span, "span")
    x = np.linspace(-span, span, 2 * POINTS - 1)
    if ax is not None and len(curves) > 1:
        raise FormulaError(f"one activation is drawn into one ax, and these are {len(curves)}")
    with themed(theme) as (plt, inks):
        axes = [one_axes(plt, ax, theme)] if len(curves) == 1 else several(plt, len(curves), 3.4, 3)
        for panel, (name, curve) in zip(axes, curves, strict=True):
            values, (slopes,) = curve.with_slopes(x)
            told = curve.slope_formula("x")
            formula = begun(curve.formula)
            panel.plot(
                *in_pieces(x, values, slopes), linewidth=2.2, label=formula if 0 < len(formula) <= SHORT else name
            )
            panel.plot(
                x,
                finite_part(slopes),
                "--",
                linewidth=1.8,
                label=f"slope: {told}" if 0 < len(told) <= SHORT else "slope",
            )
            panel.axhline(0.0, color=inks["faint"], linewidth=0.8, zorder=0, label="_axis")
            panel.set(xlabel="x", title=name)
            panel.legend()
    return axes[0] if len(axes) == 1 else axes


def activation_of(name: Any) -> tuple[str, Function]:
    """An activation by its name in the package, or as it is."""
    f = getattr(cr, name, None) if isinstance(name, str) else name
    if isinstance(name, str):
        if name not in cr.__all__ or not callable(f):
            likely = meant(name, cr.__all__) or ": give a name such as relu, tanh or sigmoid"
            raise FormulaError(f"there is no function {name!r} in the package{likely}")
    else:
        name = getattr(name, "name", getattr(name, "__name__", type(name).__name__))
    curve = Function(f, ("x",))
    try:
        curve.at(0.5)
    except UNFIT as error:
        raise FormulaError(f"{name} is no function of one number: give one such as relu, tanh or sigmoid") from error
    return name, curve


def loss(f: Any, y: float, *, at: float | None = None, span: float = 2.0, ax: Any = None, theme: str = "light") -> Any:
    """A loss against the prediction ŷ for one target, with its slope, and at a point the tangent.

    `f` is a formula in ``yhat`` and ``y``, a function of both, or a loss of `nn`; predictions reach `span` beyond the
    target and the point. Returns the axes.

    >>> import chainrule as cr
    >>> axes = cr.plot.loss("0.5*(yhat - y)**2", 1.0, at=2.0)
    >>> [line.get_label() for line in axes.lines[:3]]
    ['0.5(ŷ − y)²', 'slope: ŷ − y', 'at ŷ = 2: slope 1']
    """
    y, span = number(y, "the target y"), above(span, "span")
    ends = [y] if at is None else [y, number(at, "the prediction at")]
    x = np.linspace(min(ends) - span, max(ends) + span, POINTS)
    if isinstance(f, Module):
        module, name, formula, told = f, type(f).__name__, "", ""
        both = Function(lambda yhat, y: module(yhat.reshape(1), y.data.reshape(1)), ("yhat", "y"))
    else:
        both = Function(f, ("yhat", "y"))
        name, formula, told = begun(both.formula) or "L", begun(both.formula), both.slope_formula(both.names[0])
    values, (slopes, _) = both.with_slopes(x, y)
    low, high = range_of(np.r_[values, slopes, np.inf])
    x = np.where(np.isfinite(values), x, np.nan)  # elsewhere there is nothing to see
    with themed(theme) as (plt, _):
        ax = one_axes(plt, ax, theme)
        ax.plot(*in_pieces(x, values, slopes), linewidth=2.2, label=formula or name)
        ax.plot(
            x, finite_part(slopes), "--", linewidth=1.8, label=f"slope: {told}" if 0 < len(told) <= LONGEST else "slope"
        )
        if at is not None:
            value, (slope, _) = both.at(at, y)
            if np.isfinite([value, slope]).all():
                tangent = value + slope * (x - at)
                ax.plot(x, tangent, "-.", linewidth=1.2, label=f"at ŷ = {shown(at)}: slope {shown(slope)}")
                ax.plot([at], [value], "o", label="_point")
        # A loss that is infinite at an end must not flatten all the rest.
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        ax.set(xlabel="ŷ", ylabel="L")
        headed(ax, f"{name} for y = {shown(y)}")
        ax.legend()
    return in_order(ax)


def quotients(f: Any, at: float, *, ax: Any = None, theme: str = "light") -> Any:
    """How far difference quotients are off, against their step h: too long a step bends, too short a one rounds.

    `f` is a formula or a function of one number. The forward quotient errs like h, the central one like h², until the
    rounding of f, which grows like 1/h, takes over; the best steps are near √ε and ∛ε (Press and others, Numerical
    Recipes, 5.7). Returns the axes; raises FormulaError where there is no derivative.

    >>> import chainrule as cr
    >>> axes = cr.plot.quotients("exp(x)", 1.0)
    >>> [line.get_label() for line in axes.lines[:2]]
    ['forward: (f(x+h) − f(x)) / h', 'central: (f(x+h) − f(x−h)) / 2h']
    """
    at = number(at, "the point of a difference quotient")
    curve = Function(f, ("x",))
    value, (slope,) = curve.at(at)
    if not np.isfinite([value, slope]).all():
        raise FormulaError(
            f"{curve.titled()} is {shown(value)} at {shown(at)}, with slope {shown(slope)}: no quotient nears that, so "
            "choose another point"
        )
    h = 10.0 ** np.linspace(-15, 0, 76)
    forward = np.abs((curve.values(at + h) - value) / h - slope)
    central = np.abs((curve.values(at + h) - curve.values(at - h)) / (2 * h) - slope)
    if not (forward.any() or central.any()):
        raise FormulaError(f"every difference quotient of {curve.titled()} is exact: there is no error to draw")
    x = curve.names[0]
    with themed(theme) as (plt, inks):
        ax = one_axes(plt, ax, theme)
        for errors, look, name in (
            (forward, "o-", f"forward: (f({x}+h) − f({x})) / h"),
            (central, "s--", f"central: (f({x}+h) − f({x}−h)) / 2h"),
        ):
            # An error of 0 has no place on this axis.
            exact = int((errors == 0).sum())
            told = f"; 0 at {exact} of {len(h)} steps" if exact else ""
            ax.loglog(h, errors, look, markersize=3, linewidth=1.2, label=name + told)
        for power, sign in ((1 / 2, "√ε"), (1 / 3, "∛ε")):
            best = EPSILON**power
            ax.axvline(best, color=inks["muted"], linewidth=0.9, linestyle=":", label="_best")
            ax.annotate(sign, (best, 1.0), xycoords=("data", "axes fraction"), ha="center")
        kink = kink_told(curve, at, slope)
        title = (
            f"{curve.titled()}: {kink}"
            if kink
            else f"{curve.titled()} at {shown(at)}: the derivative is {shown(slope)}"
        )
        ax.set(
            xlabel=f"h (rounding near 1: ε = {shown(EPSILON, 3)})",
            ylabel=f"|difference quotient − {'the slope taken' if kink else 'derivative'}|",
        )
        low, high = ax.get_ylim()
        if high < 10 * low:
            ax.set_ylim(low / 10, high * 10)
        headed(ax, title, pad=16)
        ax.legend()
    return in_order(ax)
