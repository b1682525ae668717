"""How events become the picture of a node, and views on it."""
