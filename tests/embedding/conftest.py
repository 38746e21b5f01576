"""One converted model for all tests of this folder and of every worker."""

import pytest

from sisf.embedding import Embedder, create_embedder


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    return create_embedder("minilm")


@pytest.fixture(scope="session")
def minilm_fp32() -> Embedder:
    return create_embedder("minilm-fp32")


@pytest.fixture(scope="session")
def harm_aware() -> Embedder:
    return create_embedder("harm-aware")


@pytest.fixture(scope="session")
def harm_aware_fp32() -> Embedder:
    return create_embedder("harm-aware-fp32")
