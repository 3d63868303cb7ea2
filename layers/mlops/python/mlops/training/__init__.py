"""From a training plan to a candidate: evaluate, export, gate, write down."""
