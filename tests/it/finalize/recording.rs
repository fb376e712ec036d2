//! The recorder loses nothing, and what it wrote reads back.

use std::time::Duration;

use rogo_migrate::{
    domain::{FailCode, ShardIndex},
    ports::FaultKind,
    run::segments::recorded,
    shard::record::Recorder,
};
use tokio::sync::mpsc;

use crate::support::fakes::Strike;
use crate::support::world::{FLUSH, TRY_A, TRY_B, World, failed, migrated, skipped};

const SHARD: ShardIndex = ShardIndex(0);

async fn rows_read(world: &World) -> Vec<u64> {
    let outcomes = world.read_segments(SHARD).await.unwrap();
    outcomes.iter().map(|outcome| outcome.row).collect()
}

fn segments_of(world: &World) -> Vec<String> {
    world.run_blobs.names().into_iter().filter(|name| name.contains("segments/")).collect()
}

#[tokio::test]
async fn every_outcome_reads_back_in_the_order_in_which_it_was_recorded() {
    let world = World::new(3, 1);
    let outcomes = [migrated(3, 1), failed(2, 2, FailCode::FileMissing), skipped(1, 3)];
    world.record(TRY_A, &outcomes).await;
    let read = world.read_segments(SHARD).await.unwrap();
    assert_eq!(read, outcomes);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_however_often_the_store_fails() {
    for strike in [Strike::Before, Strike::After] {
        for kind in [FaultKind::Unavailable, FaultKind::AnswerLost] {
            let world = World::new(10, 1);
            world.run_blobs.fail_puts(7, strike, &kind);
            let mut recorder = world.recorder(SHARD, TRY_A);
            let mut faults = 0;
            for row in 1..=10 {
                recorder.push(&migrated(row, 1)).unwrap();
                faults += usize::from(recorder.flush().await.is_err());
            }
            for _ in 0..7 {
                faults += usize::from(recorder.flush().await.is_err());
            }
            assert!(faults > 0);
            assert_eq!(rows_read(&world).await, (1..=10).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn a_fault_ends_the_drive_and_the_next_drive_goes_on() {
    let world = World::new(5, 1);
    world.run_blobs.fail_puts(2, Strike::Before, &FaultKind::Unavailable);
    let mut recorder = world.recorder(SHARD, TRY_A);
    let (sender, mut outcomes) = mpsc::channel(8);
    for row in 1..=5 {
        sender.send(migrated(row, 1)).await.unwrap();
    }
    drop(sender);
    assert!(recorder.drive(&mut outcomes).await.is_err());
    assert!(recorder.drive(&mut outcomes).await.is_err());
    recorder.drive(&mut outcomes).await.unwrap();
    assert_eq!(rows_read(&world).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_waits_no_longer_than_the_flush_interval_and_others_join_it() {
    let world = World::new(2, 1);
    let (store, plan) = (world.store.clone(), world.plan.id.clone());
    let (sender, mut outcomes) = mpsc::channel(8);
    let drive = tokio::spawn(async move {
        Recorder::new(store, &plan, SHARD, &TRY_A.parse().unwrap(), FLUSH)
            .drive(&mut outcomes)
            .await
            .unwrap();
    });
    sender.send(migrated(1, 1)).await.unwrap();
    tokio::time::sleep(FLUSH / 2).await;
    sender.send(migrated(2, 1)).await.unwrap();
    assert_eq!(segments_of(&world).len(), 0);
    tokio::time::sleep(FLUSH / 2 + Duration::from_millis(1)).await;
    assert_eq!(segments_of(&world).len(), 1);
    assert_eq!(rows_read(&world).await, [1, 2]);
    drop(sender);
    drive.await.unwrap();
    assert_eq!(segments_of(&world).len(), 1);
}

#[tokio::test]
async fn a_full_segment_is_written_before_its_time_and_the_names_keep_the_order() {
    let world = World::new(5_000, 1);
    let (sender, mut outcomes) = mpsc::channel(5_000);
    for row in 1..=5_000 {
        sender.try_send(migrated(row, 1)).unwrap();
    }
    drop(sender);
    world.recorder(SHARD, TRY_A).drive(&mut outcomes).await.unwrap();
    assert_eq!(segments_of(&world).len(), 3);
    assert_eq!(rows_read(&world).await, (1..=5_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_try_id_that_another_process_uses_is_found_out() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    let mut other = world.recorder(SHARD, TRY_A);
    other.push(&migrated(2, 1)).unwrap();
    let fault = other.flush().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Corrupt);
    assert!(fault.what.contains("another process uses its writer id"), "{}", fault.what);
}

#[tokio::test]
async fn a_restarted_shard_knows_the_rows_done_before_and_counts_each_once() {
    let world = World::new(6, 1);
    world.record(TRY_A, &[migrated(6, 1), failed(5, 1, FailCode::Unavailable), skipped(4, 1)]).await;
    world.record(TRY_B, &[failed(6, 9, FailCode::FileMissing), migrated(5, 2), skipped(3, 2)]).await;
    let recorded = recorded(&world.store, &world.plan, SHARD).await.unwrap();
    assert_eq!((1..=6).filter(|row| recorded.contains(*row)).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(recorded.rows.len(), 4);
    assert_eq!(recorded.books.rows(), 4);
    assert_eq!((recorded.books.migrated, recorded.books.rows_skipped()), (2, 2));
    assert_eq!(recorded.books.files, 6);
}

#[tokio::test]
async fn shards_do_not_see_each_others_segments() {
    let world = World::new(22, 11);
    world.record(TRY_A, &(1..=22).map(|row| migrated(row, 1)).collect::<Vec<_>>()).await;
    let one = recorded(&world.store, &world.plan, ShardIndex(1)).await.unwrap();
    assert_eq!(one.rows.len(), 2);
}

#[tokio::test]
async fn a_damaged_segment_is_named_with_its_line() {
    const NAME: &str = "rogo/segments/0/aaaaaaaaaaaa-00000000.jsonl";
    for (text, line) in [
        ("", "line 1"),
        ("{\"row\":1", "line 1"),
        ("OUTCOME", "line 1"),
        ("ORIGIN{\"row\":1,\n", "line 2"),
        ("ORIGINOUTCOME{\"row\":2", "line 3"),
        ("ORIGINOUTCOME\n", "line 3"),
        ("ORIGIN{\"row\":1}\n", "line 2"),
    ] {
        let world = World::new(1, 1);
        world.put_segment("0123456789ab", 0, &[migrated(1, 1)]);
        let whole = world.run_blobs.text(NAME).unwrap();
        let (origin, outcome) = whole.split_at(whole.find('\n').unwrap() + 1);
        world.run_blobs.insert(NAME, text.replace("ORIGIN", origin).replace("OUTCOME", outcome));
        let read = world.read_segments(SHARD).await;
        let fault = read.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Corrupt);
        assert!(
            fault.what.contains("memory://run/rogo/segments/0/aaaaaaaaaaaa-00000000.jsonl"),
            "{}",
            fault.what
        );
        let reason = "not what was written";
        assert!(fault.what.contains(line) && fault.what.contains(reason), "{text:?}: {}", fault.what);
    }
}

#[tokio::test]
async fn a_segment_of_a_megabyte_is_written_before_its_time() {
    let world = World::new(10, 1);
    let (sender, mut outcomes) = mpsc::channel(10);
    for row in 1..=10 {
        let mut long = failed(row, 1, FailCode::ReportInvalid);
        if let rogo_migrate::domain::Fate::Failed { message, .. } = &mut long.fate {
            *message = "x".repeat(400_000);
        }
        sender.try_send(long).unwrap();
    }
    drop(sender);
    world.recorder(SHARD, TRY_A).drive(&mut outcomes).await.unwrap();
    assert_eq!(segments_of(&world).len(), 4, "a reader holds a segment whole");
}

#[tokio::test]
async fn a_segment_that_does_not_arrive_whole_is_read_again_and_never_taken_for_a_shorter_one() {
    let world = World::new(2, 1);
    world.record(TRY_A, &[migrated(2, 1), migrated(1, 1)]).await;
    let name = segments_of(&world).remove(0);
    let whole = world.run_blobs.text(&name).unwrap();
    let cut = whole[..=whole.trim_end().rfind('\n').unwrap()].to_owned();
    let reads = std::sync::atomic::AtomicUsize::new(0);
    world.run_blobs.insert_made(&name, move || {
        let is_first = reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if is_first { whole.clone().into_bytes() } else { cut.clone().into_bytes() }
    });
    assert_eq!(world.read_segments(SHARD).await.unwrap_err().kind, FaultKind::Unavailable);
}
