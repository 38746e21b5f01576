"""The oversight pages: a person sees, questions and undoes everything."""

from sisf.console.app import create_console

__all__ = ["create_console"]
