"""Wrong and right answers on seven problems: every name of the catalogue, in formulas and in code."""

from __future__ import annotations

from typing import Any, NamedTuple


class Fixture(NamedTuple):
    problem: str
    wrt: Any
    answer: str
    name: str = ""
    place: str = ""
    """A word of the place; a right answer has no name and no place."""


SCALARS: dict[str, dict[str, Any]] = {
    "net": {"program": "h = w1*x\ny_hat = w2*h\nL = 0.5*(y_hat - y)**2"},
    "sigmoids": {
        "program": "z1 = w1*x1 + w2*x2\nh1 = sigmoid(z1)\nz2 = w3*h1\nyhat = sigmoid(z2)\nL = (yhat - t)**2",
    },
    "reuse": {"program": "d = a*b\ne = a + b\nf = d*e"},
}

MATRICES: dict[str, dict[str, Any]] = {
    "columns": {
        "program": (
            "Z1 = W1 @ X + b1\nA1 = tanh(Z1)\nZ2 = W2 @ A1 + b2\nA2 = sigmoid(Z2)\n"
            "L = 0.5*mean(sum((A2 - Y)**2, axis=0))"
        ),
        "shapes": {"X": (2, 5), "W1": (3, 2), "b1": (3, 1), "W2": (2, 3), "b2": (2, 1), "Y": (2, 5)},
    },
    "rows": {
        "program": "Z1 = X @ W1 + b1\nH = relu(Z1)\nO = H @ W2 + b2\nL = 0.5*mean(sum((O - Y)**2, axis=1))",
        "shapes": {"X": (5, 2), "W1": (2, 3), "b1": (3,), "W2": (3, 2), "b2": (2,), "Y": (5, 2)},
    },
    "softmax": {
        "program": "Z = X @ W + b\nP = softmax(Z)\nL = mean(-sum(Y*log(P), axis=1))",
        "shapes": {"X": (5, 3), "W": (3, 4), "b": (4,), "Y": (5, 4)},
    },
    "batch norm": {
        "program": (
            "mu = mean(x, axis=0)\nxc = x - mu\nv = mean(xc**2, axis=0)\nsd = sqrt(v + 0.001)\n"
            "xhat = xc/sd\ny = gamma*xhat + beta\nL = sum(y*R)"
        ),
        "shapes": {"x": (6, 3), "gamma": (3,), "beta": (3,), "R": (6, 3)},
    },
    "convolution": {
        "program": "z = conv2d(x, w)\na = relu(z)\nL = sum(a*R)",
        "shapes": {"x": (2, 1, 5, 5), "w": (2, 1, 3, 3), "R": (2, 2, 3, 3)},
    },
}

PROBLEMS = {**SCALARS, **MATRICES}

COLUMNS = """
def backward(X, W1, b1, W2, b2, Y):
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    dA2 = (A2 - Y) / m
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = dZ2 @ A1.T
    db2 = np.sum(dZ2, axis=1, keepdims=True)
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * (1 - A1**2)
    dW1 = dZ1 @ X.T
    db1 = dZ1.sum(axis=1, keepdims=True)
    return dW1, db1, dW2, db2
"""

ROWS = """
def backward(X, W1, b1, W2, b2, Y):
    n = len(X)
    Z1 = X.dot(W1) + b1
    H = np.maximum(0, Z1)
    O = H.dot(W2) + b2
    dO = (O - Y) / n
    dW2 = H.T.dot(dO)
    db2 = dO.sum(0)
    dH = dO.dot(W2.T)
    dZ1 = dH.copy()
    dZ1[Z1 <= 0] = 0
    dW1 = X.T.dot(dZ1)
    db1 = dZ1.sum(0)
    return dW1, db1, dW2, db2
"""

SOFTMAX = """
def backward(X, W, b, Y):
    N = X.shape[0]
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dZ = P.copy()
    dZ -= Y
    dZ /= N
    dW = X.T @ dZ
    db = np.sum(dZ, axis=0)
    return dW, db
"""

BATCH_NORM = """
def backward(x, gamma, beta, R):
    N, D = x.shape
    mu = x.mean(axis=0)
    xc = x - mu
    var = np.mean(xc**2, axis=0)
    std = np.sqrt(var + 0.001)
    ivar = 1.0 / std
    xhat = xc * ivar
    dbeta = R.sum(axis=0)
    dgamma = np.sum(R * xhat, axis=0)
    dxhat = R * gamma
    divar = np.sum(dxhat * xc, axis=0)
    dxc = dxhat * ivar
    dstd = -divar / std**2
    dvar = 0.5 * dstd / std
    dxc += 2.0 / N * xc * dvar
    dmu = -np.sum(dxc, axis=0)
    dx = dxc + dmu / N
    return dx, dgamma, dbeta
"""

