"""An independent judge of what is printed: LaTeX read back and worked out, with nothing of the printers in it."""
