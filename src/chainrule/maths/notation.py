"""From meaning to looks: a rule's own template, and here what depends on shapes alone.

Vectors are columns: ``x @ A`` is Aᵀx and ``x @ y`` xᵀy. An array operand of another shape is written with ones, so that
c𝟏𝟏ᵀ + A is not taken for c times the identity. What acts entry by entry says so: ⊙, ⊘, and raised ⊙2.
"""

# What settings hold is known only when a formula is printed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from chainrule.core.operation import Operation, book
from chainrule.errors import ChainruleError
from chainrule.maths import looks
from chainrule.maths.arranged import entry, joined, padded, scattered
from chainrule.maths.indexed import product_where, summed_products, whole_product
from chainrule.maths.looks import (
    IDENTITY,
    NOTHING,
    ONES,
    Looks,
    add,
    begins_with_digit,
    beside,
    call,
    fenced,
    prod,
    turned,
)
from chainrule.maths.settings import setting, settings_below, settings_shown
from chainrule.maths.template import filled, read_template, written_out
from chainrule.maths.tree import (
    PI,
    Applied,
    Change,
    Derivative,
    Matrix,
    Number,
    Relation,
    Shape,
    Sigma,
    Symbol,
    Tree,
    Unknown,
    applied,
    innermost_first,
)
from chainrule.maths.vectors import as_row, is_dot, is_inner, number_first, turned_multiple


def lay(tree: Tree) -> Looks:
    """What a formula looks like; O(parts)."""
    for x in innermost_first(tree, lambda x: hasattr(x, "looks")):
        object.__setattr__(x, "looks", laid_out(x))
    return tree.looks


def laid_out(tree: Tree) -> Looks:
    """A part of a formula, whose own parts have their looks."""
    match tree:
        case Number():
            return looks.PI if tree.text == PI else looks.digits(tree.shown or tree.text)
        case Symbol():
            return symbol(tree)
        case Derivative():
            return derivative(tree)
        case Change():
            return Looks("delta", (lay(tree.of),))
        case Unknown():
            return call_of_letter(lay(tree.function), *map(lay, tree.inputs))
        case Matrix():
            return Looks("matrix", tuple([Looks("row", tuple(map(lay, row))) for row in tree.rows]))
        case Sigma():
            return Looks("big", (looks.name(tree.letter), lay(tree.body)), "∑")
        case Relation():
            return Looks("rel", tuple(map(lay, tree.sides)), tree.signs)
        case Applied():
            written = BY_SHAPE.get(tree.name)
            found = written(tree, *tree.inputs) if written is not None else None
            return by_template(tree) if found is None else found
        case _:
            raise TypeError(f"{type(tree).__name__} has no looks")


def derivative(x: Derivative) -> Looks:
    """In Leibniz's notation, with what is held below it; a gradient with ∇."""
    if x.is_gradient:
        return beside(Looks("sub", (looks.name("∇"), lay(x.below))), lay(x.above))
    d = "d" if x.is_total else ""
    if isinstance(x.above, Derivative) and not x.held and not x.above.held:
        first, second = Looks("d", (lay(x.above.below),), d), Looks("d", (lay(x.below),), d)
        below = Looks("pow", (first, looks.digits("2"))) if x.below == x.above.below else beside(first, second)
        return Looks("ratio", (Looks("d", (lay(x.above.above),), d + "2"), below))
    found = Looks("ratio", (Looks("d", (lay(x.above),), d), Looks("d", (lay(x.below),), d)))
    return Looks("sub", (fenced("(", found), looks.listed(*map(lay, x.held)))) if x.held else found


def call_of_letter(function: Looks, *inputs: Looks) -> Looks:
    return Looks("applied", (function, *inputs))


def symbol(x: Symbol) -> Looks:
    """A letter with its mark, its layer, and what is below the line: part of its name, then the place of an entry."""
    found = spelled(x.base)
    if x.mark:
        found = Looks("mark", (found,), x.mark)
    if x.primes:
        found = Looks("prime", (found,), x.primes)
    if x.layer:
        found = Looks("layer", (found, script(x.layer)))
    below = [*x.below, *map(str, x.at)]
    return Looks("sub", (found, looks.listed(*map(script, below)))) if below else found


