"""From a trained scikit-learn model to a prediction API on AWS Lambda."""
