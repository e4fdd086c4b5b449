"""What leaves the device, and what its numbers prove."""
