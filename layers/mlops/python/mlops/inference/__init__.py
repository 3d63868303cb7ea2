"""From a pin to predictions: pin, manifest, verified bytes, Predictor. No network, no clock."""
