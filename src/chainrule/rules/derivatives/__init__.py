"""Derivatives of rules that are declared by what they are made of: a module for each room of the rule book."""
