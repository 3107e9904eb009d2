"""Rules for functions of single numbers, applied entry by entry: one local derivative for each input.

`out` is the result of the forward. A partial may call other operations of the book; it runs on numbers in the backward
pass, on nodes for higher orders, and on symbols for formulas and source.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.operation import is_mask, pointwise
from chainrule.rules import kernels

TWO_BY_ROOT_PI = float(2 / np.sqrt(np.pi))


@pointwise(r"{x} + {y}", partials=(lambda out, x, y: 1, lambda out, x, y: 1), symbol="+")
def add(x, y):
    """Addition passes the gradient on to both terms unchanged."""
    return x + y


@pointwise(r"{x} - {y}", partials=(lambda out, x, y: 1, lambda out, x, y: -1), symbol="-")
def sub(x, y):
    """Subtraction passes the gradient on, and turns its sign for what is taken away."""
    return x - y


@pointwise(r"{x} \cdot {y}", partials=(lambda out, x, y: y, lambda out, x, y: x), symbol="*")
def mul(x, y):
    """Multiplication swaps: each factor's local derivative is the other factor."""
    return x * y


@pointwise(
    r"\frac{x}{y}",
    partials=(lambda out, x, y: 1 / y, lambda out, x, y: -(out / y)),
    symbol="/",
    edges=((1.0, 0.0), (0.0, 0.0), (0.0, 2.0)),
    domain=(0.4, 3.0),
)
def div(x, y):
    """A quotient grows with its numerator by one over the denominator, and shrinks with the denominator."""
    return x / y


@pointwise(
    r"{x}^{y}",
    partials=(
        lambda out, x, y: power_slope(x, y),
        lambda out, x, y: power_and_log(x, y, count=1, settled=True),
    ),
    symbol="**",
    edges=((0.0, 0.0), (0.0, 1.0), (0.0, 1.5), (0.0, 3.0), (0.0, -1.0), (2.0, 0.0), (-2.0, 3.0)),
    domain=(0.3, 2.5),
)
def pow(x, y):
    """The power rule in the base; in the exponent, growth in proportion to the power itself."""
    return kernels.power(x, y)


def power_slope(x, y):
    """y x^(y-1); where y is 0 the power is flat, at base 0 too and at every order."""
    if type(y) in (float, int):
        return y * pow(x, y - 1) if y else 0
    if not getattr(y, "requires_grad", True):
        x = where(equal(y, 0), 1, x)
    elif hasattr(y, "data"):  # Its own derivative follows, and there the convention for 0^0 is none of x^(y-1).
        return chosen(power_and_log(x, y - 1, count=0), y)
    return chosen(pow(x, y - 1), y)


@pointwise(
    r"{x}^{y} \cdot \ln\left({x}\right)^{count}",
    partials=(
        lambda out, x, y, count, settled: (
            chosen(power_and_log(x, y - 1, count=count), y)
            + (count * power_and_log(x, y - 1, count=count - 1) if count else 0)
        ),
        lambda out, x, y, count, settled: power_and_log(x, y, count=count + 1),
    ),
    edges=((0.0, 0.0), (0.0, 1.0), (0.0, 3.0), (2.0, 0.0)),
    domain=(0.3, 2.5),
    examples=({"count": 1}, {"count": 2}),
)
def power_and_log(x, y, *, count, settled=False):
    """A power times logarithms, one for each derivative in the exponent; at base 0 the power wins, if there is one."""
    return kernels.power_and_log(x, y, count, settled)


@pointwise(r"-{x}", partials=(lambda out, x: -1,))
def neg(x):
    """A change of sign turns the gradient's sign."""
    return -x


@pointwise(r"\left|{x}\right|", partials=(lambda out, x: sign(x),), selects=True, at_kink=((0.0,),))
def abs(x):
    """The distance from 0 rises with slope 1 on the right and falls with slope 1 on the left; 0 at 0."""
    return np.abs(x)


@pointwise(r"e^{x}", partials=(lambda out, x: out,))
def exp(x):
    """The exponential is its own derivative."""
    return np.exp(x)


