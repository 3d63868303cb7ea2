"""The release function: the steps of a release that are more than one call of Lambda's API."""
