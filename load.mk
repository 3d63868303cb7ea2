# Load on the server and on the container, with thresholds: docs/load.md.

TARGET ?=

.PHONY: load

# The server needs no engine, so nothing is built for it, nor for a target that there is not.
load: $(REGISTERED) .tools/load/.done $(if $(filter container,$(or $(TARGET),container)),build) ## Put load on the API, 24 minutes; TARGET=server PROFILE=spike for a part
	@.tools/load/bin/python -m load $${TARGET:+--target "$$TARGET"} $${PROFILE:+--profile "$$PROFILE"}