CONVOLUTION = """
def backward(x, w, R):
    n, c, H, W = x.shape
    f, _, k, _ = w.shape
    z = np.zeros((n, f, H - k + 1, W - k + 1))
    for i in range(H - k + 1):
        for j in range(W - k + 1):
            for o in range(f):
                z[:, o, i, j] = np.sum(x[:, :, i:i+k, j:j+k] * w[o], axis=(1, 2, 3))
    dz = R * (z > 0)
    dw = np.zeros(w.shape)
    dx = np.zeros(x.shape)
    for i in range(H - k + 1):
        for j in range(W - k + 1):
            for o in range(f):
                for b in range(n):
                    dw[o] += dz[b, o, i, j] * x[b, :, i:i+k, j:j+k]
                    dx[b, :, i:i+k, j:j+k] += dz[b, o, i, j] * w[o]
    return dw, dx
"""

CODE = {
    "columns": (COLUMNS, ("W1", "b1", "W2", "b2")),
    "rows": (ROWS, ("W1", "b1", "W2", "b2")),
    "softmax": (SOFTMAX, ("W", "b")),
    "batch norm": (BATCH_NORM, ("x", "gamma", "beta")),
    "convolution": (CONVOLUTION, ("w", "x")),
}
"""A right backward pass for each problem of arrays."""

