"""The catalogue: every mistake by its fixed name, what is said of it, and what mends it."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What was done, and what to do about it."""

    what: str
    fix: str


KINDS: dict[str, Kind] = {
    "sign": Kind("the sign is turned", "look for what is subtracted from what, and for a minus that was lost"),
    "factor": Kind(
        "a constant factor is off",
        "an exponent comes down as a factor, a square's as a 2, and a ½ in front takes the 2 away: use each once",
    ),
    "wrong-average": Kind(
        "1/n is missing, stands twice, or is over the wrong n",
        "count what the cost averages over, and divide by that once",
    ),
    "missing-factor": Kind("a link of the chain is left out", "multiply by every local derivative on the way"),
    "extra-factor": Kind("a factor stands twice or does not belong", "each link of the way counts once"),
    "no-incoming-gradient": Kind(
        "a local derivative stands alone, without the gradient that arrives",
        "multiply the local derivative by the gradient that arrives from above",
    ),
    "chain-stopped-early": Kind(
        "this is the derivative in a later node", "go on down the chain: the links to what is asked are missing"
    ),
    "added-for-multiplied": Kind("links are added where they multiply", "multiply the links along one way"),
    "multiplied-for-added": Kind("ways are multiplied where they add", "add up what arrives along each way"),
    "swapped-operands": Kind(
        "an operand's own value stands where the other's belongs", "∂(a·b)/∂a is b: the other operand"
    ),
    "other-parameter": Kind("this is the gradient of another parameter", "go down to the parameter that is asked"),
    "missing-path": Kind("one of several ways is left out", "add what arrives along each way"),
    "overwritten": Kind("a share of the gradient is overwritten by another", "use += where a value is used twice"),
    "wrong-order": Kind(
        "a node was handed on before all its consumers had reported",
        "hand a node's gradient on once, when every consumer has added its share",
    ),
    "not-zeroed": Kind("gradients of an earlier pass were still there", "set all gradients to 0 before each pass"),
    "activation-derivative-missing": Kind(
        "the activation's derivative is left out", "multiply by the slope of the activation where it stands"
    ),
    "activation-derivative-at-output": Kind(
        "the activation's derivative is evaluated at its output", "evaluate it at the value before the activation"
    ),
    "activation-derivative-twice": Kind("the activation's derivative is applied twice", "apply it once"),
    "activation-derivative-of-another": Kind(
        "another function's derivative, or another layer's, is used",
        "use the slope of the activation that stands there",
    ),
    "activation-derivative-at-input": Kind(
        "a form made for the output is used with the input", "a(1 − a) and 1 − a² take the activation's output"
    ),
    "activation-for-derivative": Kind(
        "the activation's value stands where its derivative belongs", "differentiate the activation"
    ),
    "wrong-local-derivative": Kind("a local derivative is itself wrong", "work this one derivative out again"),
    "local-derivative-of-another": Kind(
        "the local derivative of another link is used here", "take the local derivative of this link"
    ),
    "lost-parentheses": Kind("parentheses are lost", "multiply the whole bracket"),
    "relu-mask-wrong": Kind(
        "the mask of a ReLU is missing, turned, or of another layer", "let through where the ReLU's input is positive"
    ),
    "prediction-for-error": Kind("the prediction, or the target, stands for the error", "use the difference"),
    "transposed": Kind("a matrix or the result is transposed", "compare the shapes: a gradient has its parameter's"),
    "wrong-product-order": Kind("factors of a matrix product are exchanged", "a matrix product keeps its order"),
    "elementwise-for-matrix-product": Kind("* stands where @ belongs", "use the matrix product"),
    "matrix-product-for-elementwise": Kind("@ stands where * belongs", "multiply entry by entry"),
    "batch-sum-missing": Kind("the sum over the batch is missing", "add up what every example gives"),
    "summed-over-wrong-axis": Kind("the sum runs over the wrong axis", "sum over the examples alone"),
    "broadcast-not-summed": Kind(
        "what was broadcast is not summed back", "sum over the axes along which it was repeated"
    ),
    "softmax-diagonal": Kind(
        "the softmax's Jacobian is taken by its diagonal alone", "every output of a softmax depends on every input"
    ),
    "gradient-for-value": Kind(
        "a gradient stands where a value belongs, or the reverse", "use the value from the forward pass"
    ),
    "new-weights": Kind(
        "weights that are already updated are used in the rest of the backward pass",
        "compute all gradients first, then update",
    ),
    "wrong-update": Kind("the step of the update is wrong", "each parameter moves by −rate · its own gradient"),
    "rounding": Kind("right but for rounding that was carried on", "carry on with more digits than you print"),
    "truncation": Kind("digits are cut where they should be rounded", "round the last digit that you print"),
    "arithmetic": Kind("the formula is right, and the number is not", "calculate this number again"),
    "unclassified": Kind("this is wrong, and no known mistake gives it", "compare the first link that is off"),
}
"""By the fixed name that programs outside read."""

LIKELY = [
    "sign", "relu-mask-wrong", "activation-derivative-missing", "activation-derivative-at-output",
    "activation-derivative-at-input", "activation-for-derivative", "softmax-diagonal", "swapped-operands",
    "transposed", "elementwise-for-matrix-product", "batch-sum-missing", "broadcast-not-summed",
    "summed-over-wrong-axis", "wrong-average", "missing-path", "overwritten", "prediction-for-error",
    "chain-stopped-early", "no-incoming-gradient", "multiplied-for-added", "other-parameter",
    "activation-derivative-of-another", "activation-derivative-twice", "wrong-product-order", "missing-factor",
    "factor", "added-for-multiplied", "wrong-order", "wrong-local-derivative", "extra-factor",
    "local-derivative-of-another", "gradient-for-value",
]  # fmt: skip
"""Where two mistakes give the same formula both are said, this one first: the more telling before the more general."""


PROGRAMS = ("wrong-order", "overwritten", "not-zeroed")
"""Mistakes that a program makes rather than a derivation; of a program, a number or a table they are said first."""


def rank(name: str, of_program: bool = False) -> int:
    """How early a mistake is said among those that give the same."""
    if name in PROGRAMS:
        return PROGRAMS.index(name) - len(PROGRAMS) if of_program else len(LIKELY) + (name != "overwritten")
    return LIKELY.index(name) if name in LIKELY else len(LIKELY)
