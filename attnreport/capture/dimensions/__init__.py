"""Which axes of which arrays are one dimension."""
