"""From a pin to predictions: pin, manifest, verified bytes, Predictor. No network, no clock."""

import os

# ONNX Runtime reports its use to its maker: it looks up a host on the internet and keeps an id of
# this device in the home folder, or complains in the log that it cannot. It asks for this when it
# is imported, which only modules of this package do, and they come after this line.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# A model could bring settings of its own, such as files to write, were this on.
os.environ["ORT_LOAD_CONFIG_FROM_MODEL"] = "0"
