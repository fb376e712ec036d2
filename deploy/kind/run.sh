#!/usr/bin/env bash
# A whole migration on Kubernetes: a kind cluster with Azurite, PostgreSQL and SQL Server; image, chart, result.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: deploy/kind/run.sh [--rows N] [--shards N] [--parallelism N] [--sqlserver | --no-sqlserver] [--namespace NAME] [--services]
       deploy/kind/run.sh [--namespace NAME] --delete

Makes the kind cluster rogo-migrate (or takes the one of KUBECONFIG), builds and loads the image, starts the services with a
sample of 400 submissions in the namespace rogo-migrate, installs the chart, waits, and prints the result. Its exit code is the run's:
0, or 1 where the finalizer did not say that every row is accounted for.
The warehouse is SQL Server where its image can be had (1.6 GB, amd64, 2 GB of memory), else its exported tables.

  --rows N         submissions in the sample (default 400)
  --shards N       shards (default 8)
  --parallelism N  shards at a time (default 3)
  --sqlserver      SQL Server or nothing
  --no-sqlserver   the exported tables, without a look for the image
  --namespace NAME where all of it stands (default rogo-migrate)
  --services       end when the services and the sample stand; install nothing, and no SQL Server that is not asked for
  --delete         remove the namespace, and the cluster where it is kind's

Needs docker, kubectl, helm, and kind unless the environment says otherwise:
  KUBECONFIG       another cluster, with LOAD: the command, with its arguments, that takes image names and loads them from docker into it
  HELM             Helm 3 or 4 (default: helm)
  IMAGE            an image that is built already, repository:tag; the cluster must be able to run it
TEXT
}

rows=400 shards=8 parallelism=3 warehouse='' namespace=rogo-migrate only_services='' delete=''
while (($#)); do
    case $1 in
        --rows) rows=${2:?--rows needs a number}; shift ;;
        --shards) shards=${2:?--shards needs a number}; shift ;;
        --parallelism) parallelism=${2:?--parallelism needs a number}; shift ;;
        --sqlserver) warehouse=sqlserver ;;
        --no-sqlserver) warehouse=folder ;;
        --namespace) namespace=${2:?--namespace needs a name}; shift ;;
        --services) only_services=yes ;;
        --delete) delete=yes ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done

cd "$(dirname "$0")/../.."
cluster=rogo-migrate release=demo
helm=${HELM:-helm}
image=${IMAGE:-rogo-migrate:demo}
azurite=mcr.microsoft.com/azure-storage/azurite:3.37.0
postgres=postgres:17
sqlserver=mcr.microsoft.com/mssql/server:2022-latest
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

say() { printf '%4ss  %s\n' "$SECONDS" "$*"; }
die() { echo "$*" >&2; exit 1; }
secret() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
kube() { kubectl --namespace "$namespace" "$@"; }

# Another cluster where LOAD says how to bring images into it; else kind's, with a kubeconfig of its own.
if [[ -n ${LOAD:-} ]]; then
    [[ -n ${KUBECONFIG:-} ]] || die 'LOAD needs the cluster: KUBECONFIG'
    read -ra loading <<<"$LOAD"
    load() { "${loading[@]}" "$@"; }
else
    command -v kind >/dev/null || die 'kind is missing: https://kind.sigs.k8s.io (or set KUBECONFIG and LOAD)'
    KUBECONFIG=$temporary/kubeconfig
    export KUBECONFIG
    load() { kind load docker-image --name "$cluster" "$@"; }
fi
for program in docker kubectl "$helm"; do
    command -v "$program" >/dev/null || die "$program is missing"
done

if [[ -n $delete ]]; then
    if [[ -n ${LOAD:-} ]]; then
        kubectl delete namespace "$namespace" --ignore-not-found
    else
        kind delete cluster --name "$cluster"
    fi
    exit
fi

if [[ -z ${LOAD:-} ]]; then
    if ! kind get clusters 2>/dev/null | grep -qx "$cluster"; then
        say "making the kind cluster $cluster"
        kind create cluster --name "$cluster" --wait 120s
    fi
    kind export kubeconfig --name "$cluster" --kubeconfig "$KUBECONFIG" >/dev/null 2>&1
fi

if [[ -z ${IMAGE:-} ]]; then
    say "building $image"
    docker build --network host --quiet --tag "$image" . >/dev/null
