"""Load on the API, as thresholds that fail and as pictures: docs/load.md."""
