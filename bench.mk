# Against what people would use instead, side by side on this machine: docs/performance.md. Each peer
# has an environment of its own, so nobody is held to another's versions.

ROUNDS ?=
BENCH_PEERS := classic mlserver bentoml mlflow litserve
BENCH_READY := $(REGISTRY) .tools/bench/.done
BENCH_HANDLERS := $(BENCH_READY) .tools/api/.done .tools/peer-classic/.done
BENCH := PYTHONPATH=.:layers/mlops/python .tools/bench/bin/python -m bench $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench bench-warm bench-http bench-cold bench-memory bench-container bench-image bench-files
.PHONY: bench-batch bench-models bench-cost bench-peers

# One that cannot be installed stops nothing: it is listed as not measured. The classic stack is what
# nearly all is compared with, and nothing is measured without it.
bench-peers: $(BENCH_HANDLERS) ## Install what it is compared with
	@for peer in $(filter-out classic,$(BENCH_PEERS)); do $(MAKE) -s --no-print-directory ".tools/peer-$$peer/.done" \
	  || echo "$$peer cannot be installed, so it is not measured" >&2; done

bench: $(BENCH_HANDLERS) bench-peers .tools/sam/.done ## Measure all parts, and write bench/results.json and docs/performance.md
	@$(BENCH)

bench-warm: $(BENCH_HANDLERS) ## Measure the handler alone, warm
	@$(BENCH) warm

bench-http: $(BENCH_HANDLERS) bench-peers ## Measure requests a second over HTTP, against five servers
	@$(BENCH) http

bench-cold: $(BENCH_HANDLERS) ## Measure a new process until its first answer
	@$(BENCH) cold

bench-memory: $(BENCH_HANDLERS) ## Measure what is resident after 1,000 requests
	@$(BENCH) memory

bench-container: $(BENCH_READY) .tools/sam/.done ## Measure the container under the runtime emulator; needs a Docker engine
	@$(BENCH) container

bench-image: $(BENCH_READY) ## Measure the image, as it lies and compressed; needs a Docker engine
	@$(BENCH) image

bench-files: $(BENCH_HANDLERS) ## Measure what a start reads from files; needs Linux
	@$(BENCH) files

bench-batch: $(BENCH_READY) ## Measure batch against the plain way, and how its time grows
	@$(BENCH) batch

bench-models: $(BENCH_HANDLERS) ## Measure a start with ten models, and an imported model in batch
	@$(BENCH) models

bench-cost: $(BENCH_HANDLERS) ## Compute what a million predictions cost, of what is measured
	@$(BENCH) cost
