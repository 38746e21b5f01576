"""Judges against labelled exchanges."""