@pointwise(r"e^{x} - 1", partials=(lambda out, x: out + 1,))
def expm1(x):
    """e^x - 1 without cancellation near 0; its slope is the exponential."""
    return np.expm1(x)


@pointwise(r"\ln\left({x}\right)", partials=(lambda out, x: 1 / x,), edges=((0.0,),), domain=(0.3, 3.0))
def log(x):
    """The logarithm's slope is one over its argument: it feels relative changes."""
    return np.log(x)


@pointwise(r"\ln\left(1 + {x}\right)", partials=(lambda out, x: 1 / (1 + x),), edges=((-1.0,),), domain=(-0.6, 3.0))
def log1p(x):
    """ln(1 + x) without cancellation near 0."""
    return np.log1p(x)


@pointwise(r"\sqrt{x}", partials=(lambda out, x: 1 / (2 * out),), edges=((0.0,),), domain=(0.3, 3.0))
def sqrt(x):
    """A square root's slope is one over twice the root: steep near 0, flat far out."""
    return np.sqrt(x)


@pointwise(r"{x}^{2}", partials=(lambda out, x: 2 * x,))
def square(x):
    """A square grows by both of its sides: twice the argument."""
    return x * x


@pointwise(r"\frac{1}{x}", partials=(lambda out, x: -(out * out),), edges=((0.0,),), domain=(0.4, 3.0))
def reciprocal(x):
    """One over x falls by the square of itself."""
    return 1 / x


@pointwise(r"\sin\left({x}\right)", partials=(lambda out, x: cos(x),))
def sin(x):
    """The height on the unit circle changes as fast as the circle is wide there."""
    return np.sin(x)


@pointwise(r"\cos\left({x}\right)", partials=(lambda out, x: -sin(x),))
def cos(x):
    """The width on the unit circle shrinks as fast as the circle is high there."""
    return np.cos(x)


@pointwise(r"\tan\left({x}\right)", partials=(lambda out, x: 1 + out * out,), domain=(-1.2, 1.2))
def tan(x):
    """The slope of a ray rises by one plus its own square."""
    return np.tan(x)


@pointwise(
    r"\arcsin\left({x}\right)",
    partials=(lambda out, x: 1 / sqrt(1 - x * x),),
    edges=((-1.0,), (1.0,)),
    domain=(-0.8, 0.8),
)
def asin(x):
    """The angle with a given sine; its slope is one over the cosine of that angle."""
    return np.arcsin(x)


@pointwise(
    r"\arccos\left({x}\right)",
    partials=(lambda out, x: -1 / sqrt(1 - x * x),),
    edges=((-1.0,), (1.0,)),
    domain=(-0.8, 0.8),
)
def acos(x):
    """The angle with a given cosine: a right angle minus the arc sine."""
    return np.arccos(x)


@pointwise(r"\arctan\left({x}\right)", partials=(lambda out, x: 1 / (1 + x * x),))
def atan(x):
    """The angle of a ray with a given slope."""
    return np.arctan(x)


@pointwise(
    r"\operatorname{atan2}\left({x}, {y}\right)",
    partials=(
        lambda out, x, y: over_squared_distance(y, x, y),
        lambda out, x, y: -over_squared_distance(x, x, y),
    ),
    edges=((0.0, 0.0), (0.0, -1.0), (0.0, 2.0), (1.0, 0.0)),
    domain=(0.3, 2.0),
)
def atan2(x, y):
    """The angle of the point with height x and width y, in all four quadrants."""
    return np.arctan2(x, y)


def over_squared_distance(leg, x, y):
    """leg / (x^2 + y^2); of numbers in two steps, since a square vanishes or overflows early."""
    if hasattr(x, "data") or hasattr(y, "data"):
        return leg / hypot(x, y) / hypot(x, y)
    return leg / (x * x + y * y)


@pointwise(
    r"\operatorname{hypot}\left({x}, {y}\right)",
    partials=(lambda out, x, y: direction(x, out), lambda out, x, y: direction(y, out)),
    at_kink=((0.0, 0.0),),
)
def hypot(x, y):
    """The hypotenuse over two legs: each leg counts by its share of the length."""
    return np.hypot(x, y)


