"""Will this telephone and internet customer leave? After IBM's Telco sample data."""
