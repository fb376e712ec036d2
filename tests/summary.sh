# shellcheck shell=bash
# Sourced by .ci/run: the sum of what the test runners say.

# optional: of those that were skipped, what not every machine can have; in CI too.
passed=0 failed=0 skipped=0 optional=0
failed_sections=() skipped_sections=()

# sum_of FIELD FILE: the sum of `N FIELD` over the lines `test result:` of cargo test.
sum_of() {
  sed 's/\x1b\[[0-9;]*m//g' "$2" | awk -v field="$1" '
    /^test result: / {
      count = split($0, parts, /[;.] */)
      for (part = 1; part <= count; part++) if (split(parts[part], words, " ") == 2 && words[2] == field) sum += words[1]
    }
    END { print sum + 0 }'
}

# count_section NAME CODE LOG [SKIPPED]: adds a section that ran. The file SKIPPED has a line for each test that began and then skipped
# itself, its name, a tab and the reason: the runner counts it as passed.
count_section() {
  local of_tests name why
  of_tests=$(sum_of failed "$3")
  passed=$((passed + $(sum_of passed "$3")))
  skipped=$((skipped + $(sum_of ignored "$3")))
  failed=$((failed + of_tests))
  if [ -s "${4:-}" ]; then
    while IFS=$'\t' read -r name why; do
      skipped_sections+=("$name: $why")
      skipped=$((skipped + 1)) passed=$((passed > 0 ? passed - 1 : 0))
    done < <(sort -u -t $'\t' -k 1,1 "$4")
  fi
  if [ "$2" -ne 0 ]; then
    failed_sections+=("$1")
    # A lint, a build or a time limit has no test to count.
    [ "$of_tests" -gt 0 ] || failed=$((failed + 1))
  elif [ "$of_tests" -gt 0 ]; then
    # A runner that hides a failure.
    failed_sections+=("$1")
  fi
}

# skipped_section NAME TESTS WHY: adds a section that was left out.
skipped_section() {
  echo "── $1: left out ($2 tests): $3"
  skipped_sections+=("$1 ($2 tests): $3")
  skipped=$((skipped + ($2 > 0 ? $2 : 1)))
}

# skipped_option NAME WHY: adds one test of what not every machine can have: it is named and counted, and no failure in CI.
skipped_option() {
  skipped_sections+=("$1: $2")
  skipped=$((skipped + 1)) optional=$((optional + 1))
}

# finish_summary SECONDS: says what failed and what was skipped, the sum on the last line, and ends the script.
finish_summary() {
  local code=0
  echo "── $1 s"
  if [ "${#failed_sections[@]}" -gt 0 ]; then
    echo "── FAILED: ${failed_sections[*]}"
    code=1
  fi
  if [ "${#skipped_sections[@]}" -gt 0 ]; then
    printf '── skipped: %s\n' "${skipped_sections[@]}"
  fi
  if [ "$skipped" -gt "$optional" ] && [ -n "${CI:-}" ]; then
    echo "── CI is set: skipping is a failure"
    code=1
  fi
  [ "$failed" -eq 0 ] || code=1
  echo "$passed passed, $failed failed, $skipped skipped"
  exit "$code"
}
