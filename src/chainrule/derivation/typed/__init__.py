"""Formulas that were typed: read with what is given, differentiated in symbols, explained and compared."""
