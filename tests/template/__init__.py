"""The template, and everything else that a tool can judge without running it."""
