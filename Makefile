# Suture: every target does its own set-up; a second run does only what is left to do.
SMOLLM2 := .deps/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
SUTURE := .build/release/suture

.PHONY: help demo demo-studio demo-signatures test test-slow interop interop-lens interop-circuits interop-harness interop-steer interop-vision interop-onnx interop-llama interop-serve conformance fuzz fuzz-coverage fuzz-asan setup release parity bench docs format lint clean

SWIFT_FILES := Sources Tests Benchmarks/Sources Examples Snippets Package.swift
SECONDS ?= 60
SEED ?= 1
# What is built elsewhere than in .build does not find it by itself.
TORCH_PATH := LD_LIBRARY_PATH=$(or $(TORCH_HOME),$(CURDIR)/.deps/torch)/lib
# gold, the default on Linux, fails on libFuzzer's runtime.
LLD := $(if $(filter Linux,$(shell uname)),-Xswiftc -use-ld=lld)

help:
	@echo "make demo     repair a wrong answer of a real language model, apply the patch, remove it again"
	@echo "make demo-studio  serve the demo model, with a page on which a wrong token is clicked and repaired"
	@echo "make demo-signatures  train classifiers, make one robust with a file, take it off again (a minute or two)"
	@echo "make test     run all tests"
	@echo "make interop  hold what is exported against peft, transformers and gguf"
	@echo "make interop-lens  hold lens, attention, attribution and ablation against TransformerLens"
	@echo "make interop-harness  hold scores of lm-eval through the server against transformers"
	@echo "make interop-circuits  hold the scores of edges and the curves of circuits against formulas written out in PyTorch"
	@echo "make interop-steer  hold steering vectors and their files against repeng and transformers"
	@echo "make interop-vision  hold classifiers, and how pictures are prepared, against torchvision and timm"
	@echo "make interop-onnx  hold ONNX files, imported and exported, against onnxruntime"
	@echo "make interop-llama  hold tokens, logits and exported adapters against llama.cpp, which is built once (ten minutes)"
	@echo "make interop-serve  ask the server with OpenAI's client and schemathesis, and walk through its page in Chromium"
	@echo "make conformance  random variants of models, GGUF files, adapters and tokenizers, held against the real libraries"
	@echo "make fuzz     feed broken files and models to all that reads them (SECONDS=60 SEED=1)"
	@echo "make fuzz-coverage  let libFuzzer look for inputs that reach new code (SECONDS=60 for each reader)"
	@echo "make fuzz-asan  the same inputs as fuzz, with AddressSanitizer in the Swift, C and C++ parts"
	@echo "make test-slow  kill commands 1,000 times, take their disks, rights and descriptors, kill and stop ranks of a group, stack 100 repairs"
	@echo "make parity   hold the forward pass and every cell of sweeps against transformers on SmolLM2-135M"
	@echo "make bench    measure beside the Python peers"
	@echo "make docs     the documentation of all modules, with its examples compiled"
	@echo "make format   format the sources        make lint   check that they are, and documented"

setup:
	@command -v swift >/dev/null || { echo "error: Swift 6.2 or newer is needed (https://www.swift.org/install)" >&2; exit 1; }
	@Scripts/setup

release: setup
	@swift build -c release --product SutureTorch
	@swift build -c release --product suture

demo: release
	@Scripts/demo $(SUTURE) $(SMOLLM2)

demo-studio: release
	@$(SUTURE) serve $(SMOLLM2)

demo-signatures: release
	@Scripts/setup fashion
	@Scripts/demo-signatures $(SUTURE) .deps/fashion-mnist

# With the command that users get: of debug builds, the parser of arguments alone takes minutes.
test: release
	SUTURE=$(SUTURE) OMP_NUM_THREADS=1 swift test

test-slow: release
	Tests/Slow/kill $(SUTURE) 300
	Tests/Slow/kill-commands $(SUTURE) 100
	SIGNAL=INT Tests/Slow/kill-commands $(SUTURE) 20
	Tests/Slow/full-disk $(SUTURE)
	Tests/Slow/kill-server $(SUTURE) 100
	Tests/Slow/load-server $(SUTURE) 60
	Tests/Slow/dead-ranks $(SUTURE)
	Tests/Slow/split-hosts $(SUTURE) $(SMOLLM2)
	Tests/Slow/stack-repairs $(SUTURE) $(SMOLLM2) Tests/Slow/failures.jsonl

