//! What scripts install, and where.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::support::{azurite, documents::read};

/// An npm that another installer of the same package overtakes.
const OVERTAKEN: &str = r#"#!/bin/sh
touch "$3/ours"
mkdir "$HOME_OF_AZURITE"
touch "$HOME_OF_AZURITE/theirs"
"#;

#[test]
fn an_installation_of_azurite_that_is_overtaken_by_another_one_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (npm, cache) = (folder.path().join("npm"), folder.path().join("cache"));
    fs::write(&npm, OVERTAKEN).unwrap();
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    let home = cache.join(format!("rogo-migrate/azurite-{}", azurite::version()));
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let done = Command::new("bash")
        .args(["-euc", ". tests/need.sh && need_azurite"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env("XDG_CACHE_HOME", &cache)
        .env("HOME_OF_AZURITE", &home)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let kept: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["theirs"]);
    assert_eq!(fs::read_dir(home.parent().unwrap()).unwrap().count(), 1, "its own is cleared away");
}

#[test]
fn the_demonstration_on_kubernetes_uses_the_azurite_of_the_tests() {
    let image = format!("azure-storage/azurite:{}\n", azurite::version());
    assert!(read("deploy/kind/run.sh").contains(&image), "{image}");
}
