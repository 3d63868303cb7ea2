# Against what people would use instead, side by side on this machine: docs/performance.md. Each peer
# has an environment of its own, so nobody is held to another's versions.

ROUNDS ?=
BENCH_PEERS := classic mlserver bentoml mlflow litserve
BENCH_READY := $(REGISTRY) .tools/bench/.done .tools/api/.done $(BENCH_PEERS:%=.tools/peer-%/.done) .tools/sam/.done
BENCH := PYTHONPATH=.:layers/mlops/python .tools/bench/bin/python -m bench $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench bench-warm bench-http bench-cold bench-memory bench-container bench-image bench-files
.PHONY: bench-batch bench-cost

bench: $(BENCH_READY) ## Measure all parts, and write bench/results.json and docs/performance.md
	@$(BENCH)

bench-warm: $(BENCH_READY) ## Measure the handler alone, warm
	@$(BENCH) warm

bench-http: $(BENCH_READY) ## Measure requests a second over HTTP, against five servers
	@$(BENCH) http

bench-cold: $(BENCH_READY) ## Measure a new process until its first answer
	@$(BENCH) cold

bench-memory: $(BENCH_READY) ## Measure what is resident after 1,000 requests
	@$(BENCH) memory

bench-container: $(BENCH_READY) ## Measure the container under the runtime emulator; needs a Docker engine
	@$(BENCH) container

bench-image: $(BENCH_READY) ## Measure the image, as it lies and compressed; needs a Docker engine
	@$(BENCH) image

bench-files: $(BENCH_READY) ## Measure what a start reads from files; needs Linux
	@$(BENCH) files

bench-batch: $(BENCH_READY) ## Measure batch against the plain way, and how its time grows
	@$(BENCH) batch

bench-cost: $(BENCH_READY) ## Compute what a million predictions cost, of what is measured
	@$(BENCH) cost
