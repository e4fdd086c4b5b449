"""What capture would do with a program, before it runs."""
