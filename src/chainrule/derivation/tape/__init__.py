"""A recorded computation taken apart: its numbers, gradients and symbols, and proof that it has not changed."""
