# shellcheck shell=bash
# Sourced by scripts: makes sure that a program is there, installing its Debian package where it is not.

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

# Azurite runs on Node.js; npm installs it.
need_node() {
  { command -v node && command -v npm; } >/dev/null || need_packages "Node.js with npm" nodejs npm
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
  command -v cc >/dev/null || need_packages "a C compiler" build-essential
}
