//! The sweep: orphans of retired writers of this run, and nothing else.

use std::sync::Arc;

use rogo_migrate::{
    exit::Exit,
    finalize::sweep::{Orphans, delete_orphans, list_orphans},
    ports::Blobs,
};

use crate::support::world::{TRY_A, TRY_B, World, migrated};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(1);

/// One row, migrated by writer A, which was killed: it left one named and two orphaned blobs.
async fn world_with_orphans() -> World {
    let world = World::new(1, 1);
    world.register(TRY_A);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf", "named");
    world.target.name_blob("rogo_1_x", "LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf");
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_2_orphan.pdf", "12345");
    world.files.insert("Marker_files/aaaaaaaaaaaa/1_3_orphan.docx", "123");
    world
}

#[tokio::test]
async fn only_orphans_of_this_runs_unclean_tries_are_removed() {
    let world = world_with_orphans().await;
    world.register(TRY_B);
    world.run_blobs.insert("rogo/writers/bbbbbbbbbbbb.clean", "{}");
    let untouched = [
        "LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf",
        "LTI_Uploads/aaaaaaaaaaaab/not-a-writer",
        "LTI_Uploads/application.pdf",
        "LTI_Uploads/bbbbbbbbbbbb/of-a-clean-writer",
        "LTI_Uploads/cccccccccccc/of-another-run",
        "Other/aaaaaaaaaaaa/of-another-folder",
    ];
    for name in untouched {
        world.files.insert(name, "x");
    }
    let totals = world.finalize().await.unwrap();
    assert_eq!(totals.orphans, Orphans { blobs: 2, bytes: 8 });
    assert_eq!(world.files.names(), untouched);
    let entries = world.journal.entries();
    assert!(
        !entries.iter().any(|entry| entry.contains("files: list") && entry.contains(TRY_B)),
        "clean: not listed"
    );
}

#[tokio::test]
async fn retired_marks_stand_before_anything_is_read_or_deleted_and_the_lock_before_them() {
    let world = world_with_orphans().await;
    world.register(TRY_B);
    world.finalize().await.unwrap();
    let at = |wanted: &str| world.journal.at(wanted);
    let marks = [at("put rogo/retired/aaaaaaaaaaaa"), at("put rogo/retired/bbbbbbbbbbbb")];
    let last_put = at("run: put rogo/segments");
    for mark in marks {
        assert!(last_put < at("fence: taken") && at("fence: taken") < mark);
        assert!(mark < at("run: list rogo/segments/"));
        assert!(mark < at("files: list"));
        assert!(mark < at("files: delete"));
    }
    assert!(at("files: delete") < at("put rogo/results/"));
    assert!(at("put rogo/results/notes.csv") < at("fence: released"));
}

#[tokio::test]
async fn the_lock_is_asked_for_before_every_deletion() {
    let world = world_with_orphans().await;
    for number in 0..700 {
        world.files.insert(&format!("LTI_Uploads/aaaaaaaaaaaa/2_{number}"), "x");
    }
    assert_eq!(world.finalize().await.unwrap().orphans.blobs, 702);
    let mut since_the_lock = 0;
    for entry in world.journal.entries() {
        match entry.as_str() {
            "fence: still held" => since_the_lock = 0,
            entry if entry.starts_with("files: delete") => since_the_lock += 1,
            _ => {}
        }
        assert!(since_the_lock <= 250);
    }
    assert_eq!(world.files.names(), ["LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf"]);
}

#[tokio::test]
async fn nothing_is_deleted_or_published_once_the_lock_is_lost() {
    let world = world_with_orphans().await;
    let before = world.files.names();
    world.fence.lose_after(0);
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary);
    assert_eq!(world.files.names(), before);
    assert!(world.results().is_empty());
    world.fence.lose_after(usize::MAX);
    assert_eq!(world.finalize().await.unwrap().orphans.blobs, 2);
}

#[tokio::test]
async fn against_another_database_nothing_is_deleted() {
    let world = world_with_orphans().await;
    let before = world.files.names();
    world.target.lose("rogo_1_x");
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let deleted = delete_orphans(&world.store, &world.fence, DEADLINE, &files, &world.target).await;
    for stop in [world.finalize().await.unwrap_err(), deleted.unwrap_err()] {
        assert_eq!(stop.exit, Exit::Configuration);
        assert!(stop.message.contains("it is another database"), "{stop}");
    }
    assert_eq!(world.files.names(), before);
    assert!(world.results().is_empty());
}

#[tokio::test]
async fn a_name_that_is_no_try_id_never_becomes_a_prefix() {
    for name in [
        "writers/.json",
        "writers/abc.json",
        "writers/aaaaaaaaaaa/.json",
        "writers/AAAAAAAAAAAA.json",
        "writers/x",
    ] {
        let world = world_with_orphans().await;
        let before = world.files.names();
        world.run_blobs.insert(&format!("rogo/{name}"), "{}");
        let stop = world.finalize().await.unwrap_err();
        assert!(stop.message.contains(&format!("memory://run/rogo/{name} is not a writer")), "{stop}");
        assert_eq!(world.files.names(), before);
    }
}

#[tokio::test]
async fn listing_orphans_changes_nothing_and_deleting_them_retires_first() {
    let world = world_with_orphans().await;
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let (before, documents) = (world.files.names(), world.run_blobs.names());
    let mut listed = Vec::new();
    let mut each = |blob: &rogo_migrate::ports::BlobInfo| listed.push(blob.name.clone());
    let found =
        list_orphans(&world.store, &world.fence, DEADLINE, &files, &world.target, &mut each).await.unwrap();
    assert_eq!(
        listed,
        ["LTI_Uploads/aaaaaaaaaaaa/1_2_orphan.pdf", "Marker_files/aaaaaaaaaaaa/1_3_orphan.docx"]
    );
    assert_eq!(found, Orphans { blobs: 2, bytes: 8 });
    assert_eq!((world.files.names(), world.run_blobs.names()), (before, documents));

    let deleted = delete_orphans(&world.store, &world.fence, DEADLINE, &files, &world.target).await.unwrap();
    assert_eq!(deleted, found);
    assert_eq!(world.files.names(), ["LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf"]);
    assert!(world.run_blobs.names().contains(&"rogo/retired/aaaaaaaaaaaa".to_owned()));
}
