"""Put load on the server and on the container: `make load`."""

# Locust is first: it replaces what blocks in the standard library.
from load.traffic import drive  # isort: skip

import sys

from load.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], drive))
