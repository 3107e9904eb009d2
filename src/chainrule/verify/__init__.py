"""Gradients, engines and derivations of other people: checked, compared, and where they are wrong told why."""
