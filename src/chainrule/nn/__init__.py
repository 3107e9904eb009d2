"""Layers, losses, and the containers that hold them, after PyTorch's names and conventions.

>>> import chainrule as cr
>>> net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Tanh(), cr.nn.Linear(3, 1, rng=1))
>>> net
Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
>>> net([[1.0, 2.0]]).shape
(1, 1)
"""

from chainrule.later import load_later

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
