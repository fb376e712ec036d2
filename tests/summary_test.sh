#!/usr/bin/env bash
# Whether .ci/run counts right: what runners say is summed, and what fails without a test counts as one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/good" <<'TEXT'
test result: ok. 39 passed; 0 failed; 1 ignored; 0 measured; 370 filtered out; finished in 82.49s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
TEXT
printf 'test result: \033[31mFAILED\033[0m. 4 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n' >"$folder/bad"
: >"$folder/none"
printf 'a::b\tno node\na::b\tno node either\nc::d\tno mount\n' >"$folder/skipped"

# sum_is EXPECTED CODE STATEMENTS: the last line and the exit code after these statements.
sum_is() {
  local found code=0
  # shellcheck source=tests/summary.sh disable=SC2034
  found=$(. ./summary.sh && eval "$3" && finish_summary 1) || code=$?
  if [ "${found##*$'\n'}" != "$1" ] || [ "$code" -ne "$2" ]; then
    echo "after: $3: ${found##*$'\n'}, exit code $code; expected: $1, exit code $2" >&2
    exit 1
  fi
}
unset CI
sum_is '0 passed, 0 failed, 0 skipped' 0 ':'
sum_is '41 passed, 0 failed, 1 skipped' 0 "count_section a 0 $folder/good"
sum_is '45 passed, 3 failed, 1 skipped' 1 "count_section a 0 $folder/good; count_section b 101 $folder/bad"
sum_is '0 passed, 1 failed, 0 skipped' 1 "count_section lints 1 $folder/none"
sum_is '41 passed, 1 failed, 1 skipped' 1 "count_section slow 124 $folder/good"
sum_is '4 passed, 3 failed, 0 skipped' 1 "count_section hidden 0 $folder/bad"
sum_is '0 passed, 0 failed, 9 skipped' 0 'skipped_section cluster 9 "there is none"'
sum_is '0 passed, 0 failed, 1 skipped' 0 'skipped_section demo 0 "left out"'
sum_is '39 passed, 0 failed, 3 skipped' 0 "count_section a 0 $folder/good $folder/skipped"
sum_is '41 passed, 0 failed, 1 skipped' 0 "count_section a 0 $folder/good $folder/none"
sum_is '41 passed, 0 failed, 2 skipped' 0 "count_section a 0 $folder/good; skipped_option e::f 'no server'"
# shellcheck source=tests/summary.sh
said=$(. ./summary.sh && count_section a 0 "$folder/none" "$folder/skipped" && skipped_option e::f 'no server' && finish_summary 1)
for line in '── skipped: a::b: no node' '── skipped: c::d: no mount' '── skipped: e::f: no server'; do
  [[ $said == *"$line"* ]] || { echo "not said: $line" >&2; exit 1; }
done
export CI=true
sum_is '0 passed, 0 failed, 1 skipped' 0 "skipped_option e::f 'no server'"
sum_is '0 passed, 0 failed, 2 skipped' 1 "count_section a 0 $folder/none $folder/skipped"
sum_is '0 passed, 0 failed, 9 skipped' 1 'skipped_section cluster 9 "there is none"'
sum_is '41 passed, 0 failed, 1 skipped' 1 "count_section a 0 $folder/good"
