"""Whether attention shows what a model used."""
