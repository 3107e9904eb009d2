"""The command line: `chainrule demo`, `chainrule doctor`."""