fi
say 'fetching the images that are missing'
have() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1"; }
have_sqlserver() {
    local machine
    machine=$(docker version --format '{{.Server.Arch}}')
    [[ $machine == amd64 ]] || { echo "its image is for amd64, not for $machine" >&2; return 1; }
    have "$sqlserver"
}
if [[ -z $warehouse ]]; then
    warehouse=folder
    if [[ -z $only_services ]]; then
        if have_sqlserver 2>"$temporary/pull"; then
            warehouse=sqlserver
        else
            say "without SQL Server, from its exported tables: $(tail -n 1 "$temporary/pull")"
        fi
    fi
fi
images=("$image" "$azurite" "$postgres")
[[ $warehouse == folder ]] || images+=("$sqlserver")
for needed in "${images[@]}"; do
    have "$needed"
done
say "loading ${images[*]}"
load "${images[@]}" >"$temporary/load" 2>&1 || { cat "$temporary/load" >&2; die 'the images cannot be loaded'; }

say 'starting the services'
kubectl delete namespace "$namespace" --ignore-not-found >/dev/null
kubectl create namespace "$namespace" >/dev/null
account=demo
key=$(secret 32 | base64 | tr -d '\n')
password=$(secret 16)
# With the namespace, so that a run in another one reaches them too.
azurite_url=http://azurite.$namespace:10000/$account
storage="AccountName=$account;AccountKey=$key;BlobEndpoint=$azurite_url;"
# A password that SQL Server's policy takes.
sql_password=Aa1-$(secret 16)
# The URL says that there is no TLS: the demo's PostgreSQL has none.
kube create secret generic rogo-migrate \
    --from-literal=DATABASE_URL="postgres://postgres:$password@postgres.$namespace/postgres?sslmode=disable" \
    --from-literal=AZURE_STORAGE_CONNECTION_STRING="$storage" \
    --from-literal=SOURCE_STORAGE_CONNECTION_STRING="$storage" \
    --from-literal=DATA_WAREHOUSE_CONNECTION_STRING="Server=tcp:sqlserver.$namespace,1433;Database=dw;User ID=sa;Password=$sql_password;Encrypt=True;TrustServerCertificate=True" \
    --from-literal=ROGO_CONSUMER_KEY=sample \
    --from-literal=AZURITE_ACCOUNTS="$account:$key" \
    --from-literal=POSTGRES_PASSWORD="$password" \
    --from-literal=MSSQL_SA_PASSWORD="$sql_password" >/dev/null
kube create configmap scripts --from-file=deploy/local/upload.mjs --from-file=deploy/kind/warehouse.sql >/dev/null
manifests=(deploy/kind/services.yaml)
[[ $warehouse == folder ]] || manifests+=(deploy/kind/sqlserver.yaml)
for manifest in "${manifests[@]}"; do
    sed -e "s|@IMAGE@|$image|" -e "s|@AZURITE@|$azurite|" -e "s|@POSTGRES@|$postgres|" -e "s|@SQLSERVER@|$sqlserver|" \
        -e "s|@ROWS@|$rows|" -e "s|@SOURCE@|$azurite_url/source|" "$manifest" | kube apply --filename - >/dev/null
done
kube wait --for=condition=Available --timeout=300s deployment --all >/dev/null
kube wait --for=condition=Complete --timeout=300s job --all >/dev/null || {
    kube logs job/sample --all-containers --prefix >&2 || true
    die 'the sample cannot be made'
}

if [[ -n $only_services ]]; then
    say "the services stand in the namespace $namespace"
    exit
fi

say "installing the chart: $shards shards, $parallelism at a time"
options=(--set shards.count="$shards" --set shards.parallelism="$parallelism"
    --set image.repository="${image%:*}" --set image.tag="${image##*:}"
    --set source.allow="{$azurite_url/source}")
[[ $warehouse == sqlserver ]] || options+=(--set warehouse.folder=az://warehouse)
"$helm" install "$release" charts/rogo-migrate --namespace "$namespace" --values deploy/kind/values.yaml "${options[@]}" >/dev/null
"$helm" test "$release" --namespace "$namespace" >"$temporary/test" || { cat "$temporary/test" >&2; die 'a service does not answer'; }

finalizer=$(kube get jobs --selector app.kubernetes.io/component=finalize --output name)
# shellcheck disable=SC2317 # until calls it
ended() {
    [[ $(kube get "$finalizer" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') =~ Complete|Failed ]]
}
deadline=$((SECONDS + 1800))
until ended; do
    ((SECONDS < deadline)) || { kube get jobs,pods >&2; die 'the run has not ended within 30 minutes'; }
    sleep 2
done
say 'the run has ended'
kube get jobs
kube logs "$finalizer" --tail=60
say "look around: kubectl --namespace $namespace get pods; remove everything: deploy/kind/run.sh --namespace $namespace --delete"
[[ $(kube get "$finalizer" --output 'jsonpath={.status.succeeded}') == 1 ]]
