"""Statistics of rows of weights and of heads."""
