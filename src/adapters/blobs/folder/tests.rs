//! Promises of the folder that no other place makes.

use std::time::SystemTime;

use super::{
    walk::{PARTIAL_FORGOTTEN, leads_to},
    *,
};

#[test]
fn an_abandoned_partial_file_is_removed_and_a_fresh_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::RunStore).unwrap();
    let (_, old) = blobs.begin().unwrap().keep().unwrap();
    let (_, fresh) = blobs.begin().unwrap().keep().unwrap();
    let long_ago = SystemTime::now() - PARTIAL_FORGOTTEN * 2;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    blobs.forget_partial().unwrap();
    assert!(!old.exists() && fresh.exists());
}

#[test]
fn properties_of_an_earlier_file_are_not_a_later_ones() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::RunStore).unwrap();
    blobs.store("a", b"one", &PutOptions::create("text/plain")).unwrap();
    assert!(blobs.look("a").unwrap().unwrap().md5.is_some());
    fs::remove_file(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a"), b"two").unwrap();
    let info = blobs.look("a").unwrap().unwrap();
    assert_eq!((info.size_bytes, info.md5, info.content_type), (3, None, None));
}

#[test]
fn where_properties_cannot_be_written_no_file_is_placed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::TargetBlobs).unwrap();
    let options = PutOptions::create("text/plain");
    blobs.store("a", b"one", &options).unwrap();
    // A file stands where the folder of the properties must.
    fs::write(folder.path().join(PROPERTIES).join("b"), b"").unwrap();
    blobs.store("b/c", b"two", &options).unwrap_err();
    assert!(blobs.look("b/c").unwrap().is_none());
    fs::remove_file(folder.path().join(PROPERTIES).join("b")).unwrap();
    blobs.store("b/c", b"two", &options).unwrap();
    // Who comes second leaves the first one's properties alone.
    let second = PutOptions { content_type: "text/html".into(), ..options };
    assert_eq!(blobs.store("b/c", b"three", &second).unwrap_err().kind, FaultKind::Exists);
    let stands = blobs.look("b/c").unwrap().unwrap();
    assert_eq!(
        (stands.md5, stands.content_type),
        (Some(Md5::digest(b"two").into()), Some("text/plain".into()))
    );
}

#[test]
fn documents_of_a_run_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::RunStore).unwrap();
    blobs.store("queues/0", b"a learner", &PutOptions::create("text/plain")).unwrap();
    let mode = fs::metadata(folder.path().join("queues/0")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn file_systems_without_hard_links_are_named() {
    let blobs = FolderBlobs::new(Path::new("/share"), Service::RunStore).unwrap();
    let fault = blobs.no_links(io::Error::from(io::ErrorKind::Unsupported), "a");
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.to_string().contains("no hard links"), "{fault}");
}

#[test]
fn only_folders_that_the_prefix_leads_to_are_walked() {
    for (folder, prefix, walked) in [
        ("queues", "", true),
        ("queues", "qu", true),
        ("queues", "queues/", true),
        ("queues", "queues/p/0", true),
        ("queues/p", "queues/p/0", true),
        ("queues", "plan", false),
        ("queues", "quit", false),
        ("queues/q", "queues/p", false),
        ("que", "queues/p", false),
    ] {
        assert_eq!(leads_to(folder, prefix), walked, "{folder} {prefix}");
    }
}
