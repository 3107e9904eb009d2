"""A backward pass with a slip in it, for `chainrule grade`: the square's 2 is lost."""


def backward(x, w, y):
    """The gradient of sum((x @ w - y)**2) in w, or nearly."""
    error = x @ w - y
    return x.T @ error
