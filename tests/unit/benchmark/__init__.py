"""What of the bench measures nothing: its targets, its prices, its tables, its client."""
