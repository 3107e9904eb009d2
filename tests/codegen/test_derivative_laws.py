"""The laws of written derivatives: each is used, right wherever it is used, and missed where it is broken."""

from __future__ import annotations

from collections import Counter
from functools import wraps

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen import derivative_laws, derivatives
from chainrule.codegen.simplified import Step
from chainrule.core.operation import Fused, Pointwise, book
from chainrule.program import run
from chainrule.program.trace import trace

OWN = {**dict(derivative_laws.OWN_LAWS), **dict(derivative_laws.LATE_LAWS)}


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
        lambda x, y, row, number: cr.sum(x * y / row * number, axis=-1, keepdims=True),
        lambda x, y, row, number: (x / row - y / row) @ (x**2).T,
        lambda x, y, row, number: cr.where(x > row, x * y + x * row, x**3 / x)[[0, 2]],
    ):
        yield trace(f, x, y, row, number)


def use_of(every):
    """How often each law did something; what all of them make is run and compared."""
    fired = Counter()

    def counted(name, law):
        @wraps(law)
        def noted(builder, step):
            made = law(builder, step)
            fired[name] += isinstance(made, Step)
            return made

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for kept in ("OWN_LAWS", "LATE_LAWS"):
            now = [(name, counted(name, every[name])) for name, _ in getattr(derivative_laws, kept)]
            patch.setattr(derivative_laws, kept, now)
        for whole in programs():
            shorter = derivative_laws.shortened(whole, {}, ())
            now = run(shorter.program, {leaf: shorter.numbers[leaf] for leaf in shorter.program.leaves})
            for x, y in zip(whole.outputs, shorter.outputs, strict=True):
                np.testing.assert_allclose(now[y.place], whole.numbers[x], rtol=1e-11, atol=1e-13)
    return fired


def test_every_law_is_used_and_right():
    assert all(use_of(OWN)[name] for name in OWN)


@pytest.mark.parametrize("broken", OWN)
def test_a_broken_law_is_noticed(broken):
    @wraps(OWN[broken])
    def slightly(builder, step):
        made = OWN[broken](builder, step)
        return builder.plain(book["mul"], (made, 1.001), {}) if isinstance(made, Step) else made

    with pytest.raises(AssertionError):
        use_of({**OWN, broken: slightly})
