"""Networks as scikit-learn estimators: for pipelines, grid searches and everything else that takes one.

Needs scikit-learn; without it the import raises `MissingExtra`.

>>> import chainrule.sklearn
>>> from sklearn.datasets import make_moons
>>> x, y = make_moons(200, noise=0.1, random_state=0)
>>> net = chainrule.sklearn.MLPClassifier((16,), learning_rate_init=0.05, max_iter=300, random_state=0)
>>> net.fit(x, y).score(x, y) > 0.95
True
"""

from chainrule.errors import MissingExtra

try:
    import sklearn as _needed  # noqa: F401
except ImportError:
    raise MissingExtra("scikit-learn", "sklearn") from None

from chainrule.sklearn.classifier import MLPClassifier
from chainrule.sklearn.modules import ModuleClassifier, ModuleRegressor
from chainrule.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "ModuleClassifier", "ModuleRegressor"]
