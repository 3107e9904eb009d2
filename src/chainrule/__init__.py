"""chainrule: automatic differentiation and neural networks in a glass box.

>>> import chainrule as cr
>>> x = cr.Value(2.0, label="x")
>>> y = x**3 - 3 * x**2 + 2 * x + 1
>>> y.backward()
>>> y.data, x.grad
(1.0, 2.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# NumPy first: further in, below that many open frames, each call of its own import would ask the system for memory.
import numpy as _  # noqa: F401

from chainrule.collector import without_collector

with without_collector():
    from chainrule.core.numpy_calls import OTHER_NAMES
    from chainrule.later import load_later
    from chainrule.rules import PUBLIC

if TYPE_CHECKING:
    __all__: list[str]

    from chainrule import data as data
    from chainrule import lessons as lessons
    from chainrule import micrograd as micrograd
    from chainrule import nn as nn
    from chainrule import optim as optim
    from chainrule import plot as plot
    from chainrule import sklearn as sklearn
    from chainrule import training as training
    from chainrule.codegen.compiled import compile as compile
    from chainrule.codegen.frozen import freeze as freeze
    from chainrule.core import Value as Value
    from chainrule.core.differential import differential as differential
    from chainrule.core.operation import book as book
    from chainrule.core.operation import fused as fused
    from chainrule.core.operation import kernel as kernel
    from chainrule.core.operation import linear as linear
    from chainrule.core.operation import pointwise as pointwise
    from chainrule.core.state import detect_anomaly as detect_anomaly
    from chainrule.core.state import enable_grad as enable_grad
    from chainrule.core.state import no_grad as no_grad
    from chainrule.core.tensor import Tensor as Tensor
    from chainrule.custom import custom_vjp as custom_vjp
    from chainrule.derivation.explain import explain as explain
    from chainrule.derivation.symbolic.derivative import derivative as derivative
    from chainrule.derivation.wrong.what_if import what_if as what_if
    from chainrule.lessons.exercise import exercise as exercise
    from chainrule.livepage.page import page as page
    from chainrule.mapping import vmap as vmap
    from chainrule.pictures.draw import draw as draw
    from chainrule.rules.activations import celu as celu
    from chainrule.rules.activations import glu as glu
    from chainrule.rules.activations import hardsigmoid as hardsigmoid
    from chainrule.rules.activations import hardswish as hardswish
    from chainrule.rules.activations import hardtanh as hardtanh
    from chainrule.rules.activations import log_sigmoid as log_sigmoid
    from chainrule.rules.activations import mish as mish
    from chainrule.rules.activations import relu6 as relu6
    from chainrule.rules.activations import selu as selu
    from chainrule.rules.algebra import dot as dot
    from chainrule.rules.algebra import matmul as matmul
    from chainrule.rules.algebra import solve as solve
    from chainrule.rules.arrange import array_split as array_split
    from chainrule.rules.arrange import atleast_1d as atleast_1d
    from chainrule.rules.arrange import atleast_2d as atleast_2d
    from chainrule.rules.arrange import atleast_3d as atleast_3d
    from chainrule.rules.arrange import broadcast_arrays as broadcast_arrays
    from chainrule.rules.arrange import chunk as chunk
    from chainrule.rules.arrange import column_stack as column_stack
    from chainrule.rules.arrange import dstack as dstack
    from chainrule.rules.arrange import flatten as flatten
    from chainrule.rules.arrange import fliplr as fliplr
    from chainrule.rules.arrange import flipud as flipud
    from chainrule.rules.arrange import hstack as hstack
    from chainrule.rules.arrange import meshgrid as meshgrid
    from chainrule.rules.arrange import moveaxis as moveaxis
    from chainrule.rules.arrange import permute as permute
    from chainrule.rules.arrange import ravel as ravel
    from chainrule.rules.arrange import repeat as repeat
    from chainrule.rules.arrange import rot90 as rot90
    from chainrule.rules.arrange import split as split
    from chainrule.rules.arrange import swapaxes as swapaxes
    from chainrule.rules.arrange import tile as tile
    from chainrule.rules.arrange import unstack as unstack
    from chainrule.rules.arrange import vstack as vstack
    from chainrule.rules.composed import concatenate as concatenate
    from chainrule.rules.composed import gelu as gelu
    from chainrule.rules.composed import log_softmax as log_softmax
    from chainrule.rules.composed import logsumexp as logsumexp
    from chainrule.rules.composed import max as max
    from chainrule.rules.composed import min as min
    from chainrule.rules.composed import prod as prod
    from chainrule.rules.composed import softmax as softmax
    from chainrule.rules.composed import stack as stack
    from chainrule.rules.composed import std as std
    from chainrule.rules.composed import sum as sum
    from chainrule.rules.composed import var as var
    from chainrule.rules.convolution import max_pool2d as max_pool2d
    from chainrule.rules.create import arange as arange
    from chainrule.rules.create import full as full
    from chainrule.rules.create import full_like as full_like
    from chainrule.rules.create import linspace as linspace
    from chainrule.rules.create import ones as ones
    from chainrule.rules.create import ones_like as ones_like
    from chainrule.rules.create import zeros as zeros
    from chainrule.rules.create import zeros_like as zeros_like
    from chainrule.rules.decompositions import eigvalsh as eigvalsh
    from chainrule.rules.decompositions import pinv as pinv
    from chainrule.rules.decompositions import svdvals as svdvals
    from chainrule.rules.diagonals import diag as diag
    from chainrule.rules.diagonals import diagflat as diagflat
    from chainrule.rules.diagonals import diagonal as diagonal
    from chainrule.rules.diagonals import eye as eye
    from chainrule.rules.diagonals import trace as trace
    from chainrule.rules.einsum import einsum as einsum
    from chainrule.rules.elementary import acosh as acosh
    from chainrule.rules.elementary import asinh as asinh
    from chainrule.rules.elementary import atanh as atanh
    from chainrule.rules.elementary import cbrt as cbrt
    from chainrule.rules.elementary import ceil as ceil
    from chainrule.rules.elementary import exp2 as exp2
    from chainrule.rules.elementary import floor as floor
    from chainrule.rules.elementary import floor_divide as floor_divide
    from chainrule.rules.elementary import fmod as fmod
    from chainrule.rules.elementary import log2 as log2
    from chainrule.rules.elementary import log10 as log10
    from chainrule.rules.elementary import logaddexp as logaddexp
    from chainrule.rules.elementary import logaddexp2 as logaddexp2
    from chainrule.rules.elementary import remainder as remainder
    from chainrule.rules.elementary import rint as rint
    from chainrule.rules.elementary import round as round
    from chainrule.rules.elementary import sinc as sinc
    from chainrule.rules.elementary import trunc as trunc
    from chainrule.rules.factors import eigh as eigh
    from chainrule.rules.factors import lstsq as lstsq
    from chainrule.rules.factors import matrix_power as matrix_power
    from chainrule.rules.factors import matrix_rank as matrix_rank
    from chainrule.rules.factors import qr as qr
    from chainrule.rules.factors import slogdet as slogdet
    from chainrule.rules.factors import svd as svd
    from chainrule.rules.fused import affine as affine
    from chainrule.rules.fused import binary_cross_entropy as binary_cross_entropy
    from chainrule.rules.fused import squared_error as squared_error
    from chainrule.rules.gates import silu as silu
    from chainrule.rules.interpolation import interp as interp
    from chainrule.rules.linear import astype as astype
    from chainrule.rules.linear import broadcast_to as broadcast_to
    from chainrule.rules.linear import cumsum as cumsum
    from chainrule.rules.linear import expand_dims as expand_dims
    from chainrule.rules.linear import flip as flip
    from chainrule.rules.linear import identity as identity
    from chainrule.rules.linear import index as index
    from chainrule.rules.linear import reshape as reshape
    from chainrule.rules.linear import roll as roll
    from chainrule.rules.linear import scatter as scatter
    from chainrule.rules.linear import squeeze as squeeze
    from chainrule.rules.linear import transpose as transpose
    from chainrule.rules.linear import tril as tril
    from chainrule.rules.linear import triu as triu
    from chainrule.rules.logic import bitwise_and as bitwise_and
    from chainrule.rules.logic import bitwise_invert as bitwise_invert
    from chainrule.rules.logic import bitwise_left_shift as bitwise_left_shift
    from chainrule.rules.logic import bitwise_or as bitwise_or
    from chainrule.rules.logic import bitwise_right_shift as bitwise_right_shift
    from chainrule.rules.logic import bitwise_xor as bitwise_xor
    from chainrule.rules.logic import isfinite as isfinite
    from chainrule.rules.logic import isinf as isinf
    from chainrule.rules.logic import isnan as isnan
    from chainrule.rules.logic import logical_and as logical_and
    from chainrule.rules.logic import logical_not as logical_not
    from chainrule.rules.logic import logical_or as logical_or
    from chainrule.rules.logic import logical_xor as logical_xor
    from chainrule.rules.logic import signbit as signbit
    from chainrule.rules.losses import cross_entropy as cross_entropy
    from chainrule.rules.matrix import cholesky as cholesky
    from chainrule.rules.matrix import det as det
    from chainrule.rules.matrix import inv as inv
    from chainrule.rules.matrix import logabsdet as logabsdet
    from chainrule.rules.norms import cond as cond
    from chainrule.rules.norms import norm as norm
    from chainrule.rules.numbers import clip as clip
    from chainrule.rules.numbers import copysign as copysign
    from chainrule.rules.numbers import cot as cot
    from chainrule.rules.numbers import csc as csc
    from chainrule.rules.numbers import deg2rad as deg2rad
    from chainrule.rules.numbers import divmod as divmod
    from chainrule.rules.numbers import fabs as fabs
    from chainrule.rules.numbers import float_power as float_power
    from chainrule.rules.numbers import fmax as fmax
    from chainrule.rules.numbers import fmin as fmin
    from chainrule.rules.numbers import heaviside as heaviside
    from chainrule.rules.numbers import nan_to_num as nan_to_num
    from chainrule.rules.numbers import rad2deg as rad2deg
    from chainrule.rules.numbers import sec as sec
    from chainrule.rules.order import add_along_axis as add_along_axis
    from chainrule.rules.order import all as all
    from chainrule.rules.order import any as any
    from chainrule.rules.order import argmax as argmax
    from chainrule.rules.order import argmin as argmin
    from chainrule.rules.order import argsort as argsort
    from chainrule.rules.order import count_nonzero as count_nonzero
    from chainrule.rules.order import one_hot as one_hot
    from chainrule.rules.order import searchsorted as searchsorted
    from chainrule.rules.order import take_along_axis as take_along_axis
    from chainrule.rules.padding import pad as pad
    from chainrule.rules.pointwise import abs as abs
    from chainrule.rules.pointwise import acos as acos
    from chainrule.rules.pointwise import add as add
    from chainrule.rules.pointwise import asin as asin
    from chainrule.rules.pointwise import atan as atan
    from chainrule.rules.pointwise import atan2 as atan2
    from chainrule.rules.pointwise import cos as cos
    from chainrule.rules.pointwise import cosh as cosh
    from chainrule.rules.pointwise import div as div
    from chainrule.rules.pointwise import elu as elu
    from chainrule.rules.pointwise import equal as equal
    from chainrule.rules.pointwise import erf as erf
    from chainrule.rules.pointwise import erfc as erfc
    from chainrule.rules.pointwise import exp as exp
    from chainrule.rules.pointwise import expm1 as expm1
    from chainrule.rules.pointwise import greater as greater
    from chainrule.rules.pointwise import greater_equal as greater_equal
    from chainrule.rules.pointwise import hypot as hypot
    from chainrule.rules.pointwise import leaky_relu as leaky_relu
    from chainrule.rules.pointwise import less as less
    from chainrule.rules.pointwise import less_equal as less_equal
    from chainrule.rules.pointwise import log as log
    from chainrule.rules.pointwise import log1p as log1p
    from chainrule.rules.pointwise import maximum as maximum
    from chainrule.rules.pointwise import minimum as minimum
    from chainrule.rules.pointwise import mul as mul
    from chainrule.rules.pointwise import neg as neg
    from chainrule.rules.pointwise import not_equal as not_equal
    from chainrule.rules.pointwise import pow as pow
    from chainrule.rules.pointwise import reciprocal as reciprocal
    from chainrule.rules.pointwise import relu as relu
    from chainrule.rules.pointwise import sigmoid as sigmoid
    from chainrule.rules.pointwise import sign as sign
    from chainrule.rules.pointwise import sin as sin
    from chainrule.rules.pointwise import sinh as sinh
    from chainrule.rules.pointwise import softplus as softplus
    from chainrule.rules.pointwise import sqrt as sqrt
    from chainrule.rules.pointwise import square as square
    from chainrule.rules.pointwise import sub as sub
    from chainrule.rules.pointwise import tan as tan
    from chainrule.rules.pointwise import tanh as tanh
    from chainrule.rules.pointwise import where as where
    from chainrule.rules.products import convolve as convolve
    from chainrule.rules.products import cross as cross
    from chainrule.rules.products import cumprod as cumprod
    from chainrule.rules.products import cumulative_prod as cumulative_prod
    from chainrule.rules.products import cumulative_sum as cumulative_sum
    from chainrule.rules.products import diff as diff
    from chainrule.rules.products import inner as inner
    from chainrule.rules.products import kron as kron
    from chainrule.rules.products import outer as outer
    from chainrule.rules.products import tensordot as tensordot
    from chainrule.rules.products import trapezoid as trapezoid
    from chainrule.rules.products import vdot as vdot
    from chainrule.rules.products import vecdot as vecdot
    from chainrule.rules.sorting import argwhere as argwhere
    from chainrule.rules.sorting import choose as choose
    from chainrule.rules.sorting import compress as compress
    from chainrule.rules.sorting import flatnonzero as flatnonzero
    from chainrule.rules.sorting import index_add as index_add
    from chainrule.rules.sorting import index_select as index_select
    from chainrule.rules.sorting import masked_fill as masked_fill
    from chainrule.rules.sorting import median as median
    from chainrule.rules.sorting import nonzero as nonzero
    from chainrule.rules.sorting import percentile as percentile
    from chainrule.rules.sorting import quantile as quantile
    from chainrule.rules.sorting import scatter_add as scatter_add
    from chainrule.rules.sorting import select as select
    from chainrule.rules.sorting import sort as sort
    from chainrule.rules.sorting import take as take
    from chainrule.rules.sorting import topk as topk
    from chainrule.rules.sorting import unique as unique
    from chainrule.rules.totals import allclose as allclose
    from chainrule.rules.totals import array_equal as array_equal
    from chainrule.rules.totals import average as average
    from chainrule.rules.totals import isclose as isclose
    from chainrule.rules.totals import mean as mean
    from chainrule.rules.totals import nanmean as nanmean
    from chainrule.rules.totals import nansum as nansum
    from chainrule.rules.totals import ptp as ptp
    from chainrule.rules.windows import avg_pool1d as avg_pool1d
    from chainrule.rules.windows import avg_pool2d as avg_pool2d
    from chainrule.rules.windows import conv1d as conv1d
    from chainrule.rules.windows import conv2d as conv2d
    from chainrule.rules.windows import max_pool1d as max_pool1d
    from chainrule.sheets.worksheet import worksheet as worksheet
    from chainrule.training.model import load_model as load_model
    from chainrule.training.sweep import sweep as sweep
    from chainrule.transforms import grad as grad
    from chainrule.transforms import hessian as hessian
    from chainrule.transforms import hvp as hvp
    from chainrule.transforms import jacfwd as jacfwd
    from chainrule.transforms import jacobian as jacobian
    from chainrule.transforms import jacrev as jacrev
    from chainrule.transforms import jvp as jvp
    from chainrule.transforms import linearize as linearize
    from chainrule.transforms import stop_gradient as stop_gradient
    from chainrule.transforms import value_and_grad as value_and_grad
    from chainrule.transforms import vjp as vjp
    from chainrule.verify.audit import audit as audit
    from chainrule.verify.compare import compare as compare
    from chainrule.verify.degenerate import degenerate as degenerate
    from chainrule.verify.engines import check_engine as check_engine
    from chainrule.verify.grade import grade as grade
    from chainrule.verify.gradients import check_gradients as check_gradients

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
