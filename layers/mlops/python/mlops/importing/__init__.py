"""From a trained scikit-learn estimator to a candidate: contract, graph, proof of parity."""
