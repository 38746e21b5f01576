"""SISF: a safety gateway for language models that learns from its own failures at run time."""

__version__ = "0.1.0"
