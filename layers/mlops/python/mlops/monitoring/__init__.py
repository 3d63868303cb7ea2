"""What the rows of a model usually look like, and whether they still do. Pure functions."""
