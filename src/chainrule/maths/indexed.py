"""Sums and products over letters that run along axes, where no product of matrices says them.

What is given has its looks.
"""

# What settings hold is known only when a formula is printed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable

from chainrule.maths import looks
from chainrule.maths.looks import Looks, beside, fenced, prod, turned
from chainrule.maths.settings import settings_below, settings_shown
from chainrule.maths.tree import Applied, Tree

INDICES = "ijkl"


LETTERS = "mnpqrst"
"""What runs over the places of entries."""


def whole_product(tree: Applied, x: Tree) -> Looks | None:
    """The product of all entries, or for each place along the other axes of those there."""
    found = places_along(tree, x)
    if found is None:
        return Looks("big", (settings_below(settings_shown(tree)), x.looks), "∏")
    running, here, _ = found
    product = Looks("big", (places(running), entry_at(x, here)), "∏")
    left = [letter for letter in here if letter not in running]
    return entry_at(product, left) if left else product


def summed_products(tree: Applied, *inputs: Tree) -> Looks:
    """A product of matrices or vectors where it is one, else a sum over letters of products of entries."""
    given, result = tree.given["subscripts"].split("->")
    own = given.split(",")
    found = None
    if len(own) == 2 and max(map(len, own)) <= 2:
        one, other = zip(inputs, own, strict=True)
        found = side_by_side(one, other, result) or side_by_side(other, one, result)
    if found is not None:
        return found
    taken = {form.word for x in inputs for form in looks.all_in(x.looks) if form.kind == "id"}
    every = dict.fromkeys(given.replace(",", ""))
    free = iter([letter for letter in INDICES + LETTERS if letter not in taken and letter not in every])
    letter = {k: next(free, k) if k in taken else k for k in every}
    factors = [entry_at(x, [letter[k] for k in word]) if word else x.looks for x, word in zip(inputs, own, strict=True)]
    factors = [form for form in factors if form != looks.digits("1")]
    product = prod("·", *factors) if factors[1:] else factors[0] if factors else looks.digits("1")
    over = [letter[k] for k in every if k not in result]
    total = Looks("big", (places(over), product), "∑") if over else product
    return entry_at(total, [letter[k] for k in result]) if result else total


def side_by_side(first: tuple[Tree, str], second: tuple[Tree, str], result: str) -> Looks | None:
    """Two arrays of which each has at most two axes as one product, the first at the left; None where it is none."""
    (x, rows), (y, columns) = first, second
    shared = [k for k in rows if k in columns]
    if rows == columns == result:
        return prod("⊙", x.looks, y.looks)
    kept = "".join([k for k in rows + columns if k not in shared])
    if kept != result or len(shared) > 1 or (not shared and len(rows) + len(columns) != 2):
        return None
    if not shared:
        return beside(x.looks, turned(y.looks)) if len(rows) == len(columns) == 1 else None
    left = x.looks if rows[-1] == shared[0] else turned(x.looks)
    right = y.looks if columns[0] == shared[0] else turned(y.looks)
    if len(rows) == 1:
        # A vector before a matrix is a row, and is written as the column it makes.
        return beside(turned(right), left) if len(columns) == 2 else beside(turned(left), right)
    return beside(left, right)


def product_where(sign: str) -> Callable[..., Looks | None]:
    """For each place the product of the entries whose own place is related to it: unlike it, or not behind it."""

    def written(tree: Applied, x: Tree) -> Looks | None:
        found = places_along(tree, x)
        if found is None:
            return None
        running, here, there = found
        apart = [there[here.index(letter)] for letter in running]
        sides = [places(running), places(apart)]
        if len(running) > 1:
            sides = [fenced("(", side) for side in sides]
        return entry_at(Looks("big", (Looks("rel", tuple(sides), (sign,)), entry_at(x, here)), "∏"), there)

    return written


def places_along(tree: Applied, x: Tree) -> tuple[list[str], list[str], list[str]] | None:
    """Letters that run along the axes of a reduction, of the place that they run over, and of one that stands still.

    None for an array of more axes, and where the letters are taken.
    """
    axis = tree.given["axis"]
    axes = [*range(x.ndim)] if axis is None else [k % x.ndim for k in (axis if isinstance(axis, tuple) else (axis,))]
    taken = {form.word for form in looks.all_in(x.looks) if form.kind == "id"}
    free = [letter for letter in INDICES if letter not in taken]
    if x.ndim not in (1, 2) or not axes or len(free) < x.ndim + len(axes):
        return None
    running, there = free[: len(axes)], free[len(axes) : len(axes) + x.ndim]
    here = [running[axes.index(k)] if k in axes else there[k] for k in range(x.ndim)]
    return running, here, there


def entry_at(x: Tree | Looks, letters: Iterable[str]) -> Looks:
    """What stands at the place that letters tell."""
    form = fenced("(", x) if isinstance(x, Looks) else x.looks
    return Looks("sub", (form, places(letters)))


def places(letters: Iterable[str]) -> Looks:
    return looks.listed(*map(looks.name, letters))