SLIPS: tuple[tuple[str, str, str, str, str], ...] = (
    # problem, what stands in the program, what stands there instead, the mistake, a word of its place
    ("columns", "(A2 - Y) / m", "(Y - A2) / m", "sign", "a2"),
    ("columns", "(A2 - Y) / m", "A2 - Y", "wrong-average", "batch"),
    ("columns", "(A2 - Y) / m", "2 * (A2 - Y) / m", "factor", "loss"),
    ("columns", "(A2 - Y) / m", "A2 / m", "prediction-for-error", "a2"),
    ("columns", "dA2 * A2 * (1 - A2)", "dA2", "activation-derivative-missing", "z2"),
    ("columns", "dA2 * A2 * (1 - A2)", "dA2 * (1 - A2**2)", "activation-derivative-of-another", "sigmoid"),
    ("columns", "dA2 * A2 * (1 - A2)", "dA2 * A2", "activation-for-derivative", "sigmoid"),
    ("columns", "dA2 * A2 * (1 - A2)", "dA2 * Z2 * (1 - Z2)", "activation-derivative-at-input", "sigmoid"),
    ("columns", "dZ2 @ A1.T", "dZ2 @ Z1.T", "wrong-local-derivative", "w2"),
    ("columns", "dZ2 @ A1.T", "dA2 @ A1.T", "activation-derivative-missing", "w2"),
    ("columns", "np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2)", "summed-over-wrong-axis", "b2"),
    ("columns", "np.sum(dZ2, axis=1, keepdims=True)", "dZ2", "batch-sum-missing", "b2"),
    ("columns", "np.sum(dZ2, axis=1, keepdims=True)", "dZ2.mean(axis=1, keepdims=True)", "wrong-average", "b2"),
    ("columns", "W2.T @ dZ2", "dW2.T @ dZ2", "gradient-for-value", "w2"),
    ("columns", "W2.T @ dZ2", "W2.T @ dA2", "activation-derivative-missing", "z2"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * (1 - Z1**2)", "activation-derivative-at-input", "tanh"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * (1 - np.tanh(A1)**2)", "activation-derivative-at-output", "tanh"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * A1 * (1 - A1)", "activation-derivative-of-another", "tanh"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * 1 - A1**2", "lost-parentheses", "dZ1"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * (1 - A1**2)**2", "activation-derivative-twice", "tanh"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 * (1 + A1**2)", "wrong-local-derivative", "tanh"),
    ("columns", "dA1 * (1 - A1**2)", "dA1 + (1 - A1**2)", "added-for-multiplied", "tanh"),
    ("columns", "dZ1 @ X.T", "dZ1 @ X.T / m", "wrong-average", "w1"),
    ("columns", "dZ1 @ X.T", "-dZ1 @ X.T", "sign", "w1"),
    ("columns", "dZ1 @ X.T", "(1 - A1**2) @ X.T", "no-incoming-gradient", "w1"),
    ("columns", "dZ1 @ X.T", "dA1 @ X.T", "activation-derivative-missing", "w1"),
    ("rows", "(O - Y) / n", "(O - Y) / O.size", "wrong-average", "batch"),
    ("rows", "dZ1[Z1 <= 0] = 0", "pass", "relu-mask-wrong", "relu"),
    ("rows", "dZ1[Z1 <= 0] = 0", "dZ1[Z1 > 0] = 0", "relu-mask-wrong", "relu"),
    ("rows", "dZ1[Z1 <= 0] = 0", "dZ1[dH <= 0] = 0", "relu-mask-wrong", "dZ1"),
    ("rows", "H.T.dot(dO)", "Z1.T.dot(dO)", "wrong-local-derivative", "w2"),
    ("rows", "dO.sum(0)", "dO[0]", "batch-sum-missing", "b2"),
    ("rows", "dO.dot(W2.T)", "(O / n).dot(W2.T)", "prediction-for-error", "o"),
    ("rows", "X.T.dot(dZ1)", "X.T.dot(dH)", "relu-mask-wrong", "w1"),
    ("rows", "db1 = dZ1.sum(0)", "db1 = dH.sum(0)", "relu-mask-wrong", "b1"),
    ("rows", "db1 = dZ1.sum(0)", "db1 = dZ1.sum()", "summed-over-wrong-axis", "b1"),
    ("rows", "dO.dot(W2.T)", "dO.dot(W2.T) * n", "wrong-average", "b1"),
    ("softmax", "dZ -= Y", "dZ = Y - dZ", "sign", "p"),
    ("softmax", "dZ -= Y", "dZ = (dZ - Y) * P * (1 - P)", "activation-derivative-twice", "softmax"),
    ("softmax", "dZ -= Y", "pass", "prediction-for-error", "p"),
    ("softmax", "dZ -= Y", "dZ = -Y / P", "activation-derivative-missing", "softmax"),
    ("softmax", "dZ -= Y", "dZ = -Y / P * P * (1 - P)", "softmax-diagonal", "softmax"),
    ("softmax", "dZ /= N", "pass", "wrong-average", "batch"),
    ("softmax", "X.T @ dZ", "X.T @ dZ / N", "wrong-average", "w"),
    ("softmax", "np.sum(dZ, axis=0)", "np.sum(dZ, axis=1)", "summed-over-wrong-axis", "b"),
    ("batch norm", "dxhat = R * gamma", "dxhat = R", "missing-factor", "gamma"),
    ("batch norm", "dx = dxc + dmu / N", "dx = dxc", "missing-path", "mu"),
    ("batch norm", "dx = dxc + dmu / N", "dx = dxc + dmu", "wrong-average", "mu"),
    ("batch norm", "dxc += 2.0 / N * xc * dvar", "dxc = dxc", "missing-path", "xc"),
    ("batch norm", "dxc += 2.0 / N * xc * dvar", "dxc = 2.0 / N * xc * dvar", "overwritten", "xc"),
    ("batch norm", "dxc += 2.0 / N * xc * dvar", "dxc += 1.0 / N * xc * dvar", "factor", "xc"),
    ("batch norm", "-divar / std**2", "divar / std**2", "sign", "sd"),
    ("batch norm", "0.5 * dstd / std", "dstd / std", "factor", "sd"),
    ("batch norm", "np.sum(R * xhat, axis=0)", "np.sum(R * x, axis=0)", "wrong-local-derivative", "gamma"),
    ("batch norm", "dbeta = R.sum(axis=0)", "dbeta = R", "batch-sum-missing", "beta"),
    ("batch norm", "dmu = -np.sum(dxc, axis=0)", "dmu = np.sum(dxc, axis=0)", "sign", "mu"),
    ("convolution", "dz = R * (z > 0)", "dz = R", "relu-mask-wrong", "relu"),
    ("convolution", "dz = R * (z > 0)", "dz = R * (z < 0)", "relu-mask-wrong", "relu"),
    ("convolution", "dz = R * (z > 0)", "dz = (z > 0) * 1.0", "no-incoming-gradient", "z"),
    ("convolution", "return dw, dx", "return dw / n, dx", "wrong-average", "w"),
    ("convolution", "return dw, dx", "return -dw, dx", "sign", "w"),
    ("convolution", "dw[o] += dz", "dw[o] = dz", "overwritten", "w"),
)

