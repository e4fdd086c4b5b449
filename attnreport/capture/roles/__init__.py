"""What normalized weights are used for, and what their axes are."""
