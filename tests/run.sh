#!/usr/bin/env bash
# Runs every test, with real servers: installs what they need if it is missing, then `cargo test`.
# PostgreSQL, Azurite, Prometheus, the OpenTelemetry Collector and the scripted SQL Server are started by the tests, on free ports, and stopped by them.
# The test on a real SQL Server is built and run only if TEST_WAREHOUSE_URL is its connection string.
# Tests that the machine lacks something for are named in the end; each that is skipped is a failure if CI is set.
#   tests/run.sh [ARGUMENT...]          arguments go to cargo test: tests/run.sh --test it settings::
#   tests/run.sh --long [ARGUMENT...]   the long set: 1,000 kills (ROGO_TEST_KILLS)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh

if [ "${1:-}" = --long ]; then
  shift
  export ROGO_TEST_KILLS=1000
fi
need_cargo
need_postgres
need_node
need_chromium
need_prometheus
need_collector
real=()
[ -z "${TEST_WAREHOUSE_URL:-}" ] || real=(--features real-warehouse)
# .ci/run names the file, and counts its lines.
[ -z "${ROGO_SKIPPED:-}" ] || exec cargo test --locked "${real[@]}" "$@"
ROGO_SKIPPED=$(mktemp)
export ROGO_SKIPPED
trap 'rm -f "$ROGO_SKIPPED"' EXIT
code=0
cargo test --locked "${real[@]}" "$@" || code=$?
sort -u -t $'\t' -k 1,1 "$ROGO_SKIPPED" | sed 's/\t/: /; s/^/skipped: /'
[ "${#real[@]}" -gt 0 ] || echo "skipped: warehouse::real: TEST_WAREHOUSE_URL names no SQL Server"
exit "$code"
