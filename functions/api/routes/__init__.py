"""What the API answers, a module for each kind of question."""
