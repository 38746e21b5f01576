"""Data sets: where they are found, what a line may hold, how they are fetched and pinned."""

from sisf.datasets.catalogue import Dataset, is_here, load, load_all, local_names, read

__all__ = ["Dataset", "is_here", "load", "load_all", "local_names", "read"]
