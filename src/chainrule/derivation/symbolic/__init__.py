"""Derivatives as formulas, in closed form, verified on numbers."""
