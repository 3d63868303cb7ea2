"""What this project is compared with, side by side in one run."""
