#!/usr/bin/env bash
# The chart: lint, schema, README, and the table of tests, with Helm 3 and Helm 4. If KUBECONFIG is set, also server-side dry runs
# of every example and the tests that need a cluster (ROGO_TEST_IMAGE: an image of the program that the cluster has).
#   tests/chart.sh           check
#   tests/chart.sh --write   write the chart's README from its values' comments, and defaults.yaml from the values
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh
# shellcheck source=tests/helm.sh
. tests/helm.sh

HELM_DOCS=1.14.2
KUBERNETES=1.34.0
chart=charts/rogo-migrate
minimal=$chart/ci/minimal-values.yaml

# written FOLDER: the chart's README as its values say, into a copy of the chart in FOLDER.
written() {
  local docs
  docs=$(installed helm-docs "$HELM_DOCS" github.com/norwoodj/helm-docs/cmd/helm-docs)
  cp -r "$chart" "$1/"
  "$docs" --chart-search-root "$1" --sort-values-order file --log-level warning
}

# defaults: values.yaml without comments and empty lines, for templates, which cannot read values.yaml.
defaults() { sed '/^ *#/d;/^ *$/d' "$chart/values.yaml"; }

# dry_run HELM VALUES [OPTION...]: every object must pass the API server, as if it were made. Without the test's pod, for which the
# server wants the service account to exist.
dry_run() {
  "$1" template r "$chart" --no-hooks --values "$2" --kube-version "$KUBERNETES" "${@:3}" |
    kubectl apply --dry-run=server --filename - >/dev/null || {
    echo "the API server refuses what $2 renders (${*:3})" >&2
    return 1
  }
}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

written "$temporary"
if [ "${1:-}" = --write ]; then
  cp "$temporary/rogo-migrate/README.md" "$chart/README.md"
  defaults >"$chart/defaults.yaml"
  exit
fi
if ! diff "$chart/defaults.yaml" <(defaults); then
  echo "$chart/defaults.yaml is not values.yaml without its comments: tests/chart.sh --write" >&2
  exit 1
fi
if ! diff "$chart/README.md" "$temporary/rogo-migrate/README.md"; then
  echo "$chart/README.md is not what the values' comments say: tests/chart.sh --write" >&2
  exit 1
fi
if grep -n '|  |$' "$chart/README.md"; then
  echo "these values have no comment" >&2
  exit 1
fi

need_cargo
helms=("$(helm_3)" "$(helm_4)")
for helm in "${helms[@]}"; do
  "$helm" version --short
  "$helm" lint --strict --quiet "$chart" --values "$minimal" --kube-version "$KUBERNETES"
  without_cluster=(--skip chart::live)
  [ -n "${KUBECONFIG:-}" ] || echo "left out: chart::live, and the examples at an API server: KUBECONFIG names no cluster"
  if [ -n "${KUBECONFIG:-}" ]; then
    without_cluster=()
    for values in "$minimal" deploy/examples/*.yaml; do
      dry_run "$helm" "$values"
    done
    dry_run "$helm" "$minimal" --set shards.only=3 --set networkPolicy.enabled=true --set shards.spot=true --set shards.suspend=true \
      --set proxy.https=http://proxy:3128 --set caBundle.configMap=ca --set storage.sharedVolume.existingClaim=claim
  fi
  HELM=$helm cargo test --locked --features cluster --test it chart:: -- "${without_cluster[@]}"
done
