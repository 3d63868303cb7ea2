"""The image, run as Lambda runs it."""
