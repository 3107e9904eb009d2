"""The random generators of a model, which a run goes on with where it stopped."""

from __future__ import annotations

import numpy as np

from chainrule.nn.draws import is_generator
from chainrule.nn.module import Module


def generators_of(model: Module) -> dict[str, np.random.Generator]:
    """The random generators that modules hold as attributes, by name: ``1.rng``."""
    return {
        f"{path}.{name}" if path else name: held
        for path, module in model.named_modules()
        for name, held in vars(module).items()
        if is_generator(held)
    }
