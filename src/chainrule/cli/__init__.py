"""The command line: `chainrule demo`, `grad`, `train`, `predict`, `evaluate`, `explain` and `doctor`."""
