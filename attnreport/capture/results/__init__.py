"""What left the device, as one map for each layer, model and part of an example."""
