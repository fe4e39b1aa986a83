# `make run` starts a demo, `make test` is what a change must pass. `make` alone lists the rest.

.DEFAULT_GOAL := help
# Steps run one after another, in the order they are written; cargo and npm use the cores themselves.
.NOTPARALLEL:
.DELETE_ON_ERROR:

CARGO_TARGET_DIR ?= target
RELEASE := $(CARGO_TARGET_DIR)/release
SOCKETIO := loadtest/yardsticks/socketio

# Folders too: their time tells of a deleted file.
WEB_SOURCES := $(shell find web -mindepth 1 \
	\( -name node_modules -o -name dist -o -name test-results \) -prune -o -print 2>/dev/null)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: build ## start a demo gym on this machine; ARGS="…" goes to `spotter demo`
	@exec $(RELEASE)/spotter demo $(ARGS)

.PHONY: build
build: check-tools web ## build the release program, pages inside
	cargo build --release --locked

.PHONY: web
web: web/dist/index.html ## build the pages into web/dist

.PHONY: test
test: check-tools test-deps fmt-check web-check web clippy deny ## everything a change must pass
	cargo test --workspace --locked
	$(CARGO_TARGET_DIR)/debug/spotter-load run smoke --self-contained --correctness --out $(CARGO_TARGET_DIR)/smoke
	$(CARGO_TARGET_DIR)/debug/spotter-load run smoke --self-contained --postgres --nodes 3 --chaos --correctness --out $(CARGO_TARGET_DIR)/smoke-nodes
	scripts/smoke-running.sh $(CARGO_TARGET_DIR)/debug

.PHONY: bench
bench: check-tools test-deps web yardsticks ## measure on SQLite and PostgreSQL, and write docs/benchmarks.md
	cargo build --release --locked --package spotter --package spotter-load
	@mkdir -p docs
	@# 97: the machine was too busy for some rows, and they say so.
	scripts/with-postgres.sh sh -c '$(RELEASE)/spotter-load bench --server $(RELEASE)/spotter \
		--postgres "$$POSTGRES_URL" --postmaster "$$POSTGRES_PID" --out docs/benchmarks.md $(ARGS)' || [ $$? -eq 97 ]
	scripts/with-postgres.sh sh -c '$(RELEASE)/spotter-load yardsticks --server $(RELEASE)/spotter \
		--postgres "$$POSTGRES_URL" --postmaster "$$POSTGRES_PID" --bare $(CARGO_TARGET_DIR)/bare/release/bare \
		--socketio $(SOCKETIO)' >>docs/benchmarks.md || [ $$? -eq 97 ]
	$(MAKE) bench-store

.PHONY: bench-store
bench-store: check-tools test-deps ## measure the engine on PostgreSQL without sockets, and write its part of docs/benchmarks.md
	cargo bench --locked --bench lane
	cargo bench --locked --bench pace >target/pace.txt
	cargo bench --locked --bench sizes >target/sizes.txt
	sed -i '/^## The engine on PostgreSQL/,$$d' docs/benchmarks.md
	node scripts/store-figures.mjs target/criterion target/pace.txt target/sizes.txt >>docs/benchmarks.md

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

.PHONY: clean
clean: ## remove what was built; downloaded packages stay
	cargo clean
	rm -rf web/dist web/test-results

# The parts of the above.

.PHONY: check-tools test-deps fmt-check web-check clippy deny yardsticks
check-tools:
	@scripts/check-tools.sh

test-deps:
	@scripts/test-deps.sh

fmt-check:
	cargo fmt --all --check

web-check: web/node_modules/.installed
	cd web && npm run check
	cd web && npm test

# Needs the pages: the program's build script embeds them.
clippy: web
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Fetched first: deny reads the manifests of every platform's crates, a build only this one's.
deny:
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo fetch --locked && cargo deny --offline check bans licenses sources; \
	else \
		echo "note: cargo-deny is not installed, so licences and sources go unchecked (cargo install --locked cargo-deny)"; \
	fi

# What `bench` compares with.
yardsticks: $(SOCKETIO)/node_modules/.installed
	cargo build --release --locked --manifest-path loadtest/yardsticks/bare/Cargo.toml \
		--target-dir $(CARGO_TARGET_DIR)/bare

$(SOCKETIO)/node_modules/.installed: $(SOCKETIO)/package.json $(SOCKETIO)/package-lock.json
	cd $(SOCKETIO) && npm ci --no-audit --no-fund
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run build
	@touch $@
