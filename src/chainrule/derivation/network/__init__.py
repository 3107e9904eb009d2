"""Feed-forward nets: recognised in any computation, with layers, errors and the letters of a book."""
