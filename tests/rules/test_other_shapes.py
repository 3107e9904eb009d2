"""Rules on whole arrays at other shapes than they declare: batches, arrays without entries, arrays without axes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from oracles import ORACLES, RULES

import chainrule as cr
from chainrule.core.operation import Pointwise

LINEAR = [name for name in RULES if not isinstance(cr.book[name], Pointwise)]

SQUARE = [(((1, 1),), {}), (((0, 0),), {}), (((4, 3, 3),), {}), (((2, 1, 2, 2),), {}), (((0, 2, 2),), {})]
"""Matrices and batches of them."""

ANY = [(((1, 1),), {}), (((3, 3),), {}), (((4, 2),), {}), (((3, 1),), {}), (((2, 4, 3),), {}), (((0, 3, 2),), {})]
"""Square and tall matrices, and batches of them."""

WIDE = [(((2, 4),), {}), (((1, 3),), {}), (((2, 3, 4),), {})]

VECTORS = [(((1,),), {}), (((5,),), {}), (((2, 3),), {}), (((0, 3),), {})]

SLIDES = (
    ((2, 4, 4, 3), ((2, 6, 5, 4), (4, 3, 2, 2)), {"groups": 2}),
    ((1, 6, 2, 2), ((1, 3, 4, 5), (6, 1, 3, 2)), {"groups": 3, "stride": (1, 2), "dilation": (1, 2)}),
    ((3, 2, 1, 1), ((3, 1, 1, 1), (2, 1, 1, 1)), {}),
    ((1, 1, 2, 2), ((1, 2, 1, 1), (1, 2, 2, 2)), {"padding": 1, "stride": 1}),
    ((0, 3, 3, 2), ((0, 2, 4, 3), (3, 2, 2, 2)), {}),
    ((2, 3, 2, 2), ((2, 0, 3, 3), (3, 0, 2, 2)), {}),
    ((2, 0, 2, 2), ((2, 1, 3, 3), (0, 1, 2, 2)), {}),
)
"""Results, images and weights of convolutions: groups, one pixel, one window, nothing at all."""

POOLS = (
    ((2, 1, 3, 3), (2, 1, 4, 4), {"kernel_size": 2, "stride": 1}),
    ((1, 2, 2, 2), (1, 2, 5, 3), {"kernel_size": (3, 2), "padding": (1, 1)}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {"kernel_size": 1}),
    ((0, 2, 2, 2), (0, 2, 4, 4), {"kernel_size": 2}),
)
"""Results and images of pooling: windows that overlap, that leave a rest, that see one pixel."""

REDUCED = [(((),), {}), (((0,),), {}), (((0, 3),), {"axis": 0}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})]
"""Reductions: of a number, of nothing, over several axes."""

PAIRED = [(((), ()), {}), (((0, 2), (0, 2)), {}), (((3,), (3,)), {})]
"""Two arrays entry by entry."""

OTHERS = {
    "add_along_axis": [
        (((2, 3), (2, 3)), {"shape": (2, 5), "axis": -1}),
        (((0, 3), (0, 3)), {"shape": (4, 3), "axis": 0}),
        (((4,), (4,)), {"shape": (2,), "axis": 0}),
    ],
    "beyond_rounding": VECTORS,
    "eigenvectors": SQUARE,
    "eigvalsh": SQUARE,
    "left_vectors": ANY + WIDE,
    "orthogonal_factor": ANY,
    "pinv": ANY + WIDE,
    "reciprocal_gaps": VECTORS,
    "right_vectors": ANY + WIDE,
    "svdvals": ANY + WIDE,
    "triangular_factor": ANY,
    "affine": [(((1, 3), (2, 3), (2,)), {}), (((0, 3), (2, 3), (2,)), {}), (((4, 0), (2, 0), (2,)), {})],
    "binary_cross_entropy": [
        (((), ()), {}),
        (((0, 2), (0, 2)), {"at_one": 0.5}),
        (((3, 2), (3, 2)), {"at_one": np.array([[2.0], [0.0], [1.0]], np.float32)}),
    ],
    "all": REDUCED,
    "any": REDUCED,
    "argmax": [(((),), {}), (((4,),), {"axis": 0}), (((2, 3, 4),), {"axis": -2, "keepdims": True})],
    "argmin": [(((),), {}), (((4,),), {"axis": 0}), (((2, 3, 4),), {"axis": -2, "keepdims": True})],
    "argsort": [(((),), {"axis": None}), (((0,),), {}), (((2, 3, 4),), {"axis": 1, "descending": True})],
    "astype": [(((),), {"dtype": np.float64}), (((0, 2),), {"dtype": np.float64})],
    "bitwise_and": PAIRED,
    "bitwise_invert": [(((),), {}), (((0, 2),), {})],
    "bitwise_left_shift": PAIRED,
    "bitwise_or": PAIRED,
    "bitwise_right_shift": PAIRED,
    "bitwise_xor": PAIRED,
    "broadcast_to": [(((),), {"shape": (2, 3)}), (((1, 3),), {"shape": (0, 3)}), (((),), {"shape": ()})],
    "conv2d": [(shapes, slide) for _, shapes, slide in SLIDES],
    "conv2d_input": [((g, w), {"shape": x, **slide}) for g, (x, w), slide in SLIDES],
    "conv2d_plus": [((*shapes, shapes[1][:1]), slide) for _, shapes, slide in SLIDES],
    "conv2d_weight": [((g, x), {"shape": w, **slide}) for g, (x, w), slide in SLIDES],
    "count_nonzero": REDUCED,
    "cross_entropy": [(((1, 3),), {"target": np.array([2])})],
    "cumsum": [(((),), {}), (((0,),), {}), (((0, 3),), {"axis": 1}), (((2, 3, 4),), {"axis": 1})],
    "largest": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})],
    "log_softmax": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1)})],
    "logsumexp": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})],
    "cumprod": [(((1,),), {"axis": 0}), (((0, 3),), {"axis": 0}), (((2, 5),), {"axis": -1})],
    "prod": [*REDUCED, (((7,),), {}), (((2, 2),), {"axis": ()})],
    "product_of_others": [(((),), {}), (((0, 3),), {"axis": 0}), (((1, 7),), {}), (((2, 3, 4),), {"axis": (0, -1)})],
    "softmax": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1)})],
    "length": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})],
    "shares_of_largest": [(((),), {}), (((2, 3, 4),), {"axis": (0, -1)})],
    "shares_of_smallest": [(((),), {}), (((2, 3, 4),), {"axis": (0, -1)})],
    "smallest": [(((),), {}), (((0, 2),), {"axis": 1}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})],
    "expand_dims": [(((),), {"axis": 0}), (((0,),), {"axis": 1})],
    "flip": [(((),), {"axis": None}), (((0, 2),), {"axis": 0}), (((2, 3, 4),), {"axis": (0, -1)})],
    "identity": [(((),), {}), (((0, 2),), {})],
    "index": [
        (((),), {"key": ()}),
        (((),), {"key": None}),
        (((3,),), {"key": -1}),
        (((0, 2),), {"key": slice(None)}),
        (((4, 3),), {"key": np.array([True, False, True, True])}),
        (((4, 3),), {"key": (Ellipsis, None, slice(None, None, -2))}),
        (((2, 3, 4),), {"key": ([0, 1, 1], slice(1, 3), [0, 0, 0])}),
        (((4, 3),), {"key": np.array([], dtype=int)}),
    ],
    "cholesky": SQUARE,
    "cofactors": [
        *SQUARE,
        (((2, 2), (2, 2), (2, 2)), {}),
        (((0, 0), (0, 0)), {}),
        (((2, 3, 3), (2, 3, 3), (2, 3, 3)), {}),
        (((4, 4), (4, 4), (4, 4)), {}),
    ],
    "det": SQUARE,
    "einsum": [
        (((2, 3), (3, 4), (4, 5)), {"subscripts": "ij,jk,kl->il"}),
        (((2, 3),), {"subscripts": "ij->ji"}),
        (((3,), (3,)), {"subscripts": "i,i->"}),
        (((3,), (4,)), {"subscripts": "i,j->ji"}),
        (((), (3,)), {"subscripts": ",i->i"}),
        (((5, 2, 3), (5, 3, 4), (5,)), {"subscripts": "bij,bjk,b->bik"}),
        (((2, 0), (0, 3)), {"subscripts": "ij,jk->ik"}),
    ],
    "inv": SQUARE,
    "layer_norm": [(((4, 3), (3,), (3,)), {"eps": 0.1}), (((0, 3), (3,), (3,)), {"eps": 0.1})],
    "logabsdet": SQUARE,
    "lower_half": [*SQUARE, (((2, 3),), {})],
    "concatenate": [(((2,), (0,), (1,)), {"axis": 0}), (((2, 1), (2, 3)), {"axis": -1})],
    "matmul": [
        (((5, 2, 3), (5, 3, 4)), {}),
        (((2, 2, 2, 3), (2, 2, 3, 1)), {}),
        (((0, 3), (3, 4)), {}),
        (((2, 0), (0, 3)), {}),
        (((1, 1), (1, 1)), {}),
    ],
    "max_pool2d": [((x,), slide) for _, x, slide in POOLS],
    "mean": [(((),), {}), (((1,),), {"axis": 0}), (((2, 3, 4),), {"axis": (0, -1)})],
    "one_hot": [(((),), {"num_classes": 4}), (((0, 2),), {"num_classes": 1}), (((2, 3, 1),), {"num_classes": 5})],
    "outer": [(((1,), (4,)), {}), (((0,), (4,)), {})],
    "pick_at_largest": [((x, x), slide) for _, x, slide in POOLS],
    "put_at_largest": [((g, x), slide) for g, x, slide in POOLS],
    "pad": [(((0,),), {"pad_width": 2}), (((2, 3, 4),), {"pad_width": ((0, 1), (2, 0), (1, 1))})],
    "stack": [(((), ()), {"axis": 0}), (((0, 2), (0, 2)), {"axis": 1}), (((2, 3),), {"axis": 1})],
    "reshape": [(((),), {"shape": (1, 1)}), (((0, 3),), {"shape": (3, 0)}), (((1,),), {"shape": ()})],
    "roll": [(((),), {"shift": 1}), (((0, 2),), {"shift": 1, "axis": 0}), (((5,),), {"shift": -7})],
    "scatter": [
        (((),), {"key": 1, "shape": (3,)}),
        (((0,),), {"key": np.array([], dtype=int), "shape": (3,)}),
        (((2, 3),), {"key": [1, 1], "shape": (4, 3)}),
    ],
    "searchsorted": [(((0,), (2,)), {}), (((3,), ()), {"side": "right"}), (((3,), (2, 0)), {})],
    "self_attention": [
        (((1, 1, 6), (1, 1)), {"heads": 2, "scale": 1.0}),
        (((0, 2, 6), (2, 2)), {"heads": 1, "scale": 0.5}),
        (((2, 5, 9), (5, 5)), {"heads": 3, "scale": 2.0}),
    ],
    "sign_of_det": SQUARE,
    "solve": [
        (((1, 1), (1, 1)), {}),
        (((2, 2), (2, 0)), {}),
        (((0, 0), (0, 3)), {}),
        (((4, 3, 3), (4, 3, 2)), {}),
        (((2, 4, 2, 2), (2, 4, 2, 1)), {}),
    ],
    "squared_error": [(((3,), (3,)), {"scale": 0.5}), (((0, 2), (0, 2)), {"scale": 1.0}), (((), ()), {"scale": 2.0})],
    "squeeze": [(((),), {}), (((1, 1),), {}), (((0, 1),), {"axis": 1}), (((1, 3, 1),), {"axis": (0, -1)})],
    "sum": [(((),), {}), (((0,),), {}), (((0, 3),), {"axis": 0}), (((2, 3, 4),), {"axis": (0, -1), "keepdims": True})],
    "sum_to": [(((),), {"shape": ()}), (((0, 3),), {"shape": (1, 3)}), (((2, 3, 4),), {"shape": (3, 1)})],
    "swap": [(((2, 3),), {}), (((0, 3),), {}), (((2, 2, 3, 4),), {})],
    "symmetric": SQUARE,
    "take_along_axis": [
        (((2, 3, 4), (2, 5, 4)), {"axis": 1}),
        (((2, 3), (1, 5)), {"axis": -1}),
        (((2, 3), (0, 3)), {"axis": 0}),
        (((4,), (2,)), {"axis": 0}),
    ],
    "tril": [(((2, 0),), {}), (((2, 3, 3),), {"k": 0}), (((2, 3, 4),), {"k": 2})],
    "triu": [(((2, 0),), {}), (((2, 3, 3),), {"k": 0}), (((2, 3, 4),), {"k": 2})],
    "transpose": [(((),), {}), (((3,),), {}), (((0, 3),), {}), (((2, 3, 4, 5),), {"axes": (2, -4, 3, 1)})],
}


@pytest.mark.parametrize("name", LINEAR)
def test_other_shapes(name):
    assert name in OTHERS, f"give {name} other shapes than it declares"
    for shapes, settings in OTHERS[name]:
        operation = copy.copy(cr.book[name])
        operation.shapes, operation.examples = shapes, (settings,)
        for oracle in ORACLES:
            oracle(operation)
