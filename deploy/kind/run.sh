#!/usr/bin/env bash
# A whole migration on Kubernetes: a kind cluster with Azurite, PostgreSQL and SQL Server; image, chart, result.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: deploy/kind/run.sh [--rows N] [--shards N] [--parallelism N] [--sqlserver | --no-sqlserver] [--namespace NAME] [--services]
       deploy/kind/run.sh [--namespace NAME] --results DIR
       deploy/kind/run.sh [--namespace NAME] --delete

Makes the kind cluster rogo-migrate (or takes the one of KUBECONFIG), builds and loads the image, starts the services with a
sample of 400 submissions in the namespace rogo-migrate, installs the chart, waits, and prints the result. Its exit code is the run's:
0, or 1 if the finalizer did not say that every row is accounted for. The first build takes 5 to 15 minutes.
The warehouse is SQL Server if its image can be pulled (1.6 GB, amd64, 2 GB of memory), else its exported tables.

  --rows N         submissions in the sample (default 400)
  --shards N       shards (default 8)
  --parallelism N  shards at a time (default 3)
  --sqlserver      SQL Server or nothing
  --no-sqlserver   the exported tables, without a look for the image
  --namespace NAME the namespace of all objects (default rogo-migrate). One that exists is replaced only if this script created it
  --services       end when the services and the sample stand; install nothing, and no SQL Server that is not asked for
  --results DIR    copy the results of a run that has ended into the folder DIR
  --delete         remove the namespace, and the cluster if it is kind's

Needs docker, kubectl, helm, and kind unless the environment says otherwise:
  KUBECONFIG       another cluster, with LOAD: the command, with its arguments, that takes image names and loads them from docker into it
  HELM             Helm 3 or 4 (default: helm)
  IMAGE            an image that is built already, repository:tag; the cluster must be able to run it
  SAY_EVERY        seconds between the lines that say that the build still runs (default: 30)
TEXT
}

rows=400 shards=8 parallelism=3 warehouse='' namespace=rogo-migrate only_services='' delete='' results=''
while (($#)); do
    case $1 in
        --rows) rows=${2:?--rows needs a number}; shift ;;
        --shards) shards=${2:?--shards needs a number}; shift ;;
        --parallelism) parallelism=${2:?--parallelism needs a number}; shift ;;
        --sqlserver) warehouse=sqlserver ;;
        --no-sqlserver) warehouse=folder ;;
        --namespace) namespace=${2:?--namespace needs a name}; shift ;;
        --services) only_services=yes ;;
        --results) results=${2:?--results needs a folder}; shift ;;
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
say_every=${SAY_EVERY:-30}
azurite=mcr.microsoft.com/azure-storage/azurite:3.37.0
postgres=postgres:17
sqlserver=mcr.microsoft.com/mssql/server:2022-latest
temporary=$(mktemp -d)
forward=''
trap '[[ -z $forward ]] || { kill "$forward" && wait "$forward"; } 2>/dev/null || :; rm -rf "$temporary"' EXIT

say() { printf '%4ss  %s\n' "$SECONDS" "$*"; }
die() { echo "$*" >&2; exit 1; }
secret() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
kube() { kubectl --namespace "$namespace" "$@"; }
# The label of namespaces that this script creates, and therefore may delete.
mark=rogo-migrate/created-by
mine() { [[ $(kubectl get namespace "$namespace" --ignore-not-found --output "jsonpath={.metadata.labels.rogo-migrate/created-by}") == kind-run ]]; }
# Deletes the namespace if this script created it; another one is not touched.
delete_namespace() {
    [[ -n $(kubectl get namespace "$namespace" --ignore-not-found --output name) ]] || return 0
    mine || die "the namespace $namespace exists and was not created by this script (no label $mark=kind-run): take another name with --namespace"
    say "deleting the namespace $namespace of an earlier run"
    kubectl delete namespace "$namespace" >/dev/null
}
# patient LOG COMMAND...: runs it with its output in the file LOG, and says every SAY_EVERY s that it still runs, with the last line.
patient() {
    local log=$1 began=$SECONDS pid
    shift
    "$@" >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS - began >= say_every)); then
            began=$SECONDS
            say "  still running: $(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c 1-100)"
        fi
        sleep 1
    done
    wait "$pid" || { tail -n 40 "$log" >&2; die "failed: $*"; }
}

# Another cluster if LOAD says how to bring images into it; else kind's, with a kubeconfig of its own.
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
        delete_namespace
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

# The demo's Azurite is in the cluster: a forwarded port on this machine reaches it.
if [[ -n $results ]]; then
    mkdir -p "$results"
    # Not by the function kube: the shell that runs it would be ended, and kubectl would go on.
    kubectl --namespace "$namespace" port-forward --address 127.0.0.1 service/azurite :10000 >"$temporary/forward" 2>&1 &
    forward=$!
    until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$temporary/forward") && [[ -n $port ]]; do
        kill -0 "$forward" 2>/dev/null || { cat "$temporary/forward" >&2; die "the service azurite of the namespace $namespace cannot be reached"; }
        sleep 0.2
    done
    storage=$(kube get secret rogo-migrate --output 'jsonpath={.data.AZURE_STORAGE_CONNECTION_STRING}' | base64 --decode)
    AZURE_STORAGE_CONNECTION_STRING=${storage/azurite.$namespace:10000/127.0.0.1:$port} docker run --rm --network host \
        --user "$(id -u):$(id -g)" --env AZURE_STORAGE_CONNECTION_STRING --volume "$(cd "$results" && pwd):/out" \
        "$image" results --run-store az://runs/demo --to /out
    exit
fi

# Before the build, which takes minutes.
delete_namespace
if [[ -z ${IMAGE:-} ]]; then
    say "building $image (5 to 15 minutes the first time)"
    patient "$temporary/build" docker build --network host --tag "$image" .
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
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" "$mark=kind-run" >/dev/null
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
say 'helm test: the checks of the plan, which write nothing'
if "$helm" test "$release" --namespace "$namespace" >"$temporary/test" 2>&1; then
    sed 's/^/         /' "$temporary/test"
else
    cat "$temporary/test" >&2
    die 'a check failed: see above'
fi

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
say "what the finalizer said (its lines name the run store as pods reach it; from here: see below)"
kube logs "$finalizer" --tail=60
say 'failed and skipped rows are part of the sample: it contains every outcome that data alone can cause'
say "results     deploy/kind/run.sh --namespace $namespace --results results"
say "look around kubectl --namespace $namespace get pods"
say "remove all  deploy/kind/run.sh --namespace $namespace --delete"
[[ $(kube get "$finalizer" --output 'jsonpath={.status.succeeded}') == 1 ]]
