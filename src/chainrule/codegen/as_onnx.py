"""A program as an ONNX graph, for whatever runs ONNX; the ``onnx`` package is an extra, and loads when it is needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.codegen.primitive import AT_DATA, adds, gathers, lowered, word_of
from chainrule.codegen.statements import statements_of
from chainrule.core.operation import Pointwise
from chainrule.errors import ChainruleError, MissingExtra
from chainrule.program import Kind, Step, Trace

NODES = {
    "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "add": "Add", "asin": "Asin", "asinh": "Asinh", "atan": "Atan",
    "atanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "div": "Div", "equal": "Equal", "erf": "Erf",
    "exp": "Exp", "floor": "Floor", "greater": "Greater", "greater_equal": "GreaterOrEqual", "identity": "Identity",
    "isinf": "IsInf", "isnan": "IsNaN", "less": "Less", "less_equal": "LessOrEqual", "log": "Log", "logical_and": "And",
    "logical_not": "Not", "logical_or": "Or", "logical_xor": "Xor", "matmul": "MatMul", "maximum": "Max",
    "minimum": "Min", "mul": "Mul", "neg": "Neg", "pow": "Pow", "reciprocal": "Reciprocal", "relu": "Relu",
    "rint": "Round", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softplus": "Softplus",
    "sqrt": "Sqrt", "sub": "Sub", "tan": "Tan", "tanh": "Tanh", "where": "Where",
    "bool": "Identity", "float16": "Identity", "float32": "Identity", "float64": "Identity", "int64": "Identity",
    # behind the cast that any input may need
}  # fmt: skip
"""Operations that are one node of the same meaning."""

WITH_SETTINGS = {
    "broadcast_to", "concatenate", "conv2d", "expand_dims", "fmod", "largest", "log_softmax", "max_pool2d", "reshape",
    "smallest", "softmax", "squeeze", "sum", "swap", "transpose", *AT_DATA,
}  # fmt: skip
"""Operations whose node says their settings in another way."""

OPSET = 18


def onnx_model(trace: Trace, name: str) -> bytes:
    """The bytes of an ONNX file; where each row is computed by itself, arguments and results have any number of them.

    Raises MissingExtra where onnx is not installed, and ChainruleError for an operation without a node.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "onnx") from None
    trace = lowered(trace, {*NODES, *WITH_SETTINGS}.__contains__, "ONNX")
    graph = Graph(trace, onnx)
    rows = row_by_row(trace)
    for step in trace.program.steps:
        if step.op is not None:
            graph.add(step)
    given = [graph.declared(step, rows) for step in graph.arguments]
    results = [graph.result(x, rows) for x in trace.outputs]
    body = onnx.helper.make_graph(graph.nodes, name, given, results, initializer=graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="chainrule")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()


def row_by_row(trace: Trace) -> bool:
    """Whether a program of one row does the same with each of many."""
    ends = [x for x in (*trace.given, *trace.outputs) if isinstance(x, Step)]
    if not all([x.ndim == 2 and x.shape[0] == 1 for x in ends]):
        return False
    last = {"axis": -1}
    return all(
        [
            isinstance(step.op, Pointwise)
            or (step.op.name == "matmul" and step.inputs[1] not in trace.given and step.inputs[1].shape[0] > 1)
            or (step.op.name == "transpose" and step.inputs[0].kind is Kind.FROZEN)
            or (step.op.name in ("softmax", "log_softmax") and step.settings == last)
            for step in trace.program.steps
            if step.op is not None
        ]
    )


def pair(setting: Any) -> list[int]:
    """A setting for both directions."""
    return [int(n) for n in np.broadcast_to(setting, 2)]


def sliding(settings: dict[str, Any]) -> dict[str, Any]:
    """How a window slides, as the attributes of a node."""
    stride = settings["kernel_size"] if settings["stride"] is None else settings["stride"]
    return {
        "strides": pair(stride),
        "pads": 2 * pair(settings["padding"]),
        "dilations": pair(settings["dilation"]),
    }


