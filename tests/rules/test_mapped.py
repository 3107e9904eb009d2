"""`vmap` of every rule of the book: what a loop over the examples gives, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import RULES, Case, Recorded, cases, close, places, random_like

import chainrule as cr
from chainrule.core.operation import Pointwise

EXAMPLES = 3


def examples(operation):
    """For each declared setting: the settings, and what each of three examples has as inputs."""
    return zip(*[cases(operation, seed) for seed in range(EXAMPLES)], strict=True)


def subsets(count):
    """Which inputs are mapped: all of them, and each by itself."""
    return [tuple(range(count)), *[(i,) for i in range(count) if count > 1]]


def mapped_inputs(row, which):
    """The inputs with their examples along axis 0 where mapped, those of the first example elsewhere; and each case."""
    first = row[0]
    inputs = [np.stack([case.inputs[i] for case in row]) if i in which else x for i, x in enumerate(first.inputs)]
    apart = [
        Case(first.settings, tuple(case.inputs[i] if i in which else x for i, x in enumerate(first.inputs)))
        for case in row
    ]
    return inputs, [0 if i in which else None for i in range(len(inputs))], apart


@pytest.mark.parametrize("name", RULES)
def test_a_mapped_rule_is_the_loop_and_so_is_its_gradient(name):
    operation = cr.book[name]
    rng = np.random.default_rng(0)
    for row in examples(operation):
        for which in subsets(len(row[0].inputs)):
            inputs, axes, apart = mapped_inputs(row, which)
            run = cr.vmap(lambda *xs, s=row[0].settings: operation(*xs, **s), axes)
            found, alone = run(*inputs), [Recorded(operation, case) for case in apart]
            close(found, np.stack([one.out.data for one in alone]), 1e-13, f"vmap of {name}")
            if not places(operation):
                continue
            leaves = [cr.Tensor(x, requires_grad=i in places(operation)) for i, x in enumerate(inputs)]
            out = run(*leaves)
            close(out.data, found, 0.0, f"vmap of {name} on Tensors")
            g = random_like(out, rng)
            out.backward(g)
            shares = [one.gradients(part) for one, part in zip(alone, g, strict=True)]
            for k, i in enumerate(places(operation)):
                right = [share[k] for share in shares]
                right = np.stack(right) if i in which else sum(right)
                close(leaves[i].grad.data, right, 1e-12, f"gradient {i} of vmap of {name}")


@pytest.mark.parametrize("name", [name for name in RULES if places(cr.book[name])])
def test_both_modes_inside_a_map(name):
    """vmap of vjp and of jvp, with a cotangent and a tangent of its own for each example, and second order."""
    operation = cr.book[name]
    rng = np.random.default_rng(1)
    row = next(iter(examples(operation)))
    inputs, _, apart = mapped_inputs(row, tuple(range(len(row[0].inputs))))
    moving = places(operation)
    alone = [Recorded(operation, case) for case in apart]
    g = np.stack([random_like(one.out, rng) for one in alone])
    tangents = [random_like(inputs[i], rng) for i in moving]

    def of_moving(xs):
        return lambda *some: operation(
            *[some[moving.index(i)] if i in moving else x for i, x in enumerate(xs)], **row[0].settings
        )

    def both(g, *rest):
        xs, ts = rest[: len(inputs)], rest[len(inputs) :]
        f, primals = of_moving(xs), tuple(xs[i] for i in moving)
        return cr.vjp(f, *primals)[1](g), cr.jvp(f, primals, ts)[1]

    pulled, pushed = cr.vmap(both)(g, *inputs, *tangents)
    for n, one in enumerate(alone):
        for k, right in enumerate(one.gradients(g[n])):
            close(pulled[k][n], right, 1e-12, f"vjp of {name} inside a map")
        close(pushed[n], one.tangent([t[n] for t in tangents]), 1e-12, f"jvp of {name} inside a map")

    def second(g, *rest):
        xs, ts = rest[: len(inputs)], rest[len(inputs) :]
        primals = tuple(xs[i] for i in moving)
        return cr.jvp(lambda *some: cr.vjp(of_moving(xs), *some)[1](g), primals, ts)[1]

    twice = cr.vmap(second)(g, *inputs, *tangents)
    for n in range(EXAMPLES):
        right = second(g[n], *[x[n] for x in inputs], *[t[n] for t in tangents])
        for found, part in zip(twice, right, strict=True):
            close(found[n], part, 1e-11, f"second order of {name} inside a map")


@pytest.mark.parametrize("name", RULES)
def test_maps_inside_maps(name):
    operation = cr.book[name]
    for row in examples(operation):
        inputs, _, _ = mapped_inputs(row, tuple(range(len(row[0].inputs))))
        run = lambda *xs, s=row[0].settings: operation(*xs, **s)  # noqa: E731
        right = cr.vmap(run)(*inputs)
        deeper = [np.stack([x, x[::-1]], axis=1) for x in inputs]
        found = cr.vmap(cr.vmap(run), 1, 1)(*deeper)
        close(found, np.stack([right, right[::-1]], axis=1), 1e-13, f"vmap of vmap of {name}")


def test_rules_that_say_how_they_are_mapped_need_no_loop(monkeypatch):
    """The fallback is for what cannot be said; of these rules nothing may run example by example."""
    from chainrule.core import mapped

    def refuse(operation, *_):
        raise AssertionError(f"{operation.name} ran example by example")

    monkeypatch.setattr(mapped, "example_by_example", refuse)
    one_by_one = {"conv2d", "conv2d_input", "conv2d_weight", "conv2d_plus", "max_pool2d", "pick_at_largest"}
    one_by_one |= {"put_at_largest"}
    said = [name for name in RULES if cr.book[name].batches or cr.book[name].mapped or cr.book[name].composition]
    for name in {*said} - one_by_one | {name for name in RULES if isinstance(cr.book[name], Pointwise)}:
        operation = cr.book[name]
        for row in examples(operation):
            if name == "roll" and row[0].settings["axis"] is None:
                continue
            inputs, _, _ = mapped_inputs(row, tuple(range(len(row[0].inputs))))
            cr.vmap(lambda *xs, s=row[0].settings, rule=operation: rule(*xs, **s))(*inputs)
