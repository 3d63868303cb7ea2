"""The batch function: takes jobs and chunks of them from the queue, and works on them."""