@pointwise(
    r"\frac{x}{length}",
    partials=(lambda out, x, length: 1 / length, lambda out, x, length: -(out / length)),
    domain=(0.4, 3.0),
    edges=((0.0, 0.0), (1.0, 0.0)),
)
def direction(x, length):
    """A part of a vector over its length, 0 by convention where both are 0; there it has no derivative."""
    return x / np.where(np.logical_and(x == 0, length == 0), 1, length)


@pointwise(r"\sinh\left({x}\right)", partials=(lambda out, x: cosh(x),))
def sinh(x):
    """The odd half of the exponential; its slope is the even half."""
    return np.sinh(x)


@pointwise(r"\cosh\left({x}\right)", partials=(lambda out, x: sinh(x),))
def cosh(x):
    """The even half of the exponential; its slope is the odd half."""
    return np.cosh(x)


@pointwise(r"\tanh\left({x}\right)", partials=(lambda out, x: 1 - out * out,))
def tanh(x):
    """Squashes to (-1, 1): slope 1 at 0, and less the nearer the output is to its limits."""
    return np.tanh(x)


@pointwise(r"\sigma\left({x}\right)", partials=(lambda out, x: out * (1 - out),))
def sigmoid(x):
    """Squashes to (0, 1): slope 1/4 in the middle, and less the surer the output is."""
    return kernels.logistic(x)


@pointwise(r"\operatorname{softplus}\left({x}\right)", partials=(lambda out, x: sigmoid(x),))
def softplus(x):
    """A smooth relu, ln(1 + e^x); its slope is the sigmoid."""
    return np.logaddexp(x, 0.0)


@pointwise(
    r"\operatorname{relu}\left({x}\right)",
    partials=(lambda out, x: x > 0,),
    selects=True,
    symbol="ReLU",
    at_kink=((0.0,),),
)
def relu(x):
    """Lets positive numbers pass and stops the rest; slope 0 at 0."""
    return np.maximum(x, 0)


@pointwise(
    r"\operatorname{leaky\,relu}_{slope}\left({x}\right)",
    partials=(lambda out, x, slope: where(x > 0, 1.0, slope),),
    selects=True,
    at_kink=((0.0,),),
    examples=({}, {"slope": 0.2}),
)
def leaky_relu(x, *, slope=0.01):
    """A relu that lets a small share of negative numbers through; that share at 0."""
    return np.where(x > 0, x, slope * x)


