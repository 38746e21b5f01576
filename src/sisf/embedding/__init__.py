"""Embedders: texts to vectors, locally or at an endpoint."""

from sisf.embedding.base import Embedder, TextWindow, TokenEmbedder, TokenVectors, Vectors
from sisf.embedding.cached import CachedEmbedder, CacheStatistics
from sisf.embedding.factory import configured_embedder, create_embedder
from sisf.embedding.hashing import HashEmbedder

__all__ = [
    "CacheStatistics",
    "CachedEmbedder",
    "Embedder",
    "HashEmbedder",
    "TextWindow",
    "TokenEmbedder",
    "TokenVectors",
    "Vectors",
    "configured_embedder",
    "create_embedder",
]
