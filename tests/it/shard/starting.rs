//! The start of a process: in which order it asks, and what it refuses before anything of it stands.

use std::{path::Path, sync::Arc, time::Duration};

use rogo_migrate::{
    domain::{Catalogue, ShardIndex},
    exit::{Exit, Stop},
    ports::{Blobs, FaultKind, TargetWriter},
    rules::CatalogueIndex,
    run::{names, pins::pinned_settings},
    shard::{
        pace::Pace,
        start::{Start, Started},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    settings::settings,
    world::{TRY_A, TRY_B, World, migrated},
};

const SHARD: ShardIndex = ShardIndex(0);

/// A run of so many rows that was planned with the settings of [`start`].
fn planned(rows: u64) -> World {
    let mut world = World::new(rows, 1);
    world.plan.target = world.files.location();
    world.plan.settings = pinned_settings(&settings(Path::new("unused")), &world.plan.id);
    world
}

async fn start(world: &World) -> Result<Started, Stop> {
    start_with(world, None, &[]).await
}

/// With the catalogue of the shard that the process moved before, and the targets of other workers.
async fn start_with(
    world: &World,
    known: Option<&Arc<CatalogueIndex>>,
    others: &[Arc<dyn TargetWriter>],
) -> Result<Started, Stop> {
    let pace = Pace::new(Duration::from_mins(15), CancellationToken::new());
    Start {
        settings: &settings(Path::new("unused")),
        store: &world.store,
        plan: &world.plan,
        index: SHARD,
        writer: &TRY_A.parse().unwrap(),
        host: "here",
        pace: &pace,
        target: &world.target,
        others,
        warehouse: Some(&world.warehouse),
        warehouse_address: None,
        target_blobs: &world.files,
        copier: &world.copier(),
        known,
    }
    .run()
    .await
}

/// Whether anything of the process stands that another one would have to look at.
fn is_registered(world: &World) -> bool {
    world.run_blobs.names().contains(&format!("rogo/{}", names::writer(&TRY_A.parse().unwrap())))
}

#[tokio::test]
async fn the_lock_is_held_before_the_run_is_compared_and_compared_before_the_writer_is_registered() {
    let world = planned(2);
    start(&world).await.unwrap();
    let order =
        ["target: identity", "target: session", "run: put rogo/writers/aaaaaaaaaaaa.json", "files: check"];
    let places = order.map(|what| world.journal.at(what));
    assert!(places.is_sorted(), "{:#?}", world.journal.entries());
    assert!(is_registered(&world));
}

#[tokio::test]
async fn a_later_shard_of_the_process_compares_nothing_again_and_is_refused_once_the_run_has_ended() {
    let world = planned(2);
    let known = Arc::new(Catalogue::default().into());
    start_with(&world, Some(&known), &[]).await.unwrap();
    assert!(is_registered(&world));
    for again in ["target: session", "files: check"] {
        assert!(!world.journal.entries().iter().any(|entry| entry == again), "{again}");
    }
    world.run_blobs.remove(&format!("rogo/writers/{TRY_A}.json"));
    world.run_blobs.insert("rogo/rolled-back.json", "{}");
    let stop = start_with(&world, Some(&known), &[]).await.err().unwrap();
    assert!(stop.exit == Exit::Configuration && stop.message.contains("was rolled back"), "{stop}");
    assert!(!is_registered(&world));
}

#[tokio::test]
async fn what_is_not_the_run_that_was_planned_is_refused_before_anything_is_written() {
    type Change = fn(&mut World);
    let changes: [(&str, Change); 7] = [
        ("the rules' version changed", |world| world.plan.rules_version += 1),
        ("the target database changed", |world| world.target.database = "elsewhere".into()),
        ("the target container changed", |world| world.plan.target = "az://other".into()),
        ("the warehouse changed", |world| world.warehouse.shape.description = "another".into()),
        ("the setting lms-name changed", |world| {
            world.plan.settings.insert("lms-name".into(), "Other".into());
        }),
        ("was rolled back", |world| world.run_blobs.insert("rogo/rolled-back.json", "{}")),
        ("it is another database", |world| {
            world.target.lose("rogo_2_x");
            world.target.lose("rogo_1_x");
        }),
    ];
    for (says, change) in changes {
        let mut world = planned(2);
        world.record(TRY_B, &[migrated(2, 1), migrated(1, 1)]).await;
        start(&world).await.unwrap();
        world.run_blobs.remove(&format!("rogo/writers/{TRY_A}.json"));
        change(&mut world);
        let stop = start(&world).await.err().expect(says);
        assert_eq!(stop.exit, Exit::Configuration, "{says}: {stop}");
        assert!(stop.message.contains(says), "{says} is not said: {stop}");
        assert!(!is_registered(&world), "{says}");
        assert_eq!(world.files.writes(), 1, "{says}: of the start that was let through");
    }
}

#[tokio::test]
async fn rows_that_earlier_processes_recorded_are_known_at_the_start() {
    let world = planned(3);
    world.record(TRY_B, &[migrated(3, 1), migrated(1, 1)]).await;
    let started = start(&world).await.unwrap();
    assert_eq!((1..=3).filter(|row| started.recorded.contains(*row)).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(started.recorded.books.migrated, 2);
}

#[tokio::test]
async fn a_container_that_cannot_be_written_ends_the_process_before_its_first_row() {
    let world = planned(1);
    world.files.fail_all("check", FaultKind::Denied);
    assert_eq!(start(&world).await.err().unwrap().exit, Exit::Configuration);
}

#[tokio::test]
async fn outcomes_that_were_changed_are_the_matter_of_their_own_shard() {
    let world = planned(1);
    world.run_blobs.insert("rogo/segments/0/bbbbbbbbbbbb-00000000.jsonl", "{}\n");
    assert_eq!(start(&world).await.err().unwrap().exit, Exit::DataRefused);
}

#[tokio::test]
async fn a_start_reads_the_outcomes_of_its_own_shard_however_many_there_are() {
    let mut world = World::new(400, 200);
    world.plan.target = world.files.location();
    world.plan.settings = pinned_settings(&settings(Path::new("unused")), &world.plan.id);
    let outcomes: Vec<_> = (1..=400).map(|row| migrated(row, 1)).collect();
    world.record(TRY_B, &outcomes).await;
    let before = world.journal.entries().len();
    let started = start(&world).await.unwrap();
    assert_eq!(started.recorded.books.migrated, 2);
    let asked = world.journal.entries().split_off(before);
    let lists: Vec<&String> =
        asked.iter().filter(|entry| entry.starts_with("run: list rogo/segments/")).collect();
    assert!(lists.len() <= 21, "{} listings: {lists:#?}", lists.len());
    assert!(!lists.iter().any(|entry| *entry == "run: list rogo/segments/"), "{lists:#?}");
}

/// Workers of a process are opened for the rows that are left, not for those that were planned.
#[tokio::test]
async fn connections_are_opened_for_the_rows_that_are_left() {
    for (recorded, opened) in
        [(0, vec![250, 250, 250, 250]), (980, vec![20]), (960, vec![20, 20]), (1_000, vec![0])]
    {
        let world = planned(1_000);
        let outcomes: Vec<_> = (1..=recorded).map(|row| migrated(row, 1)).collect();
        world.record(TRY_B, &outcomes).await;
        let others: Vec<Arc<dyn TargetWriter>> =
            (0..3).map(|_| Arc::new(world.target.clone()) as _).collect();
        start_with(&world, None, &others).await.unwrap();
        let entries = world.journal.entries();
        let opening = entries.iter().filter_map(|entry| entry.strip_prefix("target: open for "));
        let opening: Vec<u64> = opening.map(|rows| rows.parse().unwrap()).collect();
        assert_eq!(opening, opened, "{recorded} rows of 1,000 are recorded");
    }
}
