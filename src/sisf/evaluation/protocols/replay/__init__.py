"""Recorded exchanges against another revision: what would be decided otherwise."""
