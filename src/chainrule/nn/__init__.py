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

if TYPE_CHECKING:
    from chainrule.nn import init as init
    from chainrule.nn.activations import ELU as ELU
    from chainrule.nn.activations import GELU as GELU
    from chainrule.nn.activations import Activation as Activation
    from chainrule.nn.activations import LeakyReLU as LeakyReLU
    from chainrule.nn.activations import ReLU as ReLU
    from chainrule.nn.activations import Sigmoid as Sigmoid
    from chainrule.nn.activations import SiLU as SiLU
    from chainrule.nn.activations import Softmax as Softmax
    from chainrule.nn.activations import Softplus as Softplus
    from chainrule.nn.activations import Tanh as Tanh
    from chainrule.nn.attention import Embedding as Embedding
    from chainrule.nn.attention import MultiheadAttention as MultiheadAttention
    from chainrule.nn.attention import TransformerBlock as TransformerBlock
    from chainrule.nn.containers import ModuleDict as ModuleDict
    from chainrule.nn.containers import ModuleList as ModuleList
    from chainrule.nn.containers import ParameterList as ParameterList
    from chainrule.nn.convolution import AdaptiveAvgPool2d as AdaptiveAvgPool2d
    from chainrule.nn.convolution import AvgPool2d as AvgPool2d
    from chainrule.nn.convolution import Conv1d as Conv1d
    from chainrule.nn.convolution import Conv2d as Conv2d
    from chainrule.nn.convolution import MaxPool2d as MaxPool2d
    from chainrule.nn.hooks import RemovableHandle as RemovableHandle
    from chainrule.nn.layers import Dropout as Dropout
    from chainrule.nn.layers import Flatten as Flatten
    from chainrule.nn.layers import Identity as Identity
    from chainrule.nn.layers import Linear as Linear
    from chainrule.nn.layers import Sequential as Sequential
    from chainrule.nn.losses import BCELoss as BCELoss
    from chainrule.nn.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
    from chainrule.nn.losses import CrossEntropyLoss as CrossEntropyLoss
    from chainrule.nn.losses import HingeLoss as HingeLoss
    from chainrule.nn.losses import HuberLoss as HuberLoss
    from chainrule.nn.losses import L1Loss as L1Loss
    from chainrule.nn.losses import Loss as Loss
    from chainrule.nn.losses import MSELoss as MSELoss
    from chainrule.nn.module import Buffer as Buffer
    from chainrule.nn.module import Module as Module
    from chainrule.nn.module import Parameter as Parameter
    from chainrule.nn.normalization import BatchNorm1d as BatchNorm1d
    from chainrule.nn.normalization import BatchNorm2d as BatchNorm2d
    from chainrule.nn.normalization import GroupNorm as GroupNorm
    from chainrule.nn.normalization import LayerNorm as LayerNorm
    from chainrule.nn.rarer_activations import CELU as CELU
    from chainrule.nn.rarer_activations import GLU as GLU
    from chainrule.nn.rarer_activations import SELU as SELU
    from chainrule.nn.rarer_activations import Hardsigmoid as Hardsigmoid
    from chainrule.nn.rarer_activations import Hardswish as Hardswish
    from chainrule.nn.rarer_activations import Hardtanh as Hardtanh
    from chainrule.nn.rarer_activations import LogSigmoid as LogSigmoid
    from chainrule.nn.rarer_activations import Mish as Mish
    from chainrule.nn.rarer_activations import ReLU6 as ReLU6
    from chainrule.nn.recurrent import GRU as GRU
    from chainrule.nn.recurrent import LSTM as LSTM
    from chainrule.nn.recurrent import RNN as RNN
    from chainrule.nn.stateless import functional_call as functional_call
    from chainrule.nn.summary import Summary as Summary

load_later(
    __name__,
    {
        "": "init",
        "activations": "ELU GELU Activation LeakyReLU ReLU Sigmoid SiLU Softmax Softplus Tanh",
        "attention": "Embedding MultiheadAttention TransformerBlock",
        "containers": "ModuleDict ModuleList ParameterList",
        "convolution": "AdaptiveAvgPool2d AvgPool2d Conv1d Conv2d MaxPool2d",
        "hooks": "RemovableHandle",
        "layers": "Dropout Flatten Identity Linear Sequential",
        "losses": "BCELoss BCEWithLogitsLoss CrossEntropyLoss HingeLoss HuberLoss L1Loss Loss MSELoss",
        "module": "Buffer Module Parameter",
        "normalization": "BatchNorm1d BatchNorm2d GroupNorm LayerNorm",
        "rarer_activations": "CELU GLU Hardsigmoid Hardswish Hardtanh LogSigmoid Mish ReLU6 SELU",
        "recurrent": "GRU LSTM RNN",
        "stateless": "functional_call",
        "summary": "Summary",
    },
)
