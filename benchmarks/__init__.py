"""How fast and how large chainrule is beside its peers: ``python -m benchmarks`` measures all of it in one go."""
