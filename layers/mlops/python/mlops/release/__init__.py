"""Releases: how a canary is judged. Pure over its ports."""