FORMULAS = (
    Fixture("net", "w1", "(y - y_hat)*w2*x", "sign", "y_hat"),
    Fixture("net", "w1", "2*(y_hat - y)*w2*x", "factor", "loss"),
    Fixture("net", "w1", "(y_hat - y)*x", "missing-factor", "h"),
    Fixture("net", "w1", "w2*x", "no-incoming-gradient", "y_hat"),
    Fixture("net", "w1", "(y_hat - y)*w2", "chain-stopped-early", "h"),
    Fixture("net", "w1", "(y_hat - y)*h", "other-parameter", "w2"),
    Fixture("net", "w1", "(y_hat - y)*w2*w1", "swapped-operands", "w1"),
    Fixture("net", "w1", "y_hat*w2*x", "prediction-for-error", "y_hat"),
    Fixture("net", "w1", "(y_hat - y)*w2*x*h", "extra-factor", "h"),
    Fixture("net", "w1", "(y_hat - y)*w2 + x", "added-for-multiplied", "x"),
    Fixture("net", "w1", "y_hat - y*w2*x", "lost-parentheses", "y"),
    Fixture("net", "w2", "(y_hat - y)*x", "local-derivative-of-another", "w2"),
    Fixture("net", "w2", "(y_hat - y)", "chain-stopped-early", "y_hat"),
    Fixture("net", "w1", "(y_hat - y)*dL_dw2*x", "gradient-for-value", "w2"),
    Fixture("sigmoids", "w1", "2*(yhat - t)*yhat*(1 - yhat)*w3*x1", "activation-derivative-missing", "h1"),
    Fixture("sigmoids", "w1", "2*(yhat - t)*w3*h1*(1 - h1)*x1", "activation-derivative-missing", "yhat"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*(1 - yhat**2)*h1", "activation-derivative-of-another", "sigmoid"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*yhat*h1", "activation-for-derivative", "sigmoid"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*z2*(1 - z2)*h1", "activation-derivative-at-input", "z2"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*σ(yhat)*(1 - σ(yhat))*h1", "activation-derivative-at-output", "sigmoid"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*yhat*(1 - yhat)*yhat*(1 - yhat)*h1", "activation-derivative-twice", "yhat"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*yhat*1 - yhat*h1", "lost-parentheses", "yhat"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*(1 - yhat)*h1", "wrong-local-derivative", "sigmoid"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*yhat*(1 - yhat)*z1", "wrong-local-derivative", "w3"),
    Fixture("reuse", "a", "b*e", "missing-path", "e"),
    Fixture("reuse", "a", "b*e*d", "multiplied-for-added", "a"),
    Fixture("reuse", "a", "b*e - d", "sign", "e"),
    Fixture("reuse", "a", "a*e + d", "swapped-operands", "d"),
    Fixture("reuse", "b", "b*e + d", "swapped-operands", "d"),
    Fixture("softmax", "b", "np.sum(P - Y)/5", "summed-over-wrong-axis", "b"),
    Fixture("softmax", "W", "(P - Y).T @ X / 5", "transposed", "w"),
    Fixture("columns", "W1", "(W2 @ (A2 - Y))", "unclassified", "w1"),
    Fixture("columns", "b2", "(A2 - Y)*A2*(1 - A2)/5", "batch-sum-missing", "b2"),
    Fixture("columns", "W2", "A1 @ ((A2 - Y)*A2*(1 - A2)).T / 5", "transposed", "w2"),
    Fixture("rows", "W2", "H.T * (O - Y)[0] / 5", "unclassified", "w2"),
)

RIGHT = (
    Fixture("net", "w1", "x*(w2*y_hat - w2*y)"),
    Fixture("net", "w1", "(y_hat**2 - y*y_hat)/w1"),
    Fixture("net", "w2", "dL/dy_hat * dy_hat/dw2"),
    Fixture("net", "w1", "dL_dh * x"),
    Fixture("sigmoids", "w3", "-2*(t - yhat)*yhat*(1 - yhat)*h1"),
    Fixture("sigmoids", "w3", "2*(yhat - t)*sigmoid'(z2)*h1"),
    Fixture("sigmoids", "w1", "2(yhat - t)(yhat - yhat²) w3 (h1 - h1²) x1"),
    Fixture("reuse", "a", "b*(a + b) + a*b"),
    Fixture("reuse", "b", "f/b + d"),
    Fixture("softmax", "W", "X.T @ (P - Y) / m"),
    Fixture("softmax", "W", "-(X.T @ (Y - softmax(X @ W + b))) / 5"),
    Fixture("softmax", "b", "mean(P - Y, axis=0)"),
    Fixture("softmax", "b", "np.ones((1, 5)) @ (P - Y) / 5"),
    Fixture("columns", "b2", "np.mean((A2 - Y)*A2*(1 - A2), axis=1)"),
    Fixture("columns", "W2", "(A1 @ ((A2 - Y)*A2*(1 - A2)).T).T / 5"),
    Fixture("columns", "W1", "(1/m) * (W2.T @ ((A2 - Y)*(A2 - A2*A2)) * (1 - tanh(Z1)**2)) @ X.T"),
    Fixture("rows", "W1", "X.T @ (((O - Y) @ W2.T) * (H > 0)) / 5"),
    Fixture("rows", "b1", "sum(np.where(Z1 > 0, (O - Y) @ W2.T, 0), axis=0)/5"),
    Fixture("batch norm", "gamma", "sum(R*(x - mu), axis=0)/sd"),
    Fixture("batch norm", "x", "gamma/sd * (R - mean(R, axis=0) - xhat*mean(R*xhat, axis=0))"),
)
