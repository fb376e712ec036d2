# The program alone, on a base without a shell: docker build -t rogo-migrate .
# No RUN --mount and no heredocs, so that the classic builder builds it too.
# A release names its base images by digest: .ci/release.

ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# jemalloc is built with make, which the slim image lacks.
RUN command -v make || { apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*; }
# The binary itself holds the list of its dependencies (cargo audit bin reads it), by this cargo-auditable; blank: it holds none.
ARG AUDITABLE=0.7.7
# The same binary from the same sources, wherever cargo keeps them and whichever machine builds it: jemalloc's configure would ask the
# CPU for the width of its addresses, and the kernel for the size of its huge pages.
ENV RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=cargo --remap-path-prefix=/build=." \
    CFLAGS="-ffile-prefix-map=/usr/local/cargo=cargo -ffile-prefix-map=/build=." \
    JEMALLOC_SYS_WITH_LG_VADDR=48 \
    JEMALLOC_SYS_WITH_LG_HUGEPAGE=21
RUN test -z "$AUDITABLE" || RUSTFLAGS= cargo install --locked --root /usr/local cargo-auditable@"$AUDITABLE"

# The dependencies, in a layer of their own that stands until Cargo.toml or Cargo.lock change.
# Cargo wants every declared target to have a file.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src tests/it/support/tds \
    && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs tests/it/support/tds/main.rs >/dev/null \
    && touch src/lib.rs \
    && cargo ${AUDITABLE:+auditable} build --release --locked --bin rogo-migrate \
    && rm -r src

# Cargo compares times; those of the files may be older than the build above.
COPY src src
COPY templates templates
RUN find src -name '*.rs' -exec touch {} + \
    && cargo ${AUDITABLE:+auditable} build --release --locked --bin rogo-migrate

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="rogo-migrate" \
      org.opencontainers.image.description="Moves exam submissions from a Rogo export into an assessment platform, once, with nothing lost" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="$RUNTIME_IMAGE"
COPY LICENSE LICENSE-APACHE LICENSE-MIT /licenses/
COPY templates/uplot/LICENSE /licenses/uPlot
COPY --from=build /build/target/release/rogo-migrate /usr/local/bin/rogo-migrate
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# With RUST_BACKTRACE set, for panics, the Azure client would capture a backtrace for each answer that is an error.
ENV RUST_LIB_BACKTRACE=0
ENTRYPOINT ["/usr/local/bin/rogo-migrate"]
