"""The prediction API: parse, predict, answer."""
