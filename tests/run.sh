#!/usr/bin/env bash
# Runs every test, with real servers: installs what they need if it is missing, then `cargo test`.
# PostgreSQL, Azurite, Prometheus, the OpenTelemetry Collector and the scripted SQL Server are started by the tests, on free ports, and stopped by them.
# The test on a real SQL Server is built and run only if TEST_WAREHOUSE_URL is its connection string.
# Arguments go to cargo test: tests/run.sh --test it settings::
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh

need_cargo
need_postgres
need_node
need_chromium
need_prometheus
need_collector
real=()
[ -z "${TEST_WAREHOUSE_URL:-}" ] || real=(--features real-warehouse)
exec cargo test --locked "${real[@]}" "$@"
