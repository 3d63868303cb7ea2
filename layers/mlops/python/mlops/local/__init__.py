"""The ports on a file system."""
