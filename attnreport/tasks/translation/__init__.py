"""Translation from English to German: data with known links between words, models, recordings."""
