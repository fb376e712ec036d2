#!/usr/bin/env bash
# Whole runs on a real Kubernetes, with pods that are killed, evicted and cut off: builds the image, loads it, starts PostgreSQL,
# Azurite and the scripted SQL Server in the cluster, and runs the tests `cluster::` and tests/chart.sh.
# Arguments go to the tests: tests/cluster.sh cluster::install
#   KUBECONFIG          any cluster (Kubernetes 1.33 or later; pods may be privileged), with
#   ROGO_TEST_LOAD      the command that takes image names and loads them from docker into it: 'kind load docker-image'
#   ROGO_TEST_CLUSTER   instead of both: a folder with the programs `up`, `down`, `base-images`, `load` and `fake-nodes`, which make a cluster
#                       and leave its kubeconfig and kubectl in ~/.cache/local-cluster; one that does not stand yet is taken down in the end
#   ROGO_TEST_IMAGE     an image of the program that the cluster has; nothing is built
#   ROGO_TEST_KEEP      set: the namespaces stay, to look around
#   HELM                the Helm of the tests `cluster::`: 3, 4 (the default), or a program; tests/chart.sh takes 3 and 4
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/need.sh
. tests/need.sh
# shellcheck source=tests/helm.sh
. tests/helm.sh
# shellcheck source=tests/image.sh
. tests/image.sh

say() { printf '%4ss  %s\n' "$SECONDS" "$*"; }

if [ -z "${ROGO_TEST_CLUSTER:-}" ] && { [ -z "${KUBECONFIG:-}" ] || [ -z "${ROGO_TEST_LOAD:-}" ]; }; then
  echo "which cluster? Set KUBECONFIG and ROGO_TEST_LOAD, or ROGO_TEST_CLUSTER: see the head of tests/cluster.sh" >&2
  exit 64
fi

temporary=$(mktemp -d)
down=""
services=rogo-test-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
finish() {
  rm -rf "$temporary"
  if [ -n "${ROGO_TEST_KEEP:-}" ]; then
    say "kept: kubectl get namespaces --selector rogo-migrate/test=$services"
  elif [ -n "$down" ]; then
    "$down" >/dev/null || true
  else
    kubectl delete namespace --selector "rogo-migrate/test=$services" --wait=false >/dev/null || true
    kubectl delete namespace "$services" --ignore-not-found --wait=false >/dev/null || true
  fi
}
trap finish EXIT

if [ -n "${ROGO_TEST_CLUSTER:-}" ]; then
  made=${XDG_CACHE_HOME:-$HOME/.cache}/local-cluster
  KUBECONFIG=$made/kubeconfig "$made/bin/kubectl" get --raw=/readyz >/dev/null 2>&1 || down=$ROGO_TEST_CLUSTER/down
  say "starting the cluster of $ROGO_TEST_CLUSTER"
  "$ROGO_TEST_CLUSTER/up"
  "$ROGO_TEST_CLUSTER/base-images"
  "$ROGO_TEST_CLUSTER/fake-nodes"
  export KUBECONFIG=$made/kubeconfig PATH=$made/bin:$PATH
  ROGO_TEST_LOAD=$ROGO_TEST_CLUSTER/load
fi

for program in docker kubectl; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 69; }
done
need_cargo
case ${HELM:-4} in
  3) HELM=$(helm_3) ;;
  4) HELM=$(helm_4) ;;
esac
export HELM
read -ra load <<<"$ROGO_TEST_LOAD"

if [ -z "${ROGO_TEST_IMAGE:-}" ]; then
  export ROGO_TEST_IMAGE=rogo-migrate:test
  say "building $ROGO_TEST_IMAGE"
  docker build --network host --quiet --tag "$ROGO_TEST_IMAGE" . >/dev/null
  check_image_size "$ROGO_TEST_IMAGE"
fi

# The scripted SQL Server: for this machine's own kind of system, as it is built here.
export ROGO_TEST_TDS_IMAGE=rogo-migrate-tds:test
say "building $ROGO_TEST_TDS_IMAGE"
cargo build --locked --quiet --example tds-server
cp "${CARGO_TARGET_DIR:-target}/debug/examples/tds-server" "$temporary/"
printf 'FROM debian:bookworm-slim\nCOPY tds-server /usr/local/bin/\nUSER 65532\n' >"$temporary/Dockerfile"
docker build --quiet --tag "$ROGO_TEST_TDS_IMAGE" "$temporary" >/dev/null
"${load[@]}" "$ROGO_TEST_TDS_IMAGE" >"$temporary/load" 2>&1 || { cat "$temporary/load" >&2; exit 1; }

IMAGE=$ROGO_TEST_IMAGE LOAD=$ROGO_TEST_LOAD deploy/kind/run.sh --namespace "$services" --services
export ROGO_TEST_SERVICES=$services

tests=("$@")
[ $# -gt 0 ] || tests=(cluster::)
say "testing with $("$HELM" version --short)"
cargo test --locked --features cluster --test it -- --test-threads=2 "${tests[@]}"
if [ $# -eq 0 ]; then
  say "the chart, with Helm 3 and 4"
  tests/chart.sh
fi
