"""The same statistics over many examples."""
