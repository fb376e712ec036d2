//! Promises of the folder that no other place makes.

use std::time::SystemTime;

use super::{
    walk::{PARTIAL_FORGOTTEN, leads_to},
    *,
};

/// A target in a folder, as a plan makes it.
fn target() -> (tempfile::TempDir, FolderBlobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::TargetBlobs).unwrap();
    blobs.make_root().unwrap();
    (folder, blobs)
}

#[test]
fn an_abandoned_partial_file_is_removed_and_a_fresh_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::RunStore).unwrap();
    let (_, old) = blobs.begin("a").unwrap().keep().unwrap();
    let (_, fresh) = blobs.begin("a").unwrap().keep().unwrap();
    let long_ago = SystemTime::now() - PARTIAL_FORGOTTEN * 2;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    blobs.forget_partial().unwrap();
    assert!(!old.exists() && fresh.exists());
}

#[tokio::test]
async fn what_is_left_of_an_unfinished_blob_is_known_by_its_writer_and_shows_no_files_name() {
    let (folder, blobs) = target();
    let name = "LTI_Uploads/0123456789ab/987_2_Ada=Quill/x.docx";
    let (mut file, path) = blobs.begin(name).unwrap().keep().unwrap();
    file.write_all(b"half").unwrap();
    let shown = path.file_name().unwrap().to_str().unwrap();
    assert!(shown.starts_with("LTI_Uploads=0123456789ab=987_2_") && !shown.contains("Ada"), "{shown}");
    blobs.begin("LTI_Uploads/ffffffffffff/987_2_x").unwrap().keep().unwrap();
    blobs.begin("of-nobody").unwrap().keep().unwrap();
    let found = blobs.unfinished(&["LTI_Uploads/0123456789ab/".to_owned()]).await.unwrap();
    let both =
        ["LTI_Uploads/0123456789ab/", "Marker/0123456789ab/", "LTI_Uploads/ffffffffffff/"].map(str::to_owned);
    assert_eq!(blobs.unfinished(&both).await.unwrap().len(), 2, "of all writers in one look");
    assert_eq!(blobs.unfinished(&[]).await.unwrap().len(), 0);
    assert_eq!(found.iter().map(|blob| blob.size_bytes).collect::<Vec<_>>(), [4]);
    assert_eq!(crate::domain::attempt_of_blob(&found[0].name).map(crate::domain::AttemptId::get), Some(987));
    for _ in 0..2 {
        blobs.delete_unfinished(&[found[0].name.clone()]).await.unwrap();
    }
    assert_eq!(fs::read_dir(folder.path().join(PARTIAL)).unwrap().count(), 2);
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
    let (folder, blobs) = target();
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
fn a_file_whose_properties_do_not_arrive_is_taken_back() {
    let (folder, blobs) = target();
    let options = PutOptions::create("text/plain");
    // A folder stands where the properties must.
    let in_the_way = folder.path().join(PROPERTIES).join("a");
    fs::create_dir(&in_the_way).unwrap();
    blobs.store("a", b"one", &options).unwrap_err();
    assert!(!folder.path().join("a").exists());
    fs::remove_dir(&in_the_way).unwrap();
    blobs.store("a", b"one", &options).unwrap();
    assert!(blobs.look("a").unwrap().unwrap().md5.is_some());
}

#[tokio::test]
async fn a_target_that_no_plan_prepared_is_not_made_and_nothing_is_believed_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("target");
    let blobs = FolderBlobs::new(&place, Service::TargetBlobs).unwrap();
    let options = PutOptions::create("text/plain");
    // The second time there is the place of a mount that is gone.
    for _ in 0..2 {
        for refused in [
            blobs.check().await.unwrap_err(),
            blobs.answers().await.unwrap_err(),
            blobs.put("a", Bytes::from_static(b"one"), &options).await.unwrap_err(),
            blobs.upload("a", &options).await.err().unwrap(),
            blobs.head("a").await.unwrap_err(),
            blobs.delete_many(&["a".to_owned()]).await.unwrap_err(),
            blobs.list("").try_collect::<Vec<_>>().await.unwrap_err(),
            blobs.list_in_full("LTI_Uploads/").try_collect::<Vec<_>>().await.unwrap_err(),
            blobs.folders().await.unwrap_err(),
        ] {
            assert_eq!(refused.kind, FaultKind::ContainerGone, "{refused}");
        }
        assert!(!place.exists() || fs::read_dir(&place).unwrap().next().is_none());
        fs::create_dir_all(&place).unwrap();
    }
    blobs.prepare().await.unwrap();
    blobs.check().await.unwrap();
    assert!(blobs.head("a").await.unwrap().is_none());
    assert!(blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
    blobs.put("a", Bytes::from_static(b"one"), &options).await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_blob_can_have_is_told_from_a_fault_of_the_place() {
    let (_folder, blobs) = target();
    for name in ["", "/LTI_Uploads/a", "a/../b"] {
        assert_eq!(blobs.head(name).await.unwrap_err().kind, FaultKind::NameRefused, "{name:?}");
    }
}

#[test]
fn documents_of_a_run_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::new(folder.path(), Service::RunStore).unwrap();
    blobs.store("queues/0", b"a learner", &PutOptions::create("text/plain")).unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("queues/0"), 0o600);
    for made in ["queues", PARTIAL, PROPERTIES] {
        assert_eq!(mode(made), 0o700, "{made}");
    }
}

/// The application runs as another user.
#[test]
fn files_of_a_target_follow_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, blobs) = target();
    // What the umask of this process makes of a file and of a folder.
    fs::write(folder.path().join("file"), b"").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    blobs.store("LTI_Uploads/a", b"an essay", &PutOptions::create("text/plain")).unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("LTI_Uploads/a"), mode("file"));
    assert_eq!(mode("LTI_Uploads"), mode("folder"));
    assert_eq!(mode("file") & 0o400, 0o400);
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

#[tokio::test]
async fn folders_that_are_left_empty_are_removed_and_one_that_holds_a_file_stays() {
    let (folder, blobs) = target();
    let put = async |name: &str| {
        blobs.put(name, Bytes::from_static(b"x"), &PutOptions::create("text/plain")).await.unwrap();
    };
    put("scratch/one/a/1").await;
    put("scratch/two/1").await;
    let shows = |name: &str| {
        [name.to_owned(), format!("{PROPERTIES}/{name}")].map(|name| folder.path().join(name).exists())
    };
    blobs.remove_empty_folders("scratch/one").await.unwrap();
    assert_eq!(shows("scratch/one/a/1"), [true; 2], "nothing was deleted");
    blobs.delete_many(&["scratch/one/a/1".to_owned()]).await.unwrap();
    blobs.remove_empty_folders("scratch/one").await.unwrap();
    assert_eq!((shows("scratch/one"), shows("scratch/two/1")), ([false; 2], [true; 2]));
    blobs.delete_many(&["scratch/two/1".to_owned()]).await.unwrap();
    blobs.remove_empty_folders("scratch/two").await.unwrap();
    assert_eq!(shows("scratch"), [false; 2]);
    // Once more, as after a lost answer; and the place still stands.
    blobs.remove_empty_folders("scratch/two").await.unwrap();
    blobs.answers().await.unwrap();
}
