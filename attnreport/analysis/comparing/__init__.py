"""What differs between heads, inputs and recordings."""
