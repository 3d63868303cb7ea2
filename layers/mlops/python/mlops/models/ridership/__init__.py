"""How many people enter a railway station on each of the next days? After Chicago's data."""
