"""Embedders: texts to vectors, locally or at an endpoint."""
