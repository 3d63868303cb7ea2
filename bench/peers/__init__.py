"""What people would use instead, each as its own documentation shows it.

Each module runs in the environment of its peer, so it imports nothing of this project.
"""
