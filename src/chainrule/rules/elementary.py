"""Rules for elementary functions beyond the commonest: other bases, inverse hyperbolic functions, remainders, steps.

What rounds is flat between its jumps, so no gradient passes, and none is made up at a jump.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.operation import pointwise
from chainrule.rules import kernels
from chainrule.rules.pointwise import hypot, sigmoid, sqrt

LN_2, LN_10 = float(np.log(2)), float(np.log(10))


@pointwise(r"\log_{2}\left({x}\right)", partials=(lambda out, x: 1 / (LN_2 * x),), edges=((0.0,),), domain=(0.3, 3.0))
def log2(x):
    """How often 1 must be doubled to give x; its slope is that of the natural logarithm over ln 2."""
    return np.log2(x)


@pointwise(r"\log_{10}\left({x}\right)", partials=(lambda out, x: 1 / (LN_10 * x),), edges=((0.0,),), domain=(0.3, 3.0))
def log10(x):
    """The number of decimal places; its slope is that of the natural logarithm over ln 10."""
    return np.log10(x)


@pointwise(r"2^{x}", partials=(lambda out, x: LN_2 * out,))
def exp2(x):
    """Doubles with each step of x; its slope is ln 2 times itself."""
    return np.exp2(x)


@pointwise(r"\operatorname{asinh}\left({x}\right)", partials=(lambda out, x: 1 / hypot(x, 1.0),))
def asinh(x):
    """The number with a given hyperbolic sine: a logarithm that passes through 0 and takes both signs."""
    return np.arcsinh(x)


@pointwise(
    r"\operatorname{acosh}\left({x}\right)",
    partials=(lambda out, x: 1 / sqrt((x - 1) * (x + 1)),),
    edges=((1.0,),),
    domain=(1.2, 4.0),
)
def acosh(x):
    """The number with a given hyperbolic cosine; infinitely steep where it begins, at 1."""
    return np.arccosh(x)


@pointwise(
    r"\operatorname{atanh}\left({x}\right)",
    partials=(lambda out, x: 1 / ((1 - x) * (1 + x)),),
    edges=((-1.0,), (1.0,)),
    domain=(-0.8, 0.8),
)
def atanh(x):
    """The number with a given hyperbolic tangent: what was squashed to (-1, 1), spread out again."""
    return np.arctanh(x)


@pointwise(
    r"\operatorname{cbrt}\left({x}\right)",
    partials=(lambda out, x: 1 / (3 * (out * out)),),
    edges=((0.0,),),
    domain=(0.3, 3.0),
)
def cbrt(x):
    """The cube root, of negative numbers too; infinitely steep at 0."""
    return np.cbrt(x)


@pointwise(
    r"\ln\left(e^{x} + e^{y}\right)",
    partials=(lambda out, x, y: sigmoid(x - y), lambda out, x, y: sigmoid(y - x)),
)
def logaddexp(x, y):
    """The logarithm of a sum of exponentials, a smooth maximum: the larger one gets more of the gradient."""
    return np.logaddexp(x, y)


@pointwise(
    r"\log_{2}\left(2^{x} + 2^{y}\right)",
    partials=(lambda out, x, y: sigmoid(LN_2 * (x - y)), lambda out, x, y: sigmoid(LN_2 * (y - x))),
)
def logaddexp2(x, y):
    """`logaddexp` with the base 2."""
    return np.logaddexp2(x, y)


@pointwise(
    r"\operatorname{sinc}_{order}\left({x}\right)",
    partials=(lambda out, x, order: sinc_slope(x, order=order + 1),),
    examples=({"order": 1}, {"order": 2}),
)
def sinc_slope(x, *, order):
    """A derivative of sin(πx)/(πx), of any order, exact at 0 and near it."""
    return kernels.sinc_slope(x, order)


@pointwise(r"\operatorname{sinc}\left({x}\right)", partials=(lambda out, x: sinc_slope(x, order=1),))
def sinc(x):
    """sin(πx)/(πx), and 1 at 0: what a window leaves of a single frequency."""
    return kernels.sinc_slope(x, 0)


@pointwise(
    r"\operatorname{mod}\left({x}, {y}\right)",
    partials=(lambda out, x, y: 1, lambda out, x, y: -floor_divide(x, y)),
    selects=True,
    edges=((1.0, 0.4), (-1.0, 0.4)),
    domain=(0.4, 3.0),
)
def remainder(x, y):
    """What is left of x after whole steps of y, with the sign of y: it moves with x, and against y once a step."""
    return np.remainder(x, y)


@pointwise(
    r"\operatorname{fmod}\left({x}, {y}\right)",
    partials=(lambda out, x, y: 1, lambda out, x, y: -trunc(x / y)),
    selects=True,
    edges=((1.0, 0.4), (-1.0, 0.4)),
    domain=(0.4, 3.0),
)
def fmod(x, y):
    """What is left of x after whole steps of y, with the sign of x, as in C."""
    return np.fmod(x, y)


@pointwise(r"\operatorname{floor\,divide}\left({x}, {y}\right)", partials=(None, None), symbol="//", domain=(0.4, 3.0))
def floor_divide(x, y):
    """How many whole steps of y there are in x; flat."""
    return np.floor_divide(x, y)


@pointwise(r"\operatorname{floor}\left({x}\right)", partials=(None,))
def floor(x):
    """The next whole number below; flat."""
    return np.floor(x)


@pointwise(r"\operatorname{ceil}\left({x}\right)", partials=(None,))
def ceil(x):
    """The next whole number above; flat."""
    return np.ceil(x)


@pointwise(r"\operatorname{trunc}\left({x}\right)", partials=(None,))
def trunc(x):
    """The whole number next to it on the side of 0; flat."""
    return np.trunc(x)


@pointwise(r"\operatorname{rint}\left({x}\right)", partials=(None,))
def rint(x):
    """The nearest whole number, the even one of two; flat."""
    return np.rint(x)


@pointwise(
    r"\operatorname{round}_{decimals}\left({x}\right)",
    partials=(None,),
    examples=({}, {"decimals": 1}),
)
def round(x, *, decimals=0):
    """The nearest number with so many decimal places, the even one of two; flat."""
    return np.round(x, decimals)
