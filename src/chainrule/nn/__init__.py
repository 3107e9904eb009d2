"""Layers, losses, and the containers that hold them, after PyTorch's names and conventions.

>>> import chainrule as cr
>>> net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Tanh(), cr.nn.Linear(3, 1, rng=1))
>>> net
Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
>>> net([[1.0, 2.0]]).shape
(1, 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.later import load_later
from chainrule.nn import init

if TYPE_CHECKING:
    from chainrule.nn.activations import (
        CELU,
        ELU,
        GELU,
        GLU,
        SELU,
        Activation,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        LeakyReLU,
        LogSigmoid,
        Mish,
        ReLU,
        ReLU6,
        Sigmoid,
        SiLU,
        Softmax,
        Softplus,
        Tanh,
    )
    from chainrule.nn.attention import Embedding, MultiheadAttention, TransformerBlock
    from chainrule.nn.containers import ModuleDict, ModuleList, ParameterList
    from chainrule.nn.convolution import AdaptiveAvgPool2d, AvgPool2d, Conv1d, Conv2d, MaxPool2d
    from chainrule.nn.hooks import RemovableHandle
    from chainrule.nn.layers import Dropout, Flatten, Identity, Linear, Sequential
    from chainrule.nn.losses import (
        BCELoss,
        BCEWithLogitsLoss,
        CrossEntropyLoss,
        HingeLoss,
        HuberLoss,
        L1Loss,
        Loss,
        MSELoss,
    )
    from chainrule.nn.module import Buffer, Module, Parameter
    from chainrule.nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
    from chainrule.nn.recurrent import GRU, LSTM, RNN
    from chainrule.nn.stateless import functional_call
    from chainrule.nn.summary import Summary

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "Activation",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "Loss",
    "MSELoss",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "Parameter",
    "ParameterList",
    "ReLU",
    "ReLU6",
    "RemovableHandle",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "TransformerBlock",
    "functional_call",
    "init",
]

load_later(
    __name__,
    {
        "activations": "CELU ELU GELU GLU SELU Activation Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish "
        "ReLU ReLU6 Sigmoid SiLU Softmax Softplus Tanh",
        "attention": "Embedding MultiheadAttention TransformerBlock",
        "containers": "ModuleDict ModuleList ParameterList",
        "convolution": "AdaptiveAvgPool2d AvgPool2d Conv1d Conv2d MaxPool2d",
        "hooks": "RemovableHandle",
        "layers": "Dropout Flatten Identity Linear Sequential",
        "losses": "BCELoss BCEWithLogitsLoss CrossEntropyLoss HingeLoss HuberLoss L1Loss Loss MSELoss",
        "module": "Buffer Module Parameter",
        "normalization": "BatchNorm1d BatchNorm2d GroupNorm LayerNorm",
        "recurrent": "GRU LSTM RNN",
        "stateless": "functional_call",
        "summary": "Summary",
    },
)
