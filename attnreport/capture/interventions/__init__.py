"""Changes attention while a program runs: gradients for each weight, heads scaled or cut."""
