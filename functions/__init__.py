"""One thin package a Lambda; they never import each other."""
