"""Jacobians of single operations, and the way along which they multiply."""
