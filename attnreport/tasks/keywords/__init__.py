"""A demo: what a text is about, and the words that say so."""