@pointwise(
    r"\operatorname{elu}_{alpha}\left({x}\right)",
    partials=(lambda out, x, alpha: where(x > 0, 1.0, alpha * exp(where(x > 0, 0.0, x))),),
    at_kink=((0.0,),),
    examples=({}, {"alpha": 0.5}),
)
def elu(x, *, alpha=1.0):
    """A relu with a smooth exponential floor at -alpha (Clevert, Unterthiner and Hochreiter, 2016)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


@pointwise(r"\operatorname{erf}\left({x}\right)", partials=(lambda out, x: TWO_BY_ROOT_PI * exp(-(x * x)),))
def erf(x):
    """The error function: twice the area under the bell curve between 0 and x."""
    return kernels.erf(x)


@pointwise(r"\operatorname{erfc}\left({x}\right)", partials=(lambda out, x: -TWO_BY_ROOT_PI * exp(-(x * x)),))
def erfc(x):
    """What the error function leaves up to 1, without cancellation far out."""
    return kernels.erfc(x)


@pointwise(
    r"\max\left({x}, {y}\right)",
    partials=(
        lambda out, x, y: greater(x, y) + 0.5 * equal(x, y),
        lambda out, x, y: greater(y, x) + 0.5 * equal(x, y),
    ),
    selects=True,
    at_kink=((0.7, 0.7),),
)
def maximum(x, y):
    """The larger one gets the gradient; equals share it."""
    return np.maximum(x, y)


@pointwise(
    r"\min\left({x}, {y}\right)",
    partials=(
        lambda out, x, y: less(x, y) + 0.5 * equal(x, y),
        lambda out, x, y: less(y, x) + 0.5 * equal(x, y),
    ),
    selects=True,
    at_kink=((0.7, 0.7),),
)
def minimum(x, y):
    """The smaller one gets the gradient; equals share it."""
    return np.minimum(x, y)


@pointwise(
    r"\operatorname{where}\left({condition}, {x}, {y}\right)",
    partials=(
        None,
        lambda out, condition, x, y: not_equal(condition, 0),
        lambda out, condition, x, y: equal(condition, 0),
    ),
    selects=True,
)
def where(condition, x, y):
    """Takes x where the condition holds and y elsewhere; the gradient goes to the one that was taken."""
    return np.where(condition, x, y)


@pointwise(
    r"{weight} \cdot {x}",
    partials=(lambda out, x, weight: weight, lambda out, x, weight: x),
    selects=True,
)
def chosen(x, weight):
    """A product in which a weight of 0 means not taken: it gives 0 even of what is infinite or undefined."""
    if is_mask(weight):
        return np.where(weight, x, 0)
    return np.where(weight == 0, 0, x * weight)


@pointwise(r"{part}", partials=(lambda out, part, power: power != 0, None))
def share(part, power):
    """A part of a whole: none of what has vanished beside an infinite power, where 0 of nan would be left."""
    return np.where(power == 0, 0, part)


@pointwise(
    r"\operatorname{clip}\left({x}, {a_min}, {a_max}\right)",
    partials=(lambda out, x, a_min, a_max: equal(x, out),),
    selects=True,
    at_kink=((-0.5,), (1.0,)),
    examples=({"a_min": -0.5, "a_max": 1.0}, {"a_min": -0.5}),
)
def clip(x, *, a_min=None, a_max=None):
    """Keeps numbers inside limits; the gradient passes inside and at the limits, and stops outside."""
    return np.clip(x, a_min, a_max)


@pointwise(r"\operatorname{sign}\left({x}\right)", partials=(None,))
def sign(x):
    """-1, 0 or 1; flat, so no gradient passes."""
    return np.sign(x)


@pointwise(r"{x} > {y}", partials=(None, None), symbol=">")
def greater(x, y):
    """Whether x is larger; flat."""
    return np.greater(x, y)


@pointwise(r"{x} \ge {y}", partials=(None, None), symbol=">=")
def greater_equal(x, y):
    """Whether x is larger or equal; flat."""
    return np.greater_equal(x, y)


@pointwise(r"{x} < {y}", partials=(None, None), symbol="<")
def less(x, y):
    """Whether x is smaller; flat."""
    return np.less(x, y)


@pointwise(r"{x} \le {y}", partials=(None, None), symbol="<=")
def less_equal(x, y):
    """Whether x is smaller or equal; flat."""
    return np.less_equal(x, y)


@pointwise(r"{x} = {y}", partials=(None, None), symbol="==")
def equal(x, y):
    """Whether x and y are the same number; flat."""
    return np.equal(x, y)


@pointwise(r"{x} \ne {y}", partials=(None, None), symbol="!=")
def not_equal(x, y):
    """Whether x and y are different numbers; flat."""
    return np.not_equal(x, y)


@pointwise(r"{terms} + \cdots + {terms}", partials=lambda i, out, *terms: 1, symbol="sum", shapes=((), (), ()))
def sum_of(*terms):
    """A sum of many numbers as one node: each term gets the gradient unchanged."""
    return np.add.reduce(np.stack(terms))


@pointwise(
    r"{factors} \cdot {factors} + \cdots + {factors} \cdot {factors}",
    partials=lambda i, out, *factors: factors[(i + len(factors) // 2) % len(factors)],
    symbol="dot",
    shapes=((), (), (), ()),
)
def dot_of(*factors):
    """A dot product of two lists, the second after the first, as one node: each factor gets its partner."""
    count = len(factors) // 2
    return np.sum(np.stack(factors[:count]) * np.stack(factors[count:]), axis=0)
