"""Builds the object graph from settings: the only place that knows every part."""
