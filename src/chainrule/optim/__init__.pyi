# Written by docs/write_stubs.py from what the package loads when a name in it is used.

from chainrule.optim import lr_scheduler as lr_scheduler
from chainrule.optim.adagrad import Adagrad as Adagrad
from chainrule.optim.adam import Adam as Adam
from chainrule.optim.adam import AdamW as AdamW
from chainrule.optim.clip import clip_grad_norm_ as clip_grad_norm_
from chainrule.optim.clip import clip_grad_value_ as clip_grad_value_
from chainrule.optim.lr_scheduler import ChainedScheduler as ChainedScheduler
from chainrule.optim.lr_scheduler import CosineAnnealingLR as CosineAnnealingLR
from chainrule.optim.lr_scheduler import ExponentialLR as ExponentialLR
from chainrule.optim.lr_scheduler import LRScheduler as LRScheduler
from chainrule.optim.lr_scheduler import LambdaLR as LambdaLR
from chainrule.optim.lr_scheduler import LinearLR as LinearLR
from chainrule.optim.lr_scheduler import MultiStepLR as MultiStepLR
from chainrule.optim.lr_scheduler import OneCycleLR as OneCycleLR
from chainrule.optim.lr_scheduler import ReduceLROnPlateau as ReduceLROnPlateau
from chainrule.optim.lr_scheduler import SequentialLR as SequentialLR
from chainrule.optim.lr_scheduler import StepLR as StepLR
from chainrule.optim.optimizer import Optimizer as Optimizer
from chainrule.optim.rmsprop import RMSprop as RMSprop
from chainrule.optim.sgd import SGD as SGD
