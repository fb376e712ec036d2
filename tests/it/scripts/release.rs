//! What a release consists of: an image of committed files by digests, the same program twice, a list of its dependencies.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use super::{beside, program, repository};
use crate::support::process;

/// A docker whose images have `SIZE` bytes. With `DIFFER` each build makes another program, with `UNREADABLE` none can be read.
const DOCKER: &str = r#"#!/bin/sh
folder=${ASKED%/*}
case "$*" in
  pull*) ;;
  build*) echo "$*" >>"$ASKED" ;;
  create*) echo container ;;
  cp*)
    [ -z "$UNREADABLE" ] || exit 1
    [ -z "$DIFFER" ] && echo program >"$folder/rogo-migrate" || wc -l <"$ASKED" >"$folder/rogo-migrate"
    tar --create --directory "$folder" rogo-migrate ;;
  *RepoDigests*) echo "${5%%:*}@sha256:0123" ;;
  *.Id*) echo sha256:4567 ;;
  *.Size*) echo "$SIZE" ;;
esac
"#;

/// A cargo that knows only how to install.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = install ] || exit 1
for last in "$@"; do :; done
mkdir -p "$last/bin"
printf '#!/bin/sh\necho "{\\"bomFormat\\": \\"CycloneDX\\"}" >rogo-migrate-sbom.json\n' >"$last/bin/cargo-cyclonedx"
chmod +x "$last/bin/cargo-cyclonedx"
"#;

/// A folder with these programs, and a repository whose files are committed.
struct Release {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Release {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "docker", DOCKER);
        program(folder.path(), "cargo", CARGO);
        let files = [".ci/release", "tests/need.sh", "tests/image.sh", "Cargo.toml", "Dockerfile"];
        let root = repository(folder.path(), &files);
        let release = Self { folder, root };
        release.git(&["init", "--quiet"]);
        release.git(&["add", "--all"]);
        release.git(&["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "a"]);
        release
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.root).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let done = process::blocking(git.env("GIT_CONFIG_SYSTEM", "/dev/null"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn asked(&self) -> PathBuf {
        self.folder.path().join("asked")
    }

    fn make(&self, variables: &[(&str, &str)]) -> Output {
        let mut release = beside(self.folder.path());
        release.arg(self.root.join(".ci/release")).arg(self.out()).env("ASKED", self.asked());
        release.env("XDG_CACHE_HOME", self.folder.path().join("cache")).env("SIZE", "60000000");
        for name in ["BUILD_IMAGE", "RUNTIME_IMAGE", "DIFFER", "UNREADABLE"] {
            release.env_remove(name);
        }
        process::blocking(release.envs(variables.iter().copied()))
    }

    /// Makes it in vain: it says why, and there is no list of what was made.
    fn is_refused(&self, variables: &[(&str, &str)], why: &str) {
        let done = self.make(variables);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{variables:?}: {said}");
        assert!(said.contains(why), "{variables:?}: {said}");
        assert!(!self.out().join("image.txt").exists(), "{variables:?}");
    }
}

fn line_of<'text>(text: &'text str, name: &str) -> &'text str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}")).trim()
}

#[test]
fn a_release_names_image_program_and_bases_by_digest_and_lists_the_dependencies() {
    let release = Release::new();
    let done = release.make(&[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let image = fs::read_to_string(release.out().join("image.txt")).unwrap();
    assert_eq!(line_of(&image, "image "), "sha256:4567");
    assert_eq!(line_of(&image, "size "), "60000000 bytes");
    // SHA-256 of the line `program`.
    let digest = "sha256:fba13a37a73d657dc0f1e671f0dc714f9891dd4da15ec45bd2a6f83e0434648e";
    assert_eq!(line_of(&image, "program "), digest);
    assert_eq!(line_of(&image, "revision ").len(), 40);
    assert_eq!(line_of(&image, "build "), "rust@sha256:0123");
    assert_eq!(line_of(&image, "runtime "), "gcr.io/distroless/cc-debian12@sha256:0123");
    let list = fs::read_to_string(release.out().join("sbom.cdx.json")).unwrap();
    assert!(list.contains("CycloneDX"), "{list}");
    assert!(!release.root.join("rogo-migrate-sbom.json").exists(), "it is moved");

    let asked = fs::read_to_string(release.asked()).unwrap();
    assert_eq!(asked.lines().count(), 2, "{asked}");
    for words in [
        "--no-cache",
        "--build-arg BUILD_IMAGE=rust@sha256:0123",
        "--build-arg RUNTIME_IMAGE=gcr.io/distroless/cc-debian12@sha256:0123",
        &format!("--build-arg REVISION={}", line_of(&image, "revision ")),
    ] {
        assert!(asked.lines().all(|line| line.contains(words)), "{words}: {asked}");
    }
    assert!(!asked.contains("AUDITABLE="), "as every build of the Dockerfile lists them: {asked}");
}

/// A scan for vulnerable dependencies reads it, also of an image that `.ci/release` did not make.
#[test]
fn every_image_holds_the_list_of_its_dependencies() {
    let file = crate::support::documents::read("Dockerfile");
    let version = line_of(&file, "ARG AUDITABLE=");
    let numbers: Vec<Option<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
    assert!(matches!(numbers[..], [Some(_), Some(_), Some(_)]), "a pinned version: {version:?}");
    for script in ["deploy/kind/run.sh", "tests/cluster.sh", "deploy/aks/README.md"] {
        assert!(!crate::support::documents::read(script).contains("AUDITABLE="), "{script}");
    }
}

#[test]
fn what_is_no_release_is_refused() {
    let release = Release::new();
    assert!(release.make(&[]).status.success(), "an earlier one, whose files must not stay");
    release.is_refused(&[("DIFFER", "yes")], "two builds gave two programs: ");
    release.is_refused(&[("UNREADABLE", "yes")], "the program in the image rogo-migrate:");
    release.is_refused(&[("SIZE", "60000001")], " is too large");
    release.is_refused(&[("BUILD_IMAGE", "rust:1")], "rust:1 is not named by its digest");
    fs::write(release.root.join("Cargo.toml"), "version = \"9.9.9\"\n").unwrap();
    fs::remove_file(release.asked()).unwrap();
    release.is_refused(&[], "a release is made of committed files: commit first");
    assert!(!release.asked().exists(), "nothing is built");
}

/// What a build embeds of the machine that it runs on makes another program of the same sources on another machine.
#[test]
fn the_build_of_the_image_takes_nothing_from_its_machine() {
    let file = crate::support::documents::read("Dockerfile");
    for setting in [
        "--remap-path-prefix=/usr/local/cargo=cargo",
        "--remap-path-prefix=/build=.",
        "-ffile-prefix-map=/usr/local/cargo=cargo",
        "-ffile-prefix-map=/build=.",
        "JEMALLOC_SYS_WITH_LG_VADDR=48",
        "JEMALLOC_SYS_WITH_LG_HUGEPAGE=21",
    ] {
        let (before, after) = file.split_once(setting).unwrap_or_else(|| panic!("{setting}"));
        assert!(
            before.contains("AS build") && after.contains("cargo ${AUDITABLE:+auditable} build"),
            "{setting}"
        );
    }
}
