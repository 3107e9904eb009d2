"""What this package prints: its LaTeX read back, to be computed and written in other alphabets."""
