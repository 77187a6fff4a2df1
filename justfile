# One recipe a gate; `scripts/test` runs them all.

export RUSTDOCFLAGS := "-D warnings"

# Every gate and every test, tools installed where missing.
default:
    scripts/test

# Formatting, unchanged on disk.
fmt:
    cargo fmt --all --check

# Lints on everything, tests too.
clippy:
    cargo clippy --locked --all-targets -- -D warnings

# The tests, or those that a filter names: `just test 'test(judge::)'`.
test filter='all()':
    cargo nextest run --locked -E '{{ filter }}'

# Documentation, private items too.
doc:
    cargo doc --locked --no-deps --document-private-items

# Licences, bans and sources of the dependencies.
deny:
    cargo deny --locked check --hide-inclusion-graph bans licenses sources

# Known vulnerabilities in the dependencies; needs the network.
advisories:
    cargo deny --locked check advisories

# Prints the schemas again after a change of a format.
schema:
    cargo run --locked --quiet -- schema verdict > docs/verdict.schema.json
    cargo run --locked --quiet -- schema lint > docs/lint.schema.json
    cargo run --locked --quiet -- schema drift > docs/drift.schema.json
    cargo run --locked --quiet -- schema hypothesis > hypotheses/hypothesis.schema.json

# The main job on the miniature cluster.
demo:
    cargo run --locked --release -- demo

# How fast it starts, and how fast it reads a metrics page.
bench:
    scripts/bench/startup
    scripts/bench/exposition
    scripts/bench/targets
    scripts/bench/verify
    scripts/bench/drift-calibration
