//! Tests of progress, on events of a process that never was.

use super::*;
use crate::{
    domain::{FailCode, SkipCode},
    report::events::StageTimes,
};

fn skipped() -> Fate {
    Fate::Skipped { code: SkipCode::DuplicateRow, detail: String::new() }
}

fn failed() -> Fate {
    Fate::Failed { code: FailCode::NoFiles, message: String::new() }
}

fn after(began: Instant, seconds: u64) -> Instant {
    began + Duration::from_secs(seconds)
}

/// A process of one shard of so many rows, with two workers, some rows of which are `earlier`.
fn begun(now: Instant, rows: u64, earlier: &Books) -> Progress {
    let progress = Progress::new(now, rows, 1);
    begin(&progress, now, 0, rows, earlier);
    progress
}

fn begin(progress: &Progress, now: Instant, shard: u32, rows: u64, earlier: &Books) {
    let beginning = Beginning { shard: ShardIndex(shard), rows, last_row: rows, earlier, workers: 2 };
    progress.take(now, &Event::ShardBegan(beginning));
}

fn settle(progress: &Progress, now: Instant, worker: usize, fate: &Fate) {
    let times = StageTimes { whole: Duration::from_millis(7), ..StageTimes::default() };
    progress
        .take(now, &Event::RowSettled(Settled { row: 1, attempt: None, worker, fate, times, breaker: None }));
}

#[test]
fn it_never_says_100_percent_while_a_row_is_unaccounted_for() {
    let began = Instant::now();
    let progress = begun(began, 80_151, &Books::default());
    for _ in 1..80_151 {
        settle(&progress, began, 1, &skipped());
    }
    assert_eq!(progress.snapshot(began).permille(), 999);
    settle(&progress, began, 1, &failed());
    assert_eq!(progress.snapshot(began).permille(), 1000);
}

#[test]
fn rows_of_earlier_processes_count_as_done_but_not_into_the_rate() {
    let began = Instant::now();
    let mut earlier = Books::default();
    (0..90).for_each(|_| earlier.count(&skipped()));
    let progress = begun(began, 200, &earlier);
    (0..10).for_each(|_| settle(&progress, began, 2, &failed()));
    let snapshot = progress.snapshot(after(began, 5));
    assert_eq!((snapshot.done(), snapshot.permille()), (100, 500));
    assert_eq!(snapshot.counts, Counts { succeeded: 0, failed: 10, skipped: 90 });
    assert_eq!(snapshot.workers, [Counts::default(), Counts { failed: 10, ..Counts::default() }]);
    assert!((snapshot.rate_average - 2.0).abs() < 1e-9, "{snapshot:?}");
    assert_eq!(snapshot.longest_row, Duration::from_millis(7));
}

#[test]
fn the_rate_of_now_forgets_what_is_older_than_the_window() {
    let began = Instant::now();
    let progress = begun(began, 10_000, &Books::default());
    for second in 1..=60 {
        let rows = if second <= 20 { 100 } else { 10 };
        (0..rows).for_each(|_| settle(&progress, began, 1, &skipped()));
        progress.snapshot(after(began, second));
    }
    let snapshot = progress.snapshot(after(began, 60));
    assert!((snapshot.rate_now - 10.0).abs() < 0.5, "{}", snapshot.rate_now);
    assert!((snapshot.rate_average - 40.0).abs() < 0.5, "{}", snapshot.rate_average);
    assert_eq!(snapshot.eta.map(|eta| eta.as_secs()), Some(760));
}

#[test]
fn the_eta_is_withheld_until_it_means_something() {
    let began = Instant::now();
    let progress = begun(began, 1_000, &Books::default());
    (0..19).for_each(|_| settle(&progress, began, 1, &skipped()));
    assert_eq!(progress.snapshot(after(began, 20)).eta, None, "too few rows");
    (0..100).for_each(|_| settle(&progress, began, 1, &skipped()));
    assert_eq!(progress.snapshot(after(began, 9)).eta, None, "too early");
    assert!(progress.snapshot(after(began, 21)).eta.is_some());
    assert_eq!(progress.snapshot(after(began, 60)).eta, None, "nothing moves");
}

#[test]
fn a_plan_without_rows_is_done() {
    let snapshot = Progress::new(Instant::now(), 0, 1).snapshot(Instant::now());
    assert_eq!((snapshot.done(), snapshot.permille()), (0, 1000));
}

#[test]
fn the_rows_of_all_shards_of_the_process_are_one_progress() {
    let began = Instant::now();
    let progress = Progress::new(began, 30, 3);
    let mut earlier = Books::default();
    (0..4).for_each(|_| earlier.count(&skipped()));
    begin(&progress, began, 0, 10, &earlier);
    (0..6).for_each(|_| settle(&progress, began, 1, &failed()));
    let ended = Event::ShardEnded { shard: ShardIndex(0), ended: Ended::Complete };
    progress.take(after(began, 3), &ended);
    begin(&progress, after(began, 3), 1, 10, &Books::default());
    (0..2).for_each(|_| settle(&progress, began, 1, &failed()));
    let snapshot = progress.snapshot(after(began, 7));
    assert_eq!((snapshot.done(), snapshot.total, snapshot.shards), (12, 30, 3));
    let [first, second] = &snapshot.begun[..] else { panic!("{snapshot:?}") };
    assert_eq!((first.done, first.here, first.took.as_secs()), (10, 6, 3));
    assert_eq!((second.done, second.ended, second.took.as_secs()), (2, None, 4));
    let times = snapshot.shard_times();
    assert_eq!(times, [(ShardIndex(0), Duration::from_secs(5)), (ShardIndex(1), Duration::from_secs(20))]);
}
