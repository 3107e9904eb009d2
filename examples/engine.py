"""A small engine as a course has it, with nothing wrong in it: what `chainrule check-engine` is for."""

import math


class Value:
    """A number that remembers what it was computed from."""

    def __init__(self, data, inputs=()):
        self.data = data
        self.grad = 0.0
        self.inputs = inputs
        self.hand_on = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def hand_on():
            self.grad += out.grad
            other.grad += out.grad

        out.hand_on = hand_on
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def hand_on():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.hand_on = hand_on
        return out

    def tanh(self):
        """Between -1 and 1."""
        out = Value(math.tanh(self.data), (self,))

        def hand_on():
            self.grad += (1 - out.data**2) * out.grad

        out.hand_on = hand_on
        return out

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        """Leave the gradient of this number in every one that it was computed from."""
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for x in node.inputs:
                    visit(x)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.hand_on()
