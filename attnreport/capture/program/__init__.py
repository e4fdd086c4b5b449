"""What JAX traced: a jaxpr as a graph of values and operations, and where each came from."""