@lru_cache(maxsize=1024)
def spelled(word: str) -> Looks:
    """A letter or a name; one that is LaTeX for a symbol as LaTeX has it."""
    if not any([sign in word for sign in "\\^{"]):
        return looks.name(word)
    try:
        found = as_letter(read_template(word, frozenset()))
    except (ChainruleError, IndexError, RecursionError):
        return looks.name(word)
    return found if is_symbol(found) else looks.name(word)


def as_letter(x: Looks) -> Looks:
    """What was read as the name of a function, as a letter."""
    return looks.name(x.word) if x.kind == "name" else Looks(x.kind, tuple(map(as_letter, x.parts)), x.word)


def is_symbol(x: Looks) -> bool:
    """Whether something is one letter with scripts and marks."""
    base = x
    while base.kind in ("sub", "pow", "mark", "layer", "prime"):
        base = base.parts[0]
    return base.kind == "id"


SIGNS = {"+": 1, "-": -1}


def script(word: str) -> Looks:
    """A number, a letter or a name, or what lies so far before or after a letter: ``l-1``."""
    letter, sign, distance = word[:1], word[1:2], word[2:]
    if letter.isalpha() and sign in SIGNS and distance.isdigit():
        return looks.add((1, looks.name(letter)), (SIGNS[sign], looks.digits(distance)))
    return looks.digits(word) if word.isdigit() else looks.name(word)


def by_template(tree: Applied) -> Looks:
    """An operation by its own template; what it does not mention and is not the default stands below."""
    operation = rule_of(tree)
    if operation is None:
        return call(words(tree.name), *map(as_number, tree.inputs), below=settings_below(settings_shown(tree)))
    inputs = [fitted(x, tree.shape) if operation.broadcasts else as_number(x) for x in tree.inputs]
    template, names = operation.formula, operation.inputs
    if operation.variadic:
        template = written_out(template, operation.inputs[-1], len(inputs))
        names = tuple([f"{operation.inputs[-1]}_{i}" for i in range(len(inputs))])
    given = tree.given
    mentioned = {name: x for name, x in given.items() if f"{{{name}}}" in template}
    form = filled(
        read_template(template, frozenset((*names, *mentioned))),
        {**dict(zip(names, inputs, strict=True)), **{name: setting(x) for name, x in mentioned.items()}},
    )
    rest = {name: x for name, x in settings_shown(tree).items() if name not in mentioned}
    if not rest:
        return form
    if form.kind == "call" and form.parts[0] == NOTHING:
        return Looks("call", (settings_below(rest), *form.parts[1:]), form.word)
    return call(words(tree.name), *inputs, below=settings_below(rest))


def as_number(x: Tree) -> Looks:
    """An argument; a comparison that is one stands for 1 or 0, and has its brackets."""
    form = lay(x)
    return fenced("[", form) if form.kind == "rel" else form


def rule_of(tree: Applied) -> Operation | None:
    """The rule whose template an operation is written by: its own, or that of the rule whose name a function has."""
    if isinstance(tree.operation, Operation):
        return tree.operation
    rule = book.get(tree.name)
    if rule is None or rule.variadic or len(rule.inputs) != len(tree.inputs):
        return None
    needed = {name for name in rule.defaults if f"{{{name}}}" in rule.formula}
    return rule if needed <= tree.given.keys() <= rule.defaults.keys() else None


def words(name: str) -> str:
    return name.replace("_", " ")


# What depends on shapes


def fitted(x: Tree, shape: Shape) -> Looks:
    """An operand as it is repeated to a shape; numbers stay bare, and so does what is taken for a number."""
    return repeated(x, shape) if x.shape and shape and x.shape != shape else lay(x)


