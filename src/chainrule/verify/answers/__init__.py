"""The forms that an answer may have: a formula, a number, a table, a function, a training loop."""
