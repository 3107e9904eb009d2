"""What every optimizer shares: groups of parameters with their settings, and the numbers kept for each parameter."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core.graph import let_go_of_stale
from chainrule.core.state import quietly
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError
from chainrule.kinds import Array

Memory = dict[str, Any]
Settings = dict[str, Any]
Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """The base of optimizers: write `move`, which changes one parameter's array in place.

    `params` holds leaf Tensors with ``requires_grad=True``, as ``net.parameters()``, or groups of them with settings of
    their own, as ``[{"params": net[0].parameters(), "lr": 0.1}, {"params": net[1].parameters()}]``. Frozen ones among
    them, with ``requires_grad=False``, stay where they are. The groups stand in `param_groups`, as PyTorch's do, and
    their settings may be changed between steps; `lr` sets the rate of all.
    """

    def __init__(self, params: Params, lr: float, **settings: Any) -> None:
        self.defaults: Settings = {"lr": lr, **settings}
        self.param_groups: list[Settings] = []
        self.params: list[Tensor] = []
        self.memory: list[Memory] = []
        """What is kept for each parameter from step to step, by name; empty before its first step."""
        self._members: list[tuple[Settings, list[_Member]]] = []
        for group in self._groups_in(params):
            self.add_param_group(group)

    @property
    def lr(self) -> float:
        """The rate of every group; setting it sets them all."""
        rates = [group["lr"] for group in self.param_groups]
        if any(rate != rates[0] for rate in rates):
            raise ChainruleError(
                f"the groups of this {self._name} have different rates, {', '.join(map(str, rates))}: "
                'read and set optimizer.param_groups[i]["lr"]'
            )
        return rates[0]

    @lr.setter
    def lr(self, rate: float) -> None:
        for group in self.param_groups:
            group["lr"] = rate

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Take in more parameters: ``{"params": [...]}`` and any settings that differ from the optimizer's own."""
        if "params" not in group:
            raise ChainruleError(f'{self._name}: a group is {{"params": [...], "lr": ...}}, and this has no "params"')
        unknown = group.keys() - {"params", "initial_lr", *self.defaults}
        if unknown:
            raise ChainruleError(
                f"{self._name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(self.defaults)}"
            )
        settings = {**self.defaults, **group, "params": self._checked(group["params"])}
        self.check_settings(settings)
        members = _with_room(settings["params"])
        self.param_groups.append(settings)
        self.params += settings["params"]
        self.memory += [member.memory for member in members]
        self._members.append((settings, members))

    def check_settings(self, settings: Settings) -> None:
        """Refuse settings that make no sense; optimizers with more than `lr` check the rest too."""
        self.refuse_negative(settings, "lr")

    def refuse_negative(self, settings: Settings, *names: str) -> None:
        """Refuse a setting that is negative or not a number."""
        for name in names:
            given = settings[name]
            if not is_number(given):
                raise DtypeError(f"{self._name}: {name} is a number, not {given!r}")
            if not given >= 0:
                raise ValueError(f"{self._name}: {name} is at least 0, not {given}")

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for parameter in self.params:
            parameter.zero_grad()

    def step(self) -> None:
        """Move every parameter that has a gradient, in place; graphs recorded before are stale from now on.

        A graph that was differentiated, and can no longer be, is let go: the loss that a loop still holds keeps its
        number and nothing else.
        """
        quietly(self._step)
        let_go_of_stale()

    def _step(self) -> None:
        for settings, members in self._members:
            for member in members:
                parameter = member.parameter
                gradient = parameter.grad
                if gradient is not None:
                    data = parameter.data
                    if data is not member.data:
                        self._meet(member, data)
                    self.move(data, gradient.data, member.memory, member.work, settings)
                    parameter.mark_changed()

    def _meet(self, member: _Member, data: Array) -> None:
        """Look at an array that the parameter did not have at the step before."""
        if data.dtype != member.work.dtype or data.shape != member.work.shape:
            raise ShapeError(
                f"{member.parameter.describe()} {data.dtype} was {member.work.shape} {member.work.dtype} when this "
                f"{self._name} was made: make a new optimizer after replacing a parameter's data"
            )
        member.data = data

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        """Change `data` in place; `gradient` is only read, `work` is an array to compute in, `settings` its group's."""
        raise NotImplementedError(f"{self._name} needs a method move(self, data, gradient, memory, work, settings)")

    def kept(self, settings: Settings) -> tuple[str, ...]:
        """The names in a parameter's memory after a step: arrays of its shape, and the count `steps`."""
        return ()

    def at_start(self, data: Array, settings: Settings) -> Memory:
        """What is kept for a parameter before its first step, with which that is a step as any other."""
        return {name: 0 if name == "steps" else np.zeros_like(data) for name in self.kept(settings)}

    def start(self) -> bool:
        """Keep for every parameter what is kept before its first step; whether that is all that is kept later."""
        for settings, members in self._members:
            for member in members:
                member.memory.update(self.at_start(member.parameter.data, settings))
                if member.memory.keys() != {*self.kept(settings)}:
                    return False
        return True

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next step depends on, as plain numbers, lists and arrays; parameters are not in it.

        ``"state"`` has the memory of each parameter, in order; ``"param_groups"`` the settings of each group, with its
        parameters as places in that order.

        >>> import chainrule as cr
        >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=0.1, momentum=0.9)
        >>> optimizer.state_dict()["param_groups"][0]["momentum"]
        0.9
        """
        memories: list[Memory] = [
            {name: held.copy() if isinstance(held, np.ndarray) else held for name, held in memory.items()}
            for memory in self.memory
        ]
        return {"state": memories, "param_groups": self._groups_by_place()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state: copies of its arrays, in each parameter's dtype, and the settings of its groups.

        Groups, settings, names and shapes must agree: otherwise `ChainruleError` lists every difference and nothing is
        changed.

        >>> import chainrule as cr
        >>> one, other = (cr.optim.Adam([cr.nn.Parameter([1.0])], lr=lr) for lr in (0.1, 0.2))
        >>> other.load_state_dict(one.state_dict())
        >>> other.lr
        0.1
        """
        if set(state) != {"state", "param_groups"}:
            raise ChainruleError(
                f"the state of an optimizer has the parts state and param_groups, not {', '.join(map(str, state))}"
            )
        groups, memories = state["param_groups"], state["state"]
        wrong = self._misfits_of_groups(groups) or self._misfits_of_memories(groups, memories)
        if wrong:
            raise ChainruleError(f"the saved state does not fit this {self._name}: {'; '.join(wrong)}")
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update(_settings(saved))
        for parameter, memory, saved in zip(self.params, self.memory, memories, strict=True):
            memory.clear()
            dtype = parameter.data.dtype
            memory.update(
                {name: int(held) if name == "steps" else np.array(held, dtype) for name, held in saved.items()}
            )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _groups_in(self, params: Any) -> Sequence[Mapping[str, Any]]:
        """The groups that were given, or the one group of all parameters."""
        listed = self._listed(params)
        return listed if all(isinstance(part, Mapping) for part in listed) else [{"params": listed}]

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, Tensor):
            raise DtypeError(f"{self._name} takes a list of parameters: write [{params.label or 'w'}]")
        if not isinstance(params, Iterable):
            raise DtypeError(
                f"{self._name} takes a list of parameters, as net.parameters(), not {type(params).__name__}"
            )
        listed = list(cast("Iterable[Any]", params))
        if not listed:
            raise ChainruleError(
                f"{self._name} got no parameters (an iterator gives them only once): use net.parameters()"
            )
        return listed

    def _checked(self, params: Any) -> list[Tensor]:
        """The parameters of a new group, once it is known that they can be moved."""
        listed = self._listed(params)
        for i, parameter in enumerate(listed, len(self.params)):
            if not isinstance(parameter, Tensor):
                raise DtypeError(f"{self._name} moves Tensors, and parameter {i} is {type(parameter).__name__}")
            frozen = not parameter.requires_grad and any(isinstance(x, Tensor) and x.requires_grad for x in listed)
            if not parameter.is_leaf or not (parameter.requires_grad or frozen):
                raise GraphError(
                    f"{self._name} moves leaves with requires_grad=True, and parameter {i} is {parameter.describe()}: "
                    "give the tensor that it was computed from, or switch requires_grad on"
                )
        if len({id(parameter) for parameter in self.params + listed}) < len(self.params) + len(listed):
            raise ChainruleError(f"{self._name} got a parameter twice, so it would be moved twice: give each one once")
        return listed

    def _groups_by_place(self) -> list[Settings]:
        places = {id(parameter): i for i, parameter in enumerate(self.params)}
        return [
            {**group, "params": [places[id(parameter)] for parameter in group["params"]]} for group in self.param_groups
        ]

    def _misfits_of_groups(self, groups: Any) -> list[str]:
        """What in the saved groups does not fit this optimizer's."""
        own = self._groups_by_place()
        if len(groups) != len(own):
            return [f"it has {len(groups)} groups of parameters, and this one {len(own)}"]
        wrong: list[str] = []
        for i, (group, saved) in enumerate(zip(own, groups, strict=True)):
            wrong += [f"group {i} lacks {name}" for name in sorted(group.keys() - saved.keys() - {"initial_lr"})]
            wrong += [f"group {i} has an unknown {x}" for x in sorted(saved.keys() - group.keys() - {"initial_lr"})]
            if "params" in saved and list(saved["params"]) != group["params"]:
                wrong.append(f"group {i} has the parameters {saved['params']}, and this one {group['params']}")
        if not wrong:
            for saved in groups:
                self.check_settings(_settings(saved))
        return wrong

    def _misfits_of_memories(self, groups: Any, memories: Any) -> list[str]:
        """What in the saved memories does not fit the parameters, under the saved settings."""
        if len(memories) != len(self.params):
            return [f"it has the memory of {len(memories)} parameters, and this one moves {len(self.params)}"]
        wrong: list[str] = []
        for group in groups:
            kept = self.kept(group)
            for i in map(int, group["params"]):
                memory, shape = memories[i], self.params[i].shape
                wrong += [f"parameter {i} lacks {name}" for name in kept if memory and name not in memory]
                for name in kept:
                    expected = () if name == "steps" else shape
                    if name in memory and np.shape(memory[name]) != expected:
                        wrong.append(f"{name} of parameter {i} has shape {np.shape(memory[name])}, not {expected}")
                steps = memory.get("steps", 0)
                if "steps" in kept and not (is_number(steps) and steps >= 0 and steps == int(steps)):
                    wrong.append(f"steps of parameter {i} is a count, not {steps!r}")
        return wrong