class Graph:
    """The nodes and constants of a graph, and what each step is called."""

    def __init__(self, trace: Trace, onnx: Any) -> None:
        self.trace, self.onnx = trace, onnx
        lines = statements_of(trace)
        self.arguments = lines.arguments
        self.names = dict(lines.names)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.given_back: set[Step] = set()

    def name(self, x: Any, kind: Any) -> str:
        """What a step or a number is called; constants are entered."""
        if isinstance(x, Step) and (x in self.names or x.op is not None):
            return self.names.setdefault(x, f"step_{x.place}")
        numbers = self.trace.numbers[x] if isinstance(x, Step) else np.asarray(x, kind)
        name = f"number_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(numbers), name))
        if isinstance(x, Step):
            self.names[x] = name
        return name

    def whole(self, numbers: Any) -> str:
        """The name of a constant of whole numbers, as shapes and axes are."""
        return self.name(np.asarray(numbers, np.int64), np.int64)

    def add(self, step: Step) -> None:
        assert step.op is not None
        word, settings = word_of(step), step.settings
        inputs = self.inputs(step)
        attributes: dict[str, Any] = {}
        if word in NODES:
            node = NODES[word]
        elif word in ("reshape", "squeeze", "expand_dims", "broadcast_to"):
            node = "Expand" if word == "broadcast_to" else "Reshape"
            inputs.append(self.whole(step.shape))
        elif word in ("transpose", "swap"):
            node, order = "Transpose", tuple(range(step.ndim))
            axes = settings.get("axes") or order[::-1]
            swapped = (*order[:-2], order[-1], order[-2]) if word == "swap" else axes
            attributes["perm"] = [int(a) % step.ndim for a in swapped]
        elif word in ("sum", "largest", "smallest"):
            node = {"sum": "ReduceSum", "largest": "ReduceMax", "smallest": "ReduceMin"}[word]
            axis = settings["axis"]
            if axis is not None:
                inputs.append(self.whole(axis if isinstance(axis, tuple) else (axis,)))
            attributes["keepdims"] = int(settings["keepdims"])
        elif word in ("softmax", "log_softmax"):
            node, attributes["axis"] = "Softmax" if word == "softmax" else "LogSoftmax", settings["axis"]
            if not isinstance(settings["axis"], int):
                raise ChainruleError(f"{word} over several axes cannot be written in ONNX")
        elif word == "conv2d":
            node, attributes = "Conv", {**sliding(settings), "group": settings["groups"]}
        elif word == "max_pool2d":
            node, inputs = "MaxPool", inputs[:1]
            attributes = {**sliding(settings), "kernel_shape": pair(settings["kernel_size"])}
        elif word == "fmod":
            node, attributes["fmod"] = "Mod", 1
        elif word == "index at data":
            node, inputs = "GatherND", [inputs[0], self.places(step.settings["key"])]
        elif word == "scatter at data":
            node, inputs = "ScatterND", [self.name(np.zeros(step.shape), step.dtype), self.places(step.settings["key"])]
            inputs.append(self.typed(step.inputs[0], step.dtype))
            attributes["reduction"] = "add"
        elif word == "concatenate":
            node, attributes["axis"] = "Concat", settings["axis"]
        else:
            self.moved(step, inputs[0])
            return
        self.node(node, inputs, self.name(step, None), **attributes)

    def inputs(self, step: Step) -> list[str]:
        """What a step's inputs are called, in the types that its node takes: those of one node are the same."""
        assert step.op is not None
        given = [x.dtype for x in step.input_steps]
        kinds = [np.result_type(*given) if given and step.dtype == bool else step.dtype] * len(step.inputs)
        if step.op.name == "astype":
            kinds = [step.dtype]
        elif step.op.name == "where":
            kinds = [np.dtype(bool), step.dtype, step.dtype]
        elif step.op.name.startswith("logical_"):
            kinds = [np.dtype(bool)] * len(kinds)
        return [self.typed(x, kind) for x, kind in zip(step.inputs, kinds, strict=True)]

    def typed(self, x: Any, kind: np.dtype[Any]) -> str:
        """What a step or a number is called as a type."""
        name = self.name(x, kind)
        if not isinstance(x, Step) or x.dtype == kind:
            return name
        return self.node("Cast", [name], to=self.onnx.helper.np_dtype_to_tensor_dtype(kind))

    def node(self, kind: str, inputs: list[str], out: str = "", **attributes: Any) -> str:
        """A node with one result, and what that is called."""
        out = out or f"part_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [out], **attributes))
        return out

    def places(self, key: Any) -> str:
        """Places along the first axes, side by side; what runs the graph checks them."""
        parts = key if isinstance(key, tuple) else (key,)
        shape = np.broadcast_shapes(*[part.shape if isinstance(part, Step) else np.shape(part) for part in parts])
        columns: list[str] = []
        for part in parts:
            column = self.node("Expand", [self.typed(part, np.dtype(np.int64)), self.whole(shape)])
            columns.append(self.node("Reshape", [column, self.whole((*shape, 1))]))
        return self.node("Concat", columns, axis=-1)

    def flat(self, name: str) -> str:
        return self.node("Reshape", [name, self.whole([-1])])

    def moved(self, step: Step, x: str) -> None:
        """Entries that come from elsewhere, or are added up: what no node says is said place by place."""
        places = gathers(step)
        if places is not None:
            room = self.node("Concat", [self.flat(x), self.name(np.zeros(1), step.dtype)], axis=0)
            self.node("Gather", [room, self.whole(places % (step.needs[0].size + 1))], self.name(step, None))
            return
        places = adds(step)
        assert places is not None
        places = places.ravel()
        kept = np.flatnonzero(places >= 0)
        given = self.node("Gather", [self.flat(x), self.whole(kept)])
        zeros = self.name(np.zeros(step.size), step.dtype)
        sums = self.node("ScatterElements", [zeros, self.whole(places[kept]), given], axis=0, reduction="add")
        self.node("Reshape", [sums, self.whole(step.shape)], self.name(step, None))

    def declared(self, step: Step, rows: bool) -> Any:
        """An argument or a result with its type and shape."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(step.dtype)
        shape: list[Any] = list(step.shape)
        shape = ["rows", *shape[1:]] if rows else shape
        return self.onnx.helper.make_tensor_value_info(self.name(step, None), kind, shape)

    def result(self, x: Any, rows: bool) -> Any:
        """A result, under a name of its own."""
        if not isinstance(x, Step):
            kind = np.asarray(x).dtype
            leaf = Step(Kind.FROZEN, np.shape(x), kind)
            self.names[leaf], x = self.name(x, kind), leaf
        if x.op is None or x in self.given_back:
            again = Step(x.kind, x.shape, x.dtype)
            self.names[again] = self.node("Identity", [self.name(x, None)])
            x = again
        self.given_back.add(x)
        return self.declared(x, rows)
