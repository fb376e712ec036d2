#!/usr/bin/env bash
# Prints what a run costs, on real servers: submissions/s beside bare GET + PUT, CPU, memory, round trips; and how fast rows go
# that need no copy. `--sweep` measures finalize's sweep beside many file rows instead. Options: benches/run.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh

need_cargo
need_postgres
need_node
exec cargo bench --locked --bench throughput -- "$@"
