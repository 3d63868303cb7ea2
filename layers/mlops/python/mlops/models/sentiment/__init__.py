"""Is a sentence positive? After ratings of sentences from reviews."""
