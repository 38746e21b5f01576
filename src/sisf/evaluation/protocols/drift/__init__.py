"""Attacks in the order of their dates: what is new, and what is forgotten."""
