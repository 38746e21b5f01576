"""Attacks one after the other from zero policies (`learn`), and against what was never seen (`held-out`)."""