interop: release
	@Scripts/setup-interop
	.deps/interop/bin/python Tests/Interop/interop.py $(SUTURE)
	.deps/interop/bin/python Tests/Interop/tutorials.py $(SUTURE) $(SMOLLM2)

interop-lens: release
	@Scripts/setup-python peers
	.deps/python-peers/bin/python Tests/Interop/lens.py $(SUTURE) $(SMOLLM2)

interop-harness: release
	@Scripts/setup-interop harness
	.deps/interop-harness/bin/python Tests/Interop/harness.py $(SUTURE) $(SMOLLM2)

interop-circuits: release
	@Scripts/setup-interop
	.deps/interop/bin/python Tests/Interop/circuits.py $(SUTURE)

interop-steer: release
	@Scripts/setup-interop steer
	.deps/interop-steer/bin/python Tests/Interop/steering.py $(SUTURE) $(SMOLLM2)

interop-vision: release
	@Scripts/setup-interop vision
	.deps/interop-vision/bin/python Tests/Interop/vision.py $(SUTURE)

interop-onnx: release
	@Scripts/setup-interop onnx
	.deps/interop-onnx/bin/python Tests/Interop/onnx_files.py $(SUTURE)

interop-llama: release
	swift build -c release --product suture-tokens
	@Scripts/setup-llama
	.deps/llama/bin/python Tests/Interop/llama.py $(SUTURE) $(SMOLLM2)

interop-serve: release
	@Scripts/setup-serve
	.deps/serve/bin/python Tests/Interop/serve.py $(SUTURE) $(SMOLLM2)
	.deps/serve/bin/python Tests/Interop/described.py $(SUTURE) $(SMOLLM2)
	.deps/serve/bin/python Tests/Interop/page.py $(SUTURE) $(SMOLLM2)
	.deps/serve/bin/python Tests/Interop/pictures.py $(SUTURE)

conformance: release
	swift build -c release --product suture-tokens
	@Scripts/setup-interop
	.deps/interop/bin/python Tests/Interop/conformance.py $(SUTURE) models $(SEED) 2000
	.deps/interop/bin/python Tests/Interop/conformance.py $(SUTURE) gguf $(SEED) 500
	.deps/interop/bin/python Tests/Interop/conformance.py $(SUTURE) adapters $(SEED) 500
	.deps/interop/bin/python Tests/Interop/conformance.py $(SUTURE) tokenizers $(SEED) 500

fuzz:
	swift build -c release --product suture-fuzz
	.build/release/suture-fuzz $(SECONDS) $(SEED)

fuzz-coverage:
	swift build -c release --product suture-fuzz --scratch-path .build/coverage -Xswiftc -sanitize=fuzzer \
	  -Xswiftc -DLIBFUZZER $(LLD)
	$(TORCH_PATH) Tests/Fuzz/coverage .build/coverage/release/suture-fuzz $(SECONDS)

fuzz-asan:
	swift build -c release --product suture-fuzz --scratch-path .build/asan --sanitize address
	$(TORCH_PATH) ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=64 .build/asan/release/suture-fuzz $(SECONDS) $(SEED)

parity: release
	$(SUTURE) parity $(SMOLLM2) --golden Tests/Goldens/smollm2/golden.safetensors
	@Scripts/setup-python
	.deps/python/bin/python Tests/Interop/sweeps.py $(SUTURE) $(SMOLLM2)

bench: setup
	@Scripts/setup-python
	swift build -c release --product suture-bench
	.build/release/suture-bench ops
	.build/release/suture-bench decode $(SMOLLM2)
	.build/release/suture-bench replay $(SMOLLM2)

docs: setup
	@Scripts/docs

format:
	swift format -i -r $(SWIFT_FILES)

lint:
	swift format lint --strict -r $(SWIFT_FILES)
	@Scripts/lint-docs

clean:
	rm -rf .build .deps
