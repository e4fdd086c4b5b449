"""What a caller asked for."""
