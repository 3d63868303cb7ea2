"""Which versions exist, where they come from and what became of them."""
