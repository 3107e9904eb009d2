"""chainrule: automatic differentiation and neural networks in a glass box.

>>> import chainrule as cr
>>> x = cr.Value(2.0, label="x")
>>> y = x**3 - 3 * x**2 + 2 * x + 1
>>> y.backward()
>>> y.data, x.grad
(1.0, 2.0)
"""

# NumPy first: further in, below that many open frames, each call of its own import would ask the system for memory.
import numpy as _  # noqa: F401

from chainrule.collector import without_collector

with without_collector():
    from chainrule.core.numpy_names import OTHER_NAMES
    from chainrule.later import load_later
    from chainrule.rules import PUBLIC

__version__ = "0.1.0"

load_later(
    __name__,
    {
        "": "data lessons micrograd nn optim plot training",
        "codegen.compiled": "compile",
        "codegen.frozen": "freeze",
        "core": "Value",
        "core.differential": "differential",
        "core.operation": "book fused kernel linear pointwise",
        "core.state": "detect_anomaly enable_grad no_grad",
        "core.tensor": "Tensor",
        "custom": "custom_vjp",
        "derivation.explain": "explain",
        "derivation.symbolic.derivative": "derivative",
        "derivation.wrong.what_if": "what_if",
        "lessons.exercise": "exercise",
        "livepage.page": "page",
        "mapping": "vmap",
        "pictures.draw": "draw",
        "sheets.worksheet": "worksheet",
        "training.model": "load_model",
        "training.sweep": "sweep",
        "transforms": "grad hessian hvp jacfwd jacobian jacrev jvp linearize stop_gradient value_and_grad vjp",
        "verify.audit": "audit",
        "verify.compare": "compare",
        "verify.degenerate": "degenerate",
        "verify.engines": "check_engine",
        "verify.grade": "grade",
        "verify.gradients": "check_gradients",
        **PUBLIC,
    },
    # It needs scikit-learn, which `import *` does not wait for.
    {"sklearn": "chainrule.sklearn", **OTHER_NAMES},
)
