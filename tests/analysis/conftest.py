"""Rows of all sorts for the tests of statistics."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def masked_rows() -> Callable:
    """A function that makes weights `[head, query, key]` and a mask, of which some rows are empty.

    Rows are sharp or broad and do not sum to one; where the mask is False the weights are 0.
    """

    def make(seed, heads=2, queries=4, keys=4, *, causal=False):
        random = np.random.default_rng(seed)
        weights = random.dirichlet(np.full(keys, 0.4), (heads, queries)).astype(np.float32)
        weights *= random.uniform(0.2, 3, (heads, queries, 1)).astype(np.float32)
        allowed = random.random((random.choice([1, heads]), queries, keys)) < 0.8
        if causal:
            allowed &= np.tri(queries, keys, dtype=bool)
        weights *= allowed
        weights[weights < 1e-6] = 0
        return weights, allowed

    return make


@pytest.fixture(scope="session")
def by_rows() -> Callable:
    """A function that computes a statistic row by row, from the shares of the allowed keys."""

    def compute(statistic, weights, allowed):
        found = np.full(weights.shape[:2], np.nan)
        for head in range(weights.shape[0]):
            for query in range(weights.shape[1]):
                mask = allowed[head % len(allowed), query]
                row = [float(weight) for weight in np.where(mask, weights[head, query], 0)]
                if sum(row) > 0:
                    shares = [weight / sum(row) for weight in row]
                    value = statistic(shares, query, mask)
                    found[head, query] = np.nan if value is None else value
        return found

    return compute
