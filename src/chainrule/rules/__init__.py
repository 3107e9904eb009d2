"""The rule book: every derivative of the project, declared once.

The rooms that every program passes through stand open. The others open when a name is asked for that they declare.
"""

from __future__ import annotations

from chainrule.core.tensor import await_rooms
from chainrule.rules import composed, create, gates, linear, pointwise, reductions

OPEN = {
    "composed": "concatenate gelu log_softmax logsumexp max min prod softmax stack std sum var",
    "create": "arange full full_like linspace ones ones_like zeros zeros_like",
    "gates": "silu",
    "linear": (
        "astype broadcast_to cumsum expand_dims flip identity index reshape roll scatter squeeze transpose tril triu"
    ),
    "pointwise": (
        "abs acos add asin atan atan2 cos cosh div elu equal erf erfc exp expm1 greater greater_equal hypot leaky_relu "
        "less less_equal log log1p maximum minimum mul neg not_equal pow reciprocal relu sigmoid sign sin sinh "
        "softplus sqrt square sub tan tanh where"
    ),
}
"""The rooms that stand open, with their public functions."""

CLOSED = {
    "activations": "celu glu hardsigmoid hardswish hardtanh log_sigmoid mish relu6 selu",
    "algebra": "dot matmul solve",
    "arrange": (
        "array_split atleast_1d atleast_2d atleast_3d broadcast_arrays chunk column_stack dstack flatten fliplr "
        "flipud hstack meshgrid moveaxis permute ravel repeat rot90 split swapaxes tile unstack vstack"
    ),
    "attention": "self_attention",
    "convolution": "conv2d_input conv2d_plus conv2d_weight max_pool2d pick_at_largest put_at_largest",
    "decompositions": (
        "beyond_rounding eigenvectors eigvalsh left_vectors orthogonal_factor pinv reciprocal_gaps right_vectors "
        "svdvals triangular_factor"
    ),
    "determinants": "cofactors",
    "diagonals": "diag diagflat diagonal eye trace",
    "einsum": "einsum",
    "elementary": (
        "acosh asinh atanh cbrt ceil exp2 floor floor_divide fmod log10 log2 logaddexp logaddexp2 remainder rint "
        "round sinc sinc_slope trunc"
    ),
    "factors": "eigh lstsq matrix_power matrix_rank qr slogdet svd",
    "fused": "affine binary_cross_entropy layer_norm squared_error",
    "interpolation": "interp",
    "logic": (
        "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor isfinite isinf "
        "isnan logical_and logical_not logical_or logical_xor signbit"
    ),
    "losses": "cross_entropy",
    "matrix": "cholesky det inv logabsdet sign_of_det",
    "norms": "cond norm",
    "numbers": "clip copysign cot csc deg2rad divmod fabs float_power fmax fmin heaviside nan_to_num rad2deg sec",
    "order": "add_along_axis all any argmax argmin argsort count_nonzero one_hot searchsorted take_along_axis",
    "padding": "pad",
    "products": (
        "convolve cross cumprod cumulative_prod cumulative_sum diff inner kron outer tensordot trapezoid vdot vecdot"
    ),
    "sorting": (
        "argwhere choose compress flatnonzero index_add index_select masked_fill median nonzero percentile "
        "quantile scatter_add select sort take topk unique"
    ),
    "totals": "allclose array_equal average isclose mean nanmean nansum ptp",
    "windows": "avg_pool1d avg_pool2d conv1d conv2d max_pool1d",
}
"""The rooms that are closed at first, with the functions that each declares."""

INNER = frozenset({
    "beyond_rounding", "cofactors", "conv2d_input", "conv2d_plus", "conv2d_weight", "eigenvectors", "layer_norm",
    "left_vectors", "orthogonal_factor", "pick_at_largest", "put_at_largest", "reciprocal_gaps", "right_vectors",
    "self_attention", "sign_of_det", "sinc_slope", "triangular_factor",
})  # fmt: skip
"""What of the closed rooms is not public, since rules alone are made of it."""

PUBLIC = {
    f"{__name__}.{room}": " ".join([name for name in names.split() if name not in INNER])
    for room, names in {**OPEN, **CLOSED}.items()
}
"""The public functions of all rooms, by module."""

await_rooms({f"{__name__}.{room}": names.split() for room, names in CLOSED.items()})

__all__ = ["CLOSED", "PUBLIC", "composed", "create", "gates", "linear", "pointwise", "reductions"]
