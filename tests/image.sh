# shellcheck shell=bash
# Sourced by scripts: what an image of the program must be.

# check_image_size IMAGE: at most 60 MB.
check_image_size() {
  local most=60000000 size
  size=$(docker image inspect --format '{{.Size}}' "$1")
  echo "image $1: $size bytes (at most $most)"
  [ "$size" -le "$most" ] || { echo "the image $1 is too large" >&2; return 1; }
}

# digest_of_program IMAGE: SHA-256 of the program in it.
digest_of_program() {
  local container digest
  container=$(docker create "$1") || return
  # Of nothing there is a digest too: what cannot be read must not look like a program.
  digest=$(docker cp "$container:/usr/local/bin/rogo-migrate" - | tar --extract --to-stdout | sha256sum | cut -d ' ' -f 1) || digest=""
  docker rm "$container" >/dev/null
  [ -n "$digest" ] || { echo "the program in the image $1 cannot be read" >&2; return 1; }
  echo "$digest"
}