def repeated(x: Tree, shape: Shape) -> Looks:
    """A number or an array repeated with ones: c𝟏, c𝟏𝟏ᵀ, 𝟏bᵀ (in each row), b𝟏ᵀ (in each column)."""
    form = lay(x)
    if x.size == math.prod(shape):
        return form
    if x.ndim == len(shape) > 2:
        return form  # along its axes of length 1, as a mean that is kept there
    if len(shape) > 2 or x.ndim > 2:
        return call("repeat", form, below=looks.listed(looks.text("×".join(map(str, shape)))))
    if x.size == 1 and max(x.ndim, 0) < 2:
        ones = ones_of(shape)
        if form == looks.digits("0"):
            return form  # nothing is nothing in any shape
        if form in (looks.digits("1"), looks.digits("-1")):
            return ones if form.word == "1" else Looks("neg", (ones,))
        return beside(*number_first(x), ones)
    if x.ndim == 1:
        return beside(ONES, turned(form))
    return beside(ONES, form) if x.shape[0] == 1 else beside(form, turned(ONES))


def ones_of(shape: Shape) -> Looks:
    """An array of ones: a column, a row, or a matrix."""
    if len(shape) == 1 or shape[1] == 1:
        return ONES
    return turned(ONES) if shape[0] == 1 else beside(ONES, turned(ONES))


def sum_with(sign: int) -> Callable[..., Looks | None]:
    """A sum or difference of arrays, where a number among them is repeated."""

    def written(tree: Applied, x: Tree, y: Tree) -> Looks | None:
        return add((1, repeated(x, tree.shape)), (sign, repeated(y, tree.shape))) if tree.shape else None

    return written


