"""The laws of written derivatives: each is used, right wherever it is used, and missed where it is broken."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen import derivatives, row_laws, simplified
from chainrule.core.operation import Fused, Pointwise, book
from chainrule.program import run
from chainrule.program.trace import trace

OWN = [name for name, _ in row_laws.LAST_LAWS if name not in {name for name, _ in row_laws.LAWS}]


def programs():
    """The derivatives of all rules that are declared by what they are made of, and what none of them needs."""
    for rule in book.values():
        if isinstance(rule, Fused) or (isinstance(rule, Pointwise) and rule.made_of is not None):
            for i in derivatives.moving_inputs(rule):
                for arrays, settings in derivatives.examples_of(rule, 1):
                    share = derivatives.pulled(rule, rule.inputs[i], arrays, settings)
                    yield trace(share, derivatives.cotangent(rule, arrays, settings), *arrays.values())
    draw = np.random.default_rng(0)
    x, y, row, number = draw.normal(size=(4, 3)), draw.normal(size=(4, 3)), draw.normal(size=(4, 1)), np.float64(0.3)
    for f in (
        lambda x, y, row, number: number * x - number * (y / row),
        lambda x, y, row, number: -(x * y) - x / row,
        lambda x, y, row, number: cr.sum(x * y / row * number, axis=-1, keepdims=True),
        lambda x, y, row, number: cr.sum(-x * number),
        lambda x, y, row, number: -(number * (x - y)),
        lambda x, y, row, number: -x + -y,
        lambda x, y, row, number: x / row - y / row,
    ):
        yield trace(f, x, y, row, number)


def checked(law):
    """A law whose every use is compared with what it replaces, on the numbers of the example."""

    def both(builder, step):
        made = law(builder, step)
        if isinstance(made, simplified.Step) and made.shape == step.shape and made.dtype == step.dtype:
            np.testing.assert_allclose(builder.numbers[made], builder.numbers[step], rtol=1e-11, atol=1e-13)
        return made

    if hasattr(law, "scope"):
        both.scope = law.scope
    return both


def use_of(every):
    """How often each law did something, over all programs here; what they make is run and compared."""
    fired = Counter()
    for whole in programs():
        shorter, found = simplified.simplified(whole, every)
        fired += found
        now = run(shorter.program, {leaf: shorter.numbers[leaf] for leaf in shorter.program.leaves})
        for x, y in zip(whole.outputs, shorter.outputs, strict=True):
            np.testing.assert_allclose(now[y.place], whole.numbers[x], rtol=1e-11, atol=1e-13)
    return fired


def test_every_law_is_used_and_right():
    fired = use_of([(name, checked(law)) for name, law in row_laws.LAST_LAWS])
    assert set(OWN) <= fired.keys()


@pytest.mark.parametrize("broken", OWN)
def test_a_broken_law_is_noticed(broken):
    def off(law):
        def slightly(builder, step):
            made = law(builder, step)
            if not isinstance(made, simplified.Step) or made is step or made.shape != step.shape:
                return made
            return builder.plain(book["mul"], (made, 1.001), {})

        slightly.scope = law.scope
        return slightly

    every = [(name, off(law) if name == broken else law) for name, law in row_laws.LAST_LAWS]
    with pytest.raises(AssertionError):
        use_of(every)
