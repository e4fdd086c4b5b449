"""What heads do, by name, with evidence."""