def is_number(x: Any) -> bool:
    """Whether x is one number that floating point can hold."""
    if isinstance(x, int):
        return abs(x) <= sys.float_info.max
    return isinstance(x, float | np.number)


class _Member:
    """A parameter, what is kept for it, an array of its shape to compute in, and its own array when last looked at."""

    __slots__ = ("data", "memory", "parameter", "work")

    def __init__(self, parameter: Tensor, work: Array) -> None:
        self.parameter, self.work = parameter, work
        self.memory: Memory = {}
        self.data: Array | None = None


def _with_room(parameters: list[Tensor]) -> list[_Member]:
    """Each parameter with an array of its shape to compute in; they take turns, so one array's memory serves all."""
    largest: dict[np.dtype[Any], int] = {}
    for parameter in parameters:
        largest[parameter.dtype] = max(parameter.size, largest.get(parameter.dtype, 0))
    rooms = {dtype: np.empty(size, dtype) for dtype, size in largest.items()}
    return [_Member(x, rooms[x.dtype][: x.size].reshape(x.shape)) for x in parameters]


def _settings(group: Mapping[str, Any]) -> Settings:
    """Saved settings, where a list, which is what JSON has, is a tuple again."""
    return {
        name: tuple(cast("list[Any]", held)) if isinstance(held, list) else held
        for name, held in group.items()
        if name != "params"
    }
