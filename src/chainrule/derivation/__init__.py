"""Explanations: one record of how a gradient came to be, told in five dialects, shown in every format."""
