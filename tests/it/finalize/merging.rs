//! The merge: input order, one outcome per row, the right one.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use proptest::prelude::*;
use rogo_migrate::{
    domain::{Digest, FailCode, Fate, Outcome, ShardIndex, stands},
    exit::Exit,
    finalize::merge::Merged,
    run::{RowSet, Standing, receipts::Folding, segments::recorded},
};

use crate::support::world::{TRY_A, TRY_B, World, failed, instant, migrated, skipped};

async fn merge(world: &World) -> Vec<Outcome> {
    let merged = Merged::gather(&world.store, &world.plan).await.unwrap();
    let outcomes: Vec<_> = merged.outcomes().try_collect().await.unwrap();
    let again: Vec<_> = merged.outcomes().try_collect().await.unwrap();
    assert_eq!(outcomes, again);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test]
async fn outcomes_of_all_shards_come_in_the_inputs_order() {
    let world = World::new(20_000, 7);
    let outcomes: Vec<Outcome> = (1..=20_000).rev().map(|row| migrated(row, 1)).collect();
    world.record(TRY_A, &outcomes).await;
    let rows: Vec<u64> = merge(&world).await.iter().map(|outcome| outcome.row).collect();
    assert_eq!(rows, (1..=20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn migrated_beats_all_and_else_the_newest_stands_whichever_process_said_so() {
    let world = World::new(4, 2);
    world
        .record(TRY_A, &[migrated(4, 1), failed(3, 5, FailCode::FileMissing), skipped(2, 2), migrated(1, 1)])
        .await;
    world
        .record(
            TRY_B,
            &[
                failed(4, 9, FailCode::Unavailable),
                skipped(3, 3),
                failed(2, 7, FailCode::NoFiles),
                migrated(1, 1),
            ],
        )
        .await;
    assert_eq!(
        merge(&world).await,
        [
            migrated(1, 1),
            failed(2, 7, FailCode::NoFiles),
            failed(3, 5, FailCode::FileMissing),
            migrated(4, 1)
        ]
    );
}

#[tokio::test]
async fn of_a_row_that_the_target_lost_the_newest_outcome_stands() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(2, 1), migrated(1, 1)]).await;
    let again = [failed(2, 9, FailCode::FileMissing), failed(1, 9, FailCode::FileMissing)];
    world.record(TRY_B, &again).await;
    let mut merged = Merged::gather(&world.store, &world.plan).await.unwrap();
    let mut lost = RowSet::new(2);
    lost.insert(2).unwrap();
    merged.lose(lost);
    let outcomes: Vec<Outcome> =
        merged.outcomes().map_ok(|(_, outcome)| outcome).try_collect().await.unwrap();
    assert_eq!(outcomes, [migrated(1, 1), failed(2, 9, FailCode::FileMissing)]);
}

#[tokio::test]
async fn a_shard_that_is_begun_again_counts_lost_rows_as_the_result_does() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(2, 1), migrated(1, 1)]).await;
    let again = [failed(2, 9, FailCode::FileMissing), failed(1, 9, FailCode::FileMissing)];
    world.record(TRY_B, &again).await;
    let counted = async || {
        let books = recorded(&world.store, &world.plan, ShardIndex(0)).await.unwrap().books;
        (books.migrated, books.rows_failed())
    };
    assert_eq!(counted().await, (2, 0));
    let mut lost = RowSet::new(2);
    lost.insert(2).unwrap();
    let receipts = Folding::begin(&world.plan, Digest::of(b"program")).finish();
    Standing::without(lost).publish(&world.store, &world.plan, &receipts, instant(1)).await.unwrap();
    assert_eq!(counted().await, (1, 1));
}

#[tokio::test]
async fn a_row_that_the_input_does_not_have_is_refused() {
    let world = World::new(1, 1);
    world.put_segment("0123456789ab", 0, &[migrated(2, 1)]);
    let stop = Merged::gather(&world.store, &world.plan).await.err().unwrap();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(stop.message.contains("names row 2"), "{stop}");
}

#[tokio::test]
async fn a_segment_of_a_shard_that_the_plan_does_not_have_is_refused() {
    let world = World::new(1, 1);
    world.put_segment("0123456789ab", 7, &[migrated(1, 1)]);
    let stop = Merged::gather(&world.store, &world.plan).await.err().unwrap();
    assert!(stop.message.contains("segments/7/aaaaaaaaaaaa-00000000.jsonl"), "{stop}");
}

#[tokio::test]
async fn a_segment_of_another_plan_is_refused_by_shard_and_merge() {
    let world = World::new(1, 1);
    world.put_segment("ffffffffffff", 0, &[migrated(1, 1)]);
    let merge = Merged::gather(&world.store, &world.plan).await.err().unwrap();
    let shard = recorded(&world.store, &world.plan, ShardIndex(0)).await.unwrap_err();
    for said in [merge.message, shard.what] {
        assert!(said.contains("is of plan ffffffffffff, and this run's plan is 0123456789ab"), "{said}");
        assert!(said.contains("segments/0/aaaaaaaaaaaa-00000000.jsonl"), "{said}");
    }
}

#[tokio::test]
async fn an_outcome_of_another_attempt_is_not_merged_into_the_row() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(1, 1), Outcome { row: 2, ..migrated(1, 1) }]).await;
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(
        stop.message.contains("row 2 is of attempt 1, and that row of the submissions CSV holds attempt 2"),
        "{stop}"
    );
    assert!(world.results().is_empty());
}

/// What two processes may record of 12 rows: which of them, row, second and kind.
fn records() -> impl Strategy<Value = Vec<(bool, u64, i64, u8)>> {
    prop::collection::vec((any::<bool>(), 1..=12_u64, 0..5_i64, 0..3_u8), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_merge_is_what_a_map_of_rows_would_hold(records in records(), shards in 1..5_u32) {
        let outcomes: Vec<(bool, Outcome)> = records
            .into_iter()
            .map(|(first, row, second, kind)| (first, match kind {
                0 => migrated(row, second),
                1 => skipped(row, second),
                _ => failed(row, second, FailCode::NoFiles),
            }))
            .collect();
        let by = |first: bool| outcomes.iter().filter(move |(of, _)| *of == first).map(|(_, o)| o.clone());
        let (by_a, by_b): (Vec<Outcome>, Vec<Outcome>) = (by(true).collect(), by(false).collect());

        // Segments are read by name: all of the first writer's, then the second's.
        let mut model: BTreeMap<u64, Outcome> = BTreeMap::new();
        for outcome in by_a.iter().chain(&by_b).cloned() {
            let winner = match model.remove(&outcome.row) {
                Some(earlier) => stands(earlier, outcome),
                None => outcome,
            };
            model.insert(winner.row, winner);
        }
        let merged = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let world = World::new(12, shards);
            world.record(TRY_A, &by_a).await;
            world.record(TRY_B, &by_b).await;
            merge(&world).await
        });
        for outcome in &merged {
            let any_migrated = outcomes.iter().any(|(_, o)| o.row == outcome.row && matches!(o.fate, Fate::Migrated(_)));
            prop_assert_eq!(matches!(outcome.fate, Fate::Migrated(_)), any_migrated);
        }
        prop_assert_eq!(merged, model.into_values().collect::<Vec<_>>());
    }
}
