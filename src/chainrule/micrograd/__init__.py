"""A drop-in for micrograd: change ``from micrograd`` to ``from chainrule.micrograd`` and a program runs unchanged.

Weights are drawn from the same `random` seed in the same order, and sums are built term by term as micrograd builds
them. One thing differs on purpose: a second `backward()` gives intermediate nodes a fresh gradient, where micrograd
adds to the stale one; leaves collect exactly one more gradient in both.
"""

from chainrule.micrograd import engine, nn

__all__ = ["engine", "nn"]
