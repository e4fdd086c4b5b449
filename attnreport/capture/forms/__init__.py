"""Ways of writing attention other than a softmax before a product, one a file."""
