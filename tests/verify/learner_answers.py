"""Seventy-five answers in a learner's words and forms: 60 wrong ones and 15 right ones in odd forms.

They were written from the table of names alone, before the locator existed, and are not changed to suit it. Each has a
problem, what is asked, the answer, the names that a marker would accept (none: it is right), and words of which the
place must contain one.
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    program: str
    shapes: dict[str, tuple[int, ...]]


class Answer(NamedTuple):
    problem: str
    wrt: str
    text: str
    names: tuple[str, ...] = ()
    place: tuple[str, ...] = ()


def scalars(names: str) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names.split(), ())


PROBLEMS = {
    "net": Problem("h = w1*x\nŷ = w2*h\nL = 0.5*(ŷ - y)**2", scalars("w1 x w2 y")),
    "no half": Problem("h = w1*x\nyhat = w2*h\nL = (yhat - y)**2", scalars("w1 x w2 y")),
    "sigmoids": Problem(
        "z1 = w1*x1 + w2*x2\nh1 = sigmoid(z1)\nz2 = w3*h1\nyhat = sigmoid(z2)\nL = 0.5*(t - yhat)**2",
        scalars("w1 x1 w2 x2 w3 t"),
    ),
    "reuse": Problem("d = a*b\ne = a + b\nf = d*e", scalars("a b")),
    "tanh neuron": Problem("n = x1*w1 + x2*w2 + b\no = tanh(n)\nL = (o - t)**2", scalars("x1 w1 x2 w2 b t")),
    "relu": Problem("z = w*x + b\na = relu(z)\nc = v*a\nL = 0.5*(c - y)**2", scalars("w x b v y")),
    "two ways": Problem("u = x**2\nv = exp(x)\nL = u*v + u", scalars("x")),
    "columns": Problem(
        "Z1 = W1 @ X + b1\nA1 = sigmoid(Z1)\nZ2 = W2 @ A1 + b2\nA2 = sigmoid(Z2)\nL = sum((A2 - Y)**2)/(2*5)",
        {"X": (2, 5), "W1": (3, 2), "b1": (3, 1), "W2": (2, 3), "b2": (2, 1), "Y": (2, 5)},
    ),
    "rows": Problem(
        "H = tanh(X @ W + b)\nP = H @ V + c\nL = mean((P - Y)**2)",
        {"X": (5, 2), "W": (2, 3), "b": (3,), "V": (3, 4), "c": (4,), "Y": (5, 4)},
    ),
    "regression": Problem(
        "Z = X @ W + b\nP = softmax(Z)\nL = -sum(Y*log(P))/5", {"X": (5, 3), "W": (3, 4), "b": (4,), "Y": (5, 4)}
    ),
    "one example": Problem(
        "z1 = W1 @ x + b1\na1 = sigmoid(z1)\nz2 = W2 @ a1 + b2\na2 = sigmoid(z2)\nC = 0.5*sum((a2 - y)**2)",
        {"W1": (3, 2), "x": (2,), "b1": (3,), "W2": (2, 3), "b2": (2,), "y": (2,)},
    ),
}

WRONG = (
    # signs, factors, averages
    Answer("net", "w2", "(y - ŷ)*h", ("sign",), ("ŷ", "y")),
    Answer("sigmoids", "w3", "(t - yhat)*yhat*(1 - yhat)*h1", ("sign",), ("t - yhat", "yhat")),
    Answer("regression", "W", "X.T @ (Y - P) / 5", ("sign",), ("p", "y")),
    Answer("no half", "w2", "(yhat − y)·h", ("factor",), ("yhat - y", "square")),
    Answer("net", "w1", "2(ŷ − y)·w2·x", ("factor",), ("0.5", "ŷ - y", "square")),
    Answer("tanh neuron", "b", "(o - t)*(1 - o**2)", ("factor",), ("square", "o - t")),
    Answer("columns", "W2", "((A2 - Y)*A2*(1 - A2)) @ A1.T", ("wrong-average",), ("5", "batch", "mean", "average")),
    Answer("regression", "b", "np.sum(P - Y, axis=0)", ("wrong-average",), ("5", "batch", "average")),
    Answer("rows", "V", "2/5 * H.T @ (P - Y)", ("wrong-average",), ("mean", "20", "average")),
    Answer(
        "columns",
        "W1",
        "(W2.T @ ((A2 - Y)*A2*(1 - A2)) * A1*(1 - A1)) @ X.T / 5**2",
        ("wrong-average",),
        ("5", "batch"),
    ),
    # links left out or put in
    Answer("net", "w1", "∂L/∂w1 = (ŷ - y)·x", ("missing-factor",), ("w2", "h")),
    Answer("net", "w1", "(ŷ - y)*w2", ("missing-factor",), ("x", "w1")),
    Answer("net", "w2", "(ŷ - y)*h*w2", ("extra-factor",), ("w2",)),
    Answer("sigmoids", "w1", "-(t - yhat)*yhat*(1 - yhat)*h1*(1 - h1)*x1", ("missing-factor",), ("w3", "h1", "z2")),
    Answer("sigmoids", "w3", "-(t - yhat)*yhat*(1-yhat)*h1*w3", ("extra-factor",), ("w3",)),
    Answer("net", "w2", "h", ("no-incoming-gradient", "missing-factor"), ("w2", "ŷ", "h")),
    Answer("reuse", "b", "a + 1", ("no-incoming-gradient",), ("f", "d", "e", "b")),
    Answer("net", "w1", "dL/dw1 = (ŷ - y)*w2", ("chain-stopped-early", "missing-factor"), ("h", "x")),
    Answer(
        "sigmoids",
        "w1",
        "(yhat - t)*yhat*(1 - yhat)*w3*h1*(1 - h1)",
        ("chain-stopped-early", "missing-factor"),
        ("z1", "x1"),
    ),
    Answer(
        "one example",
        "x",
        "W2.T @ ((a2 - y)*a2*(1 - a2)) * a1*(1 - a1)",
        ("chain-stopped-early", "missing-factor"),
        ("z1", "w1"),
    ),
    # sums and products
    Answer("net", "w1", "(ŷ - y)*(w2 + x)", ("added-for-multiplied",), ("w2", "x", "h")),
    Answer("sigmoids", "w3", "(yhat - t) + yhat*(1 - yhat)*h1", ("added-for-multiplied",), ("yhat", "sigmoid")),
    Answer("reuse", "a", "(b*e)*d", ("multiplied-for-added",), ("a", "d", "e")),
    Answer("two ways", "x", "(v + 1)*2*x * u*v", ("multiplied-for-added",), ("x", "u", "v")),
    # operands and parameters
    Answer("net", "w2", "(ŷ - y)*w2", ("swapped-operands",), ("w2", "h")),
    Answer("net", "w1", "(ŷ - y)*h*x", ("swapped-operands",), ("h", "w2")),
    Answer("tanh neuron", "w1", "2*(o - t)*(1 - o**2)*w1", ("swapped-operands",), ("w1", "x1")),
    Answer("sigmoids", "w2", "(yhat - t)*yhat*(1-yhat)*w3*h1*(1-h1)*x1", ("other-parameter",), ("w1",)),
    Answer("tanh neuron", "w2", "2(o-t)(1-o²)·x1", ("other-parameter",), ("w1",)),
    # several ways
    Answer("reuse", "a", "b*e", ("missing-path", "overwritten"), ("e", "a")),
    Answer("reuse", "b", "d", ("missing-path", "overwritten"), ("d", "b")),
    Answer("two ways", "x", "u*v + v*2*x", ("missing-path",), ("u", "l")),
    # activations
    Answer("sigmoids", "w3", "(yhat - t)*h1", ("activation-derivative-missing",), ("yhat", "z2", "sigmoid")),
    Answer("sigmoids", "w1", "(yhat-t)*yhat*(1-yhat)*w3*x1", ("activation-derivative-missing",), ("h1", "z1")),
    Answer("columns", "b2", "sum(A2 - Y, axis=1, keepdims=True)/5", ("activation-derivative-missing",), ("a2", "z2")),
    Answer("sigmoids", "w3", "(yhat-t)*σ(yhat)*(1-σ(yhat))*h1", ("activation-derivative-at-output",), ("yhat", "z2")),
    Answer("tanh neuron", "b", "2*(o - t)*(1 - tanh(o)**2)", ("activation-derivative-at-output",), ("o", "tanh")),
    Answer("sigmoids", "w3", "(yhat-t)*(yhat*(1-yhat))**2*h1", ("activation-derivative-twice",), ("yhat", "z2")),
    Answer("tanh neuron", "b", "2*(o - t)*o*(1 - o)", ("activation-derivative-of-another",), ("tanh", "o")),
    Answer(
        "sigmoids",
        "w1",
        "(yhat-t)*yhat*(1-yhat)*w3*yhat*(1-yhat)*x1",
        ("activation-derivative-of-another",),
        ("h1", "z1", "sigmoid"),
    ),
    Answer("sigmoids", "w3", "(yhat-t)*z2*(1-z2)*h1", ("activation-derivative-at-input",), ("z2", "yhat")),
    Answer("tanh neuron", "w2", "2*(o-t)*(1 - n**2)*x2", ("activation-derivative-at-input",), ("n", "tanh")),
    Answer("sigmoids", "w3", "(yhat-t)*sigmoid(z2)*h1", ("activation-for-derivative",), ("yhat", "z2", "sigmoid")),
    Answer(
        "tanh neuron",
        "b",
        "2*(o-t)*(-o**2)",
        ("wrong-local-derivative", "activation-derivative-of-another"),
        ("tanh", "o"),
    ),
    Answer("two ways", "x", "2*x*(v + 1) + u*x", ("wrong-local-derivative",), ("exp", "v")),
    Answer("tanh neuron", "b", "2*(o-t)*1 - o**2", ("lost-parentheses",), ("1", "o")),
    Answer("relu", "w", "(c - y)*v*x", ("relu-mask-wrong", "activation-derivative-missing"), ("relu", "a", "z")),
    Answer("relu", "b", "(c - y)*v*(z < 0)", ("relu-mask-wrong",), ("relu", "z", "a")),
    Answer("relu", "w", "(c - y)*v*(x > 0)*x", ("relu-mask-wrong",), ("relu", "z", "a")),
    Answer("net", "w2", "ŷ*h", ("prediction-for-error",), ("ŷ",)),
    Answer("regression", "W", "X.T @ P / 5", ("prediction-for-error",), ("p", "y")),
    # matrices and batches
    Answer("one example", "W2", "np.outer(a1, (a2 - y)*a2*(1 - a2))", ("transposed",), ("w2", "outer", "a1")),
    Answer("columns", "W2", "A1 @ ((A2 - Y)*A2*(1 - A2)).T / 5", ("transposed",), ("w2", "a1")),
    Answer("rows", "W", "X.T @ (V @ ((P - Y)/10).T).T", ("activation-derivative-missing",), ("h", "tanh")),
    Answer("one example", "b1", "W2 @ ((a2 - y)*a2*(1-a2)) * a1*(1-a1)", ("transposed", "unclassified"), ("w2",)),
    Answer(
        "columns",
        "b1",
        "W2.T @ ((A2 - Y)*A2*(1 - A2)) * A1*(1 - A1) / 5",
        ("batch-sum-missing", "broadcast-not-summed"),
        ("b1",),
    ),
    Answer("columns", "b2", "np.sum((A2 - Y)*A2*(1 - A2))/5", ("summed-over-wrong-axis",), ("b2", "sum")),
    Answer("regression", "b", "np.sum(P - Y, axis=1)/5", ("summed-over-wrong-axis",), ("b", "sum")),
    Answer("regression", "W", "X.T @ ((-Y/P) * P*(1 - P)) / 5", ("softmax-diagonal",), ("softmax", "p", "z")),
    Answer(
        "one example",
        "b1",
        "W2.T @ ((a2 - y)*a2*(1-a2)) @ (a1*(1-a1))",
        ("matrix-product-for-elementwise",),
        ("a1", "sigmoid", "z1"),
    ),
)

RIGHT = (
    Answer("net", "w1", "-x w2 (y − ŷ)"),
    Answer("net", "w2", "∂L/∂w2 = dL/dŷ · h"),
    Answer("no half", "w1", "2·yhat²/w1 - 2·y·yhat/w1"),
    Answer("sigmoids", "w3", "(yhat - t)*exp(-z2)/(1 + exp(-z2))**2*h1"),
    Answer("sigmoids", "w1", "dL/dz1 * x1"),
    Answer("reuse", "a", "2*a*b + b^2"),
    Answer("reuse", "b", "a·e + d"),
    Answer("tanh neuron", "b", "2*(o - t)/cosh(n)**2"),
    Answer("relu", "w", "np.where(z > 0, c - y, 0)*v*x"),
    Answer("two ways", "x", "x*v*(2 + x) + 2x"),
    Answer("columns", "b1", "((W2ᵀ @ ((A2 − Y) ⊙ A2 ⊙ (1 − A2))) ⊙ A1 ⊙ (1 − A1)).mean(axis=1)"),
    Answer("rows", "c", "np.ones(5) @ (P - Y) / 10"),
    Answer("regression", "W", "(1/5) * np.dot(X.T, softmax(Z) - Y)"),
    Answer(
        "one example", "W1", "delta2 = (a2 - y)*a2*(1 - a2)\ndelta1 = (W2.T @ delta2)*a1*(1 - a1)\nnp.outer(delta1, x)"
    ),
    Answer("one example", "b2", "dC/da2 * σ(z2) * (1 - σ(z2))"),
)
