"""Several maps as one: means, rollout, flow, norms, relevance."""
