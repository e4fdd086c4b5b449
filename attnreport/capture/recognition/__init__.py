"""From a graph to the attentions in it, their names, and what is said of the rest."""
