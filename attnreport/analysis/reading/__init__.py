"""What a report says of a recording in words."""
