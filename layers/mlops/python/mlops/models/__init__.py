"""One folder a model: its contract (request, response, columns) and its training plan."""
