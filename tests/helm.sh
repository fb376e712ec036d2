# shellcheck shell=bash
# Sourced by scripts: Helm 3 and 4, and other programs that Go builds, kept by version below the cache folder. Needs tests/need.sh.

# installed NAME VERSION MODULE: the path of a program that Go builds.
installed() {
  local home="${XDG_CACHE_HOME:-$HOME/.cache}/rogo-migrate/$1-$2/bin"
  if [ ! -x "$home/$1" ]; then
    need_go >&2
    echo "building $1 $2 (once)" >&2
    GOBIN="$home" nice go install "$3@v$2" >&2
  fi
  echo "$home/$1"
}

helm_3() { installed helm 3.19.5 helm.sh/helm/v3/cmd/helm; }
helm_4() { installed helm 4.3.1 helm.sh/helm/v4/cmd/helm; }
