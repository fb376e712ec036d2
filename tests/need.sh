# shellcheck shell=bash
# Sourced by scripts: makes sure that a program is there, installing its Debian package if it is not.

# need_packages WHAT PACKAGE...: installs the packages as root or by sudo, else says what is missing.
need_packages() {
  local what=$1
  shift
  if ! command -v apt-get >/dev/null; then
    echo "$what is missing and this machine has no apt-get: install it (on Debian: $*) and run again" >&2
    return 1
  fi
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "$what is missing; as root: apt-get install $*" >&2
      return 1
    fi
    root=(sudo -n)
  fi
  echo "installing $what ($*)" >&2
  "${root[@]}" apt-get update -qq </dev/null
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

# PostgreSQL's server programs; Debian keeps them out of the PATH.
has_postgres() {
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

need_postgres() {
  has_postgres || need_packages "PostgreSQL" postgresql
}

# at_least WANTED FOUND: whether a version, as 20.1.0, is that one or a newer one.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# The clients that Azurite, tedious and the browser's driver bring along want it.
# What Debian 12 has.
NODE_LEAST=18.0.0
# Helm 4 is built with it.
GO_LEAST=1.25.0
AZURITE_VERSION=3.37.0

# Azurite runs on Node.js; npm installs it.
need_node() {
  { command -v node && command -v npm; } >/dev/null || need_packages "Node.js with npm" nodejs npm
  local found
  found=$(node --version)
  at_least "$NODE_LEAST" "${found#v}" || {
    echo "Node.js $found is too old for Azurite: install $NODE_LEAST or newer (https://nodejs.org)" >&2
    return 1
  }
}

# Helm and the tools of the chart are built with Go.
need_go() {
  command -v go >/dev/null || need_packages "Go" golang-go
  local found
  found=$(go version | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
  at_least "$GO_LEAST" "$found" || {
    echo "Go $found is too old for Helm 4: install $GO_LEAST or newer (https://go.dev/dl)" >&2
    return 1
  }
}

# The report is looked at in a real browser.
need_chromium() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    need_packages "Chromium" chromium
}

# keep FOLDER HOME: puts a folder that is whole at its place in the cache. Another installer may have been faster: then its own stays.
keep() {
  mv -T "$1" "$2" 2>/dev/null || {
    rm -rf "$1"
    [ -d "$2" ] || { echo "$2 cannot be written" >&2; return 1; }
  }
}

# need_azurite: Azurite in the cache folder of the tests and of the demonstration, whole. An installation that was cut off leaves a folder that looks like one.
need_azurite() {
  local home="${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/azurite-$AZURITE_VERSION" building
  if [ -d "$home" ] && ! npm ls --prefix "$home" --all >/dev/null 2>&1; then
    echo "Azurite in $home is not whole: installing it anew" >&2
    rm -rf "$home"
  fi
  [ ! -d "$home" ] || return 0
  echo "installing Azurite $AZURITE_VERSION into $home" >&2
  mkdir -p "${home%/*}"
  building=$(mktemp -d "${home%/*}/azurite.XXXXXX")
  if ! npm install --prefix "$building" --no-audit --no-fund --silent "azurite@$AZURITE_VERSION" >&2; then
    rm -rf "$building"
    echo "npm cannot install Azurite $AZURITE_VERSION" >&2
    return 1
  fi
  keep "$building" "$home"
}

need_cargo() {
  if ! command -v cargo >/dev/null; then
    # rustup's place, for shells that did not read its profile.
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  if ! command -v cargo >/dev/null; then
    echo "Rust is missing: https://rustup.rs" >&2
    return 1
  fi
  { command -v cc && command -v make; } >/dev/null || need_packages "a C compiler with make" build-essential
}

# Prometheus, a receiver of metrics, is built from its Go module.
PROMETHEUS_VERSION=0.316.0

# need_prometheus: Prometheus and promtool in the cache folder of the tests, whole.
need_prometheus() {
  local home="${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/prometheus-$PROMETHEUS_VERSION" building
  [ ! -d "$home" ] || return 0
  need_go
  mkdir -p "${home%/*}"
  building=$(mktemp -d "${home%/*}/prometheus.XXXXXX")
  if ! GOBIN="$building" GOFLAGS=-trimpath go install -tags remove_all_sd \
    "github.com/prometheus/prometheus/cmd/prometheus@v$PROMETHEUS_VERSION" "github.com/prometheus/prometheus/cmd/promtool@v$PROMETHEUS_VERSION" >&2; then
    rm -rf "$building"
    echo "Go cannot build Prometheus $PROMETHEUS_VERSION" >&2
    return 1
  fi
  keep "$building" "$home"
}

# cargo_installed NAME VERSION: the path of a program of crates.io, kept by version below the cache folder. Built without optimisation:
# such programs run for a second.
cargo_installed() {
  local home="${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/$1-$2"
  [ -x "$home/bin/$1" ] || cargo install --quiet --debug --locked "$1@$2" --root "$home" >&2 || return
  echo "$home/bin/$1"
}

# The OpenTelemetry Collector, a receiver of traces, is put together from Go modules: one takes OTLP, one prints what came.
COLLECTOR_VERSION=0.150.0
COLLECTOR_PROVIDERS_VERSION=1.56.0

# need_collector: the Collector in the cache folder of the tests, whole.
need_collector() {
  local home="${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/otelcol-$COLLECTOR_VERSION" building core=go.opentelemetry.io/collector
  [ ! -d "$home" ] || return 0
  need_go
  mkdir -p "${home%/*}"
  building=$(mktemp -d "${home%/*}/otelcol.XXXXXX")
  mkdir "$building/whole"
  cat >"$building/builder.yaml" <<END
dist: {name: otelcol, description: receiver of the tests, output_path: $building/source}
receivers: [{gomod: $core/receiver/otlpreceiver v$COLLECTOR_VERSION}]
exporters: [{gomod: $core/exporter/debugexporter v$COLLECTOR_VERSION}]
providers:
  - gomod: $core/confmap/provider/envprovider v$COLLECTOR_PROVIDERS_VERSION
  - gomod: $core/confmap/provider/fileprovider v$COLLECTOR_PROVIDERS_VERSION
END
  if ! { GOBIN="$building" go install "$core/cmd/builder@v$COLLECTOR_VERSION" &&
    "$building/builder" --config "$building/builder.yaml" && mv "$building/source/otelcol" "$building/whole/"; } >&2; then
    rm -rf "$building"
    echo "Go cannot build the OpenTelemetry Collector $COLLECTOR_VERSION" >&2
    return 1
  fi
  keep "$building/whole" "$home" || return
  rm -rf "$building"
}
