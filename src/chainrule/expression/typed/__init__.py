"""What users type: formulas, values and shapes, read with a white list and never evaluated as Python."""
