#!/usr/bin/env bash
# A whole migration on this machine: makes a sample, starts private servers, runs, shows the result, stops the servers.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: deploy/local/demo.sh [--rows N] [--folder] [--keep]

Builds rogo-migrate, makes a sample of 300 submissions, and migrates it from a SQL Server (a small scripted one) and
Azurite into PostgreSQL and Azurite. What is missing is installed (Debian: apt, with sudo where not root; Azurite: npm,
into a cache folder). The servers are private: loopback, free ports, stopped at the end.

  --rows N   submissions in the sample (default 300)
  --folder   no Azurite and no SQL Server: files and warehouse are folders
  --keep     keep the servers up until Ctrl-C, and print the settings to look around
  --help     this text

Needs Rust; its environment variables: CARGO_TARGET_DIR, XDG_CACHE_HOME.
TEXT
}

rows=300 folder='' keep=''
while (($#)); do
    case $1 in
        --rows) rows=${2:?--rows needs a number}; shift ;;
        --folder) folder=yes ;;
        --keep) keep=yes ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done
[[ $rows =~ ^[1-9][0-9]*$ ]] || { echo "demo: --rows $rows is not a number of rows" >&2; exit 64; }

repository=$(cd "$(dirname "$0")/../.." && pwd)
cd "$repository"
# shellcheck source=tests/need.sh
. tests/need.sh
azurite=${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/azurite-$AZURITE_VERSION
binaries=${CARGO_TARGET_DIR:-target}/release
result=$repository/demo/$(date -u +%Y%m%dT%H%M%S)-$$
temporary=$(mktemp -d)
servers=()

say() { printf '\n== %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# Stops what this script started, by its process ids, newest first.
# shellcheck disable=SC2317 # the trap calls it
stop_servers() {
    local place server
    for ((place = ${#servers[@]} - 1; place >= 0; place--)); do
        server=${servers[place]}
        kill -TERM "$server" 2>/dev/null || true
        # PostgreSQL waits for its clients to leave after the first signal, but not after this one.
        kill -INT "$server" 2>/dev/null || true
        # Azurite may take minutes to shut down; its data are not kept.
        for _ in {1..20}; do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    done
    rm -rf "$temporary"
}
trap stop_servers EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The folder of the newest PostgreSQL server's programs; empty if there is none.
postgres_programs() {
    local initdb folder
    while read -r initdb; do
        folder=$(dirname "$initdb")
        [[ -x $folder/postgres && -x $folder/psql ]] || continue
        echo "$folder"
        return
    done < <(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -rV; type -P initdb)
}

# A free loopback port.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Runs a check until it succeeds; fails after 60 s, or as soon as the server with this process id has ended.
await() {
    local name=$1 pid=$2 log=$3 deadline=$((SECONDS + 60))
    shift 3
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); then
            cat "$log" >&2
            die "$name did not start"
        fi
        sleep 0.1
    done
}

# shellcheck disable=SC2317 # await calls it
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
secret() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# PostgreSQL refuses to run as root; then another user of this machine owns its processes.
as_server_user() {
    if ((EUID == 0)); then
        local user=postgres
        id -u "$user" >/dev/null 2>&1 || user=nobody
        exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    fi
    exec "$@"
}

start_postgres() {
    local data=$temporary/postgres log=$temporary/postgres.log password port
    password=$(secret 16)
    port=$(free_port)
    mkdir "$data"
    printf '%s' "$password" >"$temporary/password"
    if ((EUID == 0)); then
        chmod 711 "$temporary"
        local user=postgres
        id -u "$user" >/dev/null 2>&1 || user=nobody
        chown "$user" "$data" "$temporary/password"
    fi
    (cd / && as_server_user "$postgres/initdb" -D "$data" -U app --pwfile="$temporary/password" \
        --auth=scram-sha-256 --no-locale --encoding=UTF8) >"$log" 2>&1 || { cat "$log" >&2; die "initdb failed"; }
    # fsync is off because the data are thrown away.
    (cd / && as_server_user "$postgres/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c fsync=off) >"$log" 2>&1 &
    servers+=($!)
    export DATABASE_URL=postgres://app:$password@127.0.0.1:$port/postgres
    await PostgreSQL "${servers[-1]}" "$log" "$postgres/psql" "$DATABASE_URL" -c 'select 1'
}

start_azurite() {
    local log=$temporary/azurite.log account=demo key
    key=$(secret 32 | base64 -w 0)
    azurite_port=$(free_port)
    AZURITE_ACCOUNTS=$account:$key node "$azurite/node_modules/azurite/dist/src/blob/main.js" --silent \
        --inMemoryPersistence --blobHost 127.0.0.1 --blobPort "$azurite_port" >"$log" 2>&1 &
    servers+=($!)
    endpoint=http://127.0.0.1:$azurite_port/$account
    export AZURE_STORAGE_CONNECTION_STRING="AccountName=$account;AccountKey=$key;BlobEndpoint=$endpoint;"
    export SOURCE_STORAGE_CONNECTION_STRING=$AZURE_STORAGE_CONNECTION_STRING
    await Azurite "${servers[-1]}" "$log" listens "$azurite_port"
}

# The tests' scripted SQL Server; its ready line ends with the connection string, without the password.
start_warehouse() {
    local log=$temporary/warehouse.log ready=$temporary/warehouse.ready password
    password=$(secret 16)
    TDS_PASSWORD=$password "$binaries/examples/tds-server" --data "$result/sample/warehouse" \
        --listen 127.0.0.1:0 --user reader >"$ready" 2>"$log" &
    servers+=($!)
    await 'the SQL Server' "${servers[-1]}" "$log" grep -q '^ready .*$' "$ready"
    local connection
    connection=$(sed -n 's/^ready [^ ]* [^ ]* //p' "$ready")
    export DATA_WAREHOUSE_CONNECTION_STRING="$connection;Password=$password"
}

say 'looking for what is needed'
need_cargo
need_postgres
[[ -n $folder ]] || need_node
postgres=$(postgres_programs)
[[ -n $postgres ]] || die 'the PostgreSQL server programs (initdb, postgres, psql) are not to be found'
[[ -n $folder ]] || need_azurite

say 'building'
# Both in any case: the program alone has other features of its dependencies, and all would be built again.
cargo build --release --locked --bin rogo-migrate --example tds-server
program=$binaries/rogo-migrate

say "making a sample of $rows submissions"
mkdir -p "$result"
source_url=()
if [[ -z $folder ]]; then
    start_azurite
    source_url=(--source-url "$endpoint/source")
fi
"$program" sample --rows "$rows" --seed 1 --out "$result/sample" "${source_url[@]}"

say 'starting the servers'
start_postgres
"$postgres/psql" "$DATABASE_URL" -q -v ON_ERROR_STOP=1 -1 \
    -f "$result/sample/target/schema.sql" -f "$result/sample/target/seed.sql"
warehouse=()
if [[ -n $folder ]]; then
    mkdir "$result/target" "$result/run-store"
    export ROGO_TARGET=file://$result/target ROGO_RUN_STORE=file://$result/run-store
    warehouse=(--warehouse "file://$result/sample/warehouse")
else
    node deploy/local/upload.mjs "$result/sample" source target runs
    export ROGO_TARGET=az://target ROGO_RUN_STORE=az://runs/demo
    start_warehouse
fi

say 'migrating'
set -a
# shellcheck source=/dev/null
. "$result/sample/sample.env"
set +a
export ROGO_OUT=$result/results
code=0
"$program" run "${warehouse[@]}" || code=$?

say "rogo-migrate ended with $code"
echo "results:                    $result/results"
echo "the sample and its promise: $result/sample (expected.csv: the outcome of each row)"
if [[ -n $keep ]]; then
    say 'the servers stay up until Ctrl-C; in another shell:'
    for name in DATABASE_URL AZURE_STORAGE_CONNECTION_STRING SOURCE_STORAGE_CONNECTION_STRING \
        DATA_WAREHOUSE_CONNECTION_STRING ROGO_TARGET ROGO_RUN_STORE ROGO_OUT; do
        [[ -z ${!name:-} ]] || printf "export %s='%s'\n" "$name" "${!name}"
    done
    echo "set -a; . '$result/sample/sample.env'; set +a"
    [[ -z $folder ]] || echo "# and to each command: ${warehouse[*]}"
    echo "'$postgres/psql' \"\$DATABASE_URL\""
    wait "${servers[@]}"
fi
exit "$code"