def product(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    """Digits before a symbol, and a number before an array, side by side; two arrays with ⊙."""
    if not tree.shape:
        if not is_numeral(x) or begins_with_digit(lay(y)) or x == y == Number(PI):
            return None
        if unit := times_unit(x, y):
            return unit
        factors = [lay(x), lay(y)]
        return beside(*[part for form in factors for part in (form.parts if starts_with_pi(form) else (form,))])
    if x.shape and y.shape:
        return prod("⊙", repeated(x, tree.shape), repeated(y, tree.shape))
    number, array = (x, y) if y.shape else (y, x)
    if unit := times_unit(number, array):
        return unit
    factors, form = number_first(number), lay(array)
    together = any(map(begins_with_digit, [*factors[1:], form]))
    is_function = factors[0].kind == "id" and factors[0].word in ("σ", "Φ", "f")
    return prod("·", lay(number), form) if together or is_function else beside(*factors, form)


def times_unit(number: Tree, x: Tree) -> Looks | None:
    """What 1 or −1 beside something is: the thing itself, or its negative; nobody writes 1x."""
    if number == Number("1"):
        return lay(x)
    return Looks("neg", (lay(x),)) if number == Number("-1") else None


def is_numeral(x: Tree) -> bool:
    """Whether it is digits, π, or digits before π."""
    if isinstance(x, Applied) and x.name == "mul":
        return isinstance(x.inputs[0], Number) and x.inputs[1] == Number(PI)
    return isinstance(x, Number) and "e" not in x.text


def starts_with_pi(form: Looks) -> bool:
    """Whether it is a product side by side in which π stands first, or behind a number."""
    return form.kind == "beside" and looks.PI in form.parts[:2]


def averaged(x: Tree) -> Tree | None:
    """What a number is the mean of, whether it is called so or is a sum over how many there are; None of others.

    Half a sum of two is left as it is: it may be the half of a cost whose 2 cancels.
    """
    if not isinstance(x, Applied) or x.size != 1 or not x.inputs:
        return None
    if x.name == "mean" and not settings_shown(x):
        return x.inputs[0]
    over, total = x.inputs[-1], x.inputs[0]
    is_total = x.name == "div" and isinstance(total, Applied) and total.name == "sum" and not settings_shown(total)
    of = total.inputs[0] if isinstance(total, Applied) and is_total else None
    return of if of is not None and of.size > 2 and over == Number(str(of.size)) else None


def spread_of(x: Tree) -> Tree | None:
    """What a number is the variance of: the mean square of what something is away from its mean; None of others."""
    of = averaged(x)
    away = None if of is None else base_of_square(of)
    if isinstance(x, Applied) and x.name == "div" and is_inner(x.inputs[0]) and not is_dot(x.inputs[0]):
        square = x.inputs[0].inputs[0]
        away = square if x.inputs[1] == Number(str(square.size)) else None
    if not isinstance(away, Applied) or away.name != "sub":
        return None
    whole, mean = away.inputs
    inner = mean.inputs[0] if isinstance(mean, Applied) and mean.name == "broadcast_to" else mean
    return whole if averaged(inner) == whole else None


def quotient(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    """An array over a number is a fraction; over an array, entry by entry; the sum of all over their count a mean."""
    if not tree.shape:
        of = averaged(tree)
        return None if of is None else call("mean", lay(of))
    if not y.shape:
        return Looks("frac", (lay(x), lay(y)))
    return prod("⊘", repeated(x, tree.shape), repeated(y, tree.shape))


def entrywise(exponent: str) -> Callable[..., Looks | None]:
    """A power of every entry of an array."""

    def written(tree: Applied, x: Tree) -> Looks | None:
        return Looks("pow", (lay(x), looks.digits(exponent)), "⊙") if tree.shape else None

    return written


def power(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    """The same with any exponent; ‖x‖³ for a length that was squared."""
    if not tree.shape:
        twice = 2 * y.value if isinstance(y, Number) else 0.5
        if not isinstance(x, Applied) or x.name != "matmul" or not float(twice).is_integer():
            return None
        left, right = x.inputs
        is_length = left == right and left.ndim == 1
        return Looks("pow", (fenced("‖", lay(left)), looks.digits(str(int(twice))))) if is_length else None
    return Looks("pow", (repeated(x, tree.shape), repeated(y, tree.shape) if y.shape else lay(y)), "⊙")


def of_array(name: str) -> Callable[..., Looks | None]:
    """A function of every entry, by its name: exp(X) where e^X would be the matrix exponential."""

    def written(tree: Applied, x: Tree) -> Looks | None:
        return call(name, lay(x)) if tree.shape else None

    return written


def exponential(tree: Applied, x: Tree) -> Looks | None:
    """A power of e; e to the power 1 is e."""
    return looks.E if x == Number("1") else of_array("exp")(tree, x)


def matrix_product(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    """Matrices side by side; a vector before a matrix is a row, and is written as the column it makes."""
    if x.ndim > 2 or y.ndim > 2:
        return call("matmul", lay(x), lay(y))
    positive = without_sign(x)
    if positive is not None:
        return Looks("neg", (lay(applied("matmul", positive, y)),))
    if x.ndim == 1 and y.ndim == 2:
        return beside(turned(lay(y)), lay(x))
    if x == y and x.ndim == 1:
        return Looks("pow", (fenced("‖", lay(x)), looks.digits("2")))
    return beside(as_row(x) if x.ndim == 1 else lay(x), lay(y))


def without_sign(x: Tree) -> Tree | None:
    """The negative of something that begins with a minus, as a product of matrices may; None of anything else."""
    if not isinstance(x, Applied) or x.name not in ("neg", "matmul"):
        return None
    if x.name == "neg":
        return x.inputs[0]
    first = without_sign(x.inputs[0])
    return None if first is None else applied("matmul", first, x.inputs[1])


def solution(tree: Applied, x: Tree, y: Tree) -> Looks:
    """What solves a system of equations: the inverse times the right side."""
    if isinstance(x, Applied) and x.name == "transpose" and x.ndim == 2:
        return beside(lay(applied("transpose", applied("inv", x.inputs[0]))), lay(y))
    return beside(Looks("pow", (lay(x), looks.digits("-1"))), lay(y))


def root(tree: Applied, x: Tree) -> Looks | None:
    """The root of a vector's product with itself is its length, and that of the squares in a matrix its size."""
    spread = spread_of(x)
    if spread is not None:
        return call("std", lay(spread))
    if is_inner(x) and not is_dot(x):
        return fenced("‖", lay(x.inputs[0]))
    if (
        isinstance(x, Applied)
        and x.name == "sum"
        and not settings_shown(x)
        and (inner := base_of_square(x.inputs[0])) is not None
    ):
        return length_of(inner)
    return Looks("pow", (lay(x), looks.digits("1/2")), "⊙") if tree.shape else None


def transpose(tree: Applied, x: Tree) -> Looks | None:
    """Rows for columns; other orders of axes are named."""
    if x.ndim < 2:
        return lay(x)
    return turned(lay(x)) if x.ndim == 2 and tree.given.get("axes") in (None, (1, 0)) else None


def total(tree: Applied, x: Tree) -> Looks | None:
    """A matrix times ones adds up its rows, and its transpose its columns."""
    axis, keepdims = tree.given["axis"], tree.given["keepdims"]
    if isinstance(axis, tuple):
        axis = None if len(axis) == x.ndim else axis[0] if len(axis) == 1 else axis
    if axis is None and not keepdims:
        return Looks("big", (NOTHING, lay(x)), "∑")
    if x.ndim == 2 and axis in (0, 1, -1, -2):
        if axis in (1, -1):
            return beside(lay(x), ONES)
        return beside(turned(ONES), lay(x)) if keepdims else beside(turned(lay(x)), ONES)
    if x.ndim == 1 and not keepdims:
        return Looks("big", (NOTHING, lay(x)), "∑")
    return Looks("big", (settings_below(settings_shown(tree)), lay(x)), "∑")


def outer(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    return beside(lay(x), turned(lay(y))) if x.ndim == y.ndim == 1 else None


def broadcast(tree: Applied, x: Tree) -> Looks:
    form = repeated(x, tree.shape)
    return looks.ZEROS if tree.shape and form == looks.digits("0") else form


def norm(tree: Applied, x: Tree) -> Looks | None:
    """A vector's length, or the length of all entries of a matrix."""
    if settings_shown(tree):
        return None
    return length_of(x)


def root_of_mean_square(tree: Applied, x: Tree) -> Looks | None:
    """The root of a sum of squares over a count is a length over the root of that, or how far entries spread."""
    is_mean = tree.given["count"] == x.size and not tree.shape
    if is_mean and (spread := spread_of(applied("mean", applied("square", x)))) is not None:
        return call("std", lay(spread))
    if settings_shown(tree).keys() != {"count"} or length_of(x) is None:
        return None
    return Looks("frac", (length_of(x), lay(applied("sqrt", tree.given["count"]))))


def length_of(x: Tree) -> Looks | None:
    """What stands between the bars of a norm; a matrix has several norms, and this is Frobenius'."""
    bars = fenced("‖", lay(x))
    return Looks("sub", (bars, looks.text("F"))) if x.ndim == 2 else bars if x.ndim < 2 else None


def base_of_square(x: Tree) -> Any:
    """What is squared, entry by entry; None for anything else."""
    is_square = isinstance(x, Applied) and (x.name == "square" or (x.name == "pow" and x.inputs[1] == Number("2")))
    return x.inputs[0] if is_square and isinstance(x, Applied) and x.ndim else None


def reshaped(tree: Applied, x: Tree) -> Looks | None:
    """A vector as a column is itself, and as a row its transpose; one number is that number in any shape."""
    if x.size > 1 and ((is_column(x) and is_row(tree)) or (is_row(x) and is_column(tree))):
        return turned_multiple(x)
    only_shape = x.size == tree.size and max(x.ndim, tree.ndim) < 3 and x.shape[:1] == tree.shape[:1]
    return lay(x) if only_shape or x.size == tree.size == 1 else None


def is_column(x: Tree) -> bool:
    return x.shape in ((x.size,), (x.size, 1))


def is_row(x: Tree) -> bool:
    return x.shape == (1, x.size)


def identity(tree: Applied) -> Looks:
    return IDENTITY


def kronecker(tree: Applied, x: Tree, y: Tree) -> Looks:
    """Every entry of one times the whole of the other; of an identity its size is told."""
    return prod("⊗", *[sized_identity(side) or lay(side) for side in (x, y)])


def sized_identity(x: Tree) -> Looks | None:
    is_identity = isinstance(x, Applied) and x.name == "eye"
    return Looks("sub", (IDENTITY, looks.digits(str(x.shape[0])))) if is_identity else None


def rounded(tree: Applied, x: Tree) -> Looks | None:
    """A number rounded to a whole one, which needs no word on decimals."""
    return call("round", lay(x)) if tree.given.get("decimals", 0) == 0 else None


def clipped(tree: Applied, x: Tree) -> Looks | None:
    """What has a limit on one side alone is the larger, or the smaller, of two."""
    low, high = tree.given.get("a_min"), tree.given.get("a_max")
    if (low is None) == (high is None):
        return None
    return call("max", lay(x), setting(low)) if high is None else call("min", lay(x), setting(high))


OPPOSITE = {"greater": "<=", "less": ">=", "greater_equal": "<", "less_equal": ">"}


def equal(tree: Applied, x: Tree, y: Tree) -> Looks | None:
    """What is as it is inside of limits lies between them; where a comparison is 0 its opposite holds."""
    if isinstance(x, Applied) and x.name in OPPOSITE and y == Number("0"):
        return Looks("rel", lay(x).parts, (OPPOSITE[x.name],)) if lay(x).kind == "rel" else None
    for inner, held in ((x, y), (y, x)):
        if isinstance(held, Applied) and held.name == "clip" and held.inputs[0] == inner:
            low, high = [held.given.get(name) for name in ("a_min", "a_max")]
            if low is None or high is None:
                return Looks(
                    "rel", (lay(inner), setting(high if low is None else low)), ("<=" if low is None else ">=",)
                )
            return Looks("rel", (setting(low), lay(inner), setting(high)), ("<=", "<="))
    return None


def share_of(extreme: str) -> Callable[..., Looks | None]:
    """Which entries of a named array are the largest, or smallest: equals share evenly."""

    def shares(tree: Applied, x: Tree) -> Looks | None:
        if tree.given["axis"] is not None or not isinstance(x, Symbol):
            return None
        holds = applied("equal", x, applied(extreme, x))
        return lay(applied("div", holds, applied("sum", holds)))

    return shares


def pooled(tree: Applied, x: Tree, places: Tree) -> Looks | None:
    """What is picked from where it is largest itself is the largest in each window."""
    return call("max pool", lay(x), below=settings_below(settings_shown(tree))) if x == places else None


def trace(tree: Applied, x: Tree) -> Looks | None:
    """The sum of a diagonal, as books write it."""
    return None if settings_shown(tree) else call("tr", lay(x))


def by_cases(tree: Applied, condition: Tree, x: Tree, y: Tree) -> Looks:
    """What holds where a condition does, and what holds elsewhere, as books set them below each other."""
    return Looks("cases", (fitted(x, tree.shape), lay(condition), fitted(y, tree.shape)))


BY_SHAPE: dict[str, Callable[..., Looks | None]] = {
    "abs": of_array("abs"),
    "add": sum_with(1),
    "broadcast_to": broadcast,
    "clip": clipped,
    "concatenate": joined,
    "cumprod": product_where("<="),
    "div": quotient,
    "equal": equal,
    "exp": exponential,
    "einsum": summed_products,
    "expand_dims": reshaped,
    "expm1": of_array("expm1"),
    "eye": identity,
    "index": entry,
    "kron": kronecker,
    "length": root_of_mean_square,
    "matmul": matrix_product,
    "mul": product,
    "norm": norm,
    "outer": outer,
    "pad": padded,
    "pick_at_largest": pooled,
    "pow": power,
    "prod": whole_product,
    "product_of_others": product_where("!="),
    "reciprocal": entrywise("-1"),
    "reshape": reshaped,
    "round": rounded,
    "scatter": scattered,
    "shares_of_largest": share_of("largest"),
    "shares_of_smallest": share_of("smallest"),
    "solve": solution,
    "sqrt": root,
    "square": entrywise("2"),
    "squeeze": reshaped,
    "stack": joined,
    "sub": sum_with(-1),
    "sum": total,
    "swap": transpose,
    "trace": trace,
    "transpose": transpose,
    "where": by_cases,
}
"""Operations whose looks depend on shapes; None leaves one to its template."""
