"""Attacker-controlled text: canonical views, windows and lexical features."""
