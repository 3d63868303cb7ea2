"""Batch jobs: many rows by reference, every one predicted once. Pure over its ports."""
