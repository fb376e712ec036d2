#!/usr/bin/env bash
# Prints what a run costs, on real servers: submissions/s beside bare GET + PUT, CPU, memory, round trips; and how fast rows go
# that need no copy. Instead of that, `--sweep` measures finalize's sweep beside many file rows; `--plan` a plan of many rows; `--commits` the rate beside
# pgbench with the same commits; `--latency` the rate at a distance of 20, 100 and 400 ms beside that at 0 ms (`--latency --short`:
# 100 ms only); `--verify` verify in 8 processes and its slope; `--verify-blobs` level blobs beside level rows; `--predict` plan --predict, its slope and its durations; `--receipts` what receipts
# cost PostgreSQL; `--telemetry --rounds 9` CPU with a receiver of telemetry beside CPU without; `--report` size and opening time of
# report.html at 3,000,000 rows and 1,000 shards; `--guard` what another client of the target feels of a run that spares it
# (`--guard --short`: 30 s each); `--shards` eight shards beside one, 400 ms before every service; `--whole` a run
# from its plan to its results, in 8 processes, and its slope; `--growth` a row of ten times as many;
# `--large` memory with files of 20 MB and 512 copies; `--climb` the copies in flight that are found, beside fixed numbers of them. `--debug`, first, builds as tests are built: for ratios alone.
# Options: benches/run.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh

need_cargo
need_postgres
need_node
profile=bench
if [ "${1:-}" = --debug ]; then
  profile=dev
  shift
fi
exec cargo bench --locked --profile "$profile" --bench throughput -- "$@"
