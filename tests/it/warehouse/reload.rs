//! A warehouse that is being loaded anew has no rows for a while: no attempt lacks its report for that.

use rogo_migrate::ports::{FaultKind, Warehouse};

use super::{REPORTS, SCORES, attempts, ids, open, opened, report, scanned, start, tables};
use crate::support::fetch::FetchAll;
use crate::support::tds::cells::Cell;

/// Batches that never end.
const ON: usize = usize::MAX;

#[tokio::test]
async fn a_batch_without_any_report_is_believed_while_a_known_one_is_there() {
    let server = start(tables(vec![report(1)], vec![])).await;
    let warehouse = opened(&server).await;
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap().len(), 2);
}

#[tokio::test]
async fn tables_that_were_emptied_are_a_fault_of_the_warehouse_until_they_are_loaded() {
    let server = start(attempts(1..=3)).await;
    let warehouse = open(server.connection_string());
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
    server.script.empty_tables(true);
    let fault = warehouse.another_pool().unwrap().fetch(&ids([2, 3])).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.what.contains("nor has attempt 1 any more"), "{fault}");
    server.script.empty_tables(false);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap()[0].reports.len(), 1);
}

#[tokio::test]
async fn a_process_that_has_seen_no_report_yet_knows_one_from_the_plan() {
    let server = start(attempts(1..=3)).await;
    let warehouse = open(server.connection_string());
    server.script.empty_tables(true);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap().len(), 2, "nothing says that it was ever loaded");
    warehouse.expect_report(ids([1])[0]);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap_err().kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn reports_without_any_score_are_believed_only_while_a_known_score_is_there() {
    let server = start(attempts(1..=3)).await;
    let warehouse = open(server.connection_string());
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].scores.len(), 2);
    server.script.empty_table(SCORES, 0..ON);
    let fault = warehouse.another_pool().unwrap().fetch(&ids([2, 3])).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.what.contains("none of 2 attempts has a score, nor has attempt 1 any more"), "{fault}");
    assert!(fault.what.contains(SCORES), "{fault}");
    server.script.empty_tables(false);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap()[0].scores.len(), 2);
}

#[tokio::test]
async fn a_table_that_is_loaded_again_by_the_second_question_gives_its_rows() {
    for (table, counts) in [(SCORES, (1, 2)), (REPORTS, (1, 2))] {
        let server = start(attempts(1..=3)).await;
        let warehouse = open(server.connection_string());
        warehouse.fetch(&ids([3])).await.unwrap();
        server.script.empty_table(table, 0..1);
        let facts = warehouse.fetch(&ids([1, 2])).await.unwrap();
        assert_eq!(facts.len(), 2);
        assert!(facts.iter().all(|facts| (facts.reports.len(), facts.scores.len()) == counts), "{table}");
    }
}

#[tokio::test]
async fn a_process_that_has_seen_no_score_yet_knows_one_from_the_plan() {
    let server = start(attempts(1..=3)).await;
    let warehouse = open(server.connection_string());
    server.script.empty_table(SCORES, 0..ON);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap().len(), 2, "nothing says that it was ever loaded");
    warehouse.expect_score(ids([1])[0]);
    assert_eq!(warehouse.fetch(&ids([2, 3])).await.unwrap_err().kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn attempts_that_never_had_a_score_are_asked_for_once() {
    let server = start(tables((1..=4).map(report).collect(), vec![])).await;
    let warehouse = opened(&server).await;
    warehouse.description().await.unwrap();
    let before = server.script.batches();
    for batch in [[1, 2], [3, 4]] {
        assert!(warehouse.fetch(&ids(batch)).await.unwrap().iter().all(|facts| facts.scores.is_empty()));
    }
    assert_eq!(server.script.batches() - before, 2);
}

#[tokio::test]
async fn rows_that_are_read_a_second_time_for_their_damaged_text_are_still_there() {
    let damaged = |id| {
        let mut row = report(id);
        row[9] = Cell::Text("\u{fffd}".into());
        row
    };
    let server = start(tables((1..=3).map(damaged).collect(), vec![])).await;
    let warehouse = opened(&server).await;
    warehouse.description().await.unwrap();
    server.script.empty_table(REPORTS, 1..ON);
    let fault = warehouse.fetch(&ids([1, 2, 3])).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    // Bounds, window, then the attempts with damaged text.
    server.script.empty_table(REPORTS, 2..ON);
    let fault = scanned(&warehouse).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    server.script.empty_tables(false);
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_scan_gives_no_fewer_rows_of_each_table_than_were_counted_or_is_a_fault() {
    let server = start(attempts(1..=20)).await;
    let warehouse = opened(&server).await.with_window_rows(10);
    warehouse.description().await.unwrap();
    let before = server.script.batches();
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 60);
    assert_eq!(server.script.batches() - before, 1 + 3 + 1 + 4, "bounds and windows of each");
    for (table, windows) in [(REPORTS, 1..=3), (SCORES, 5..=8)] {
        for window in windows {
            server.script.empty_table(table, window..ON);
            let fault = scanned(&warehouse).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
            assert!(fault.what.contains(table) && fault.what.contains("is being loaded"), "{fault}");
        }
    }
    for window in 1..=3 {
        server.script.empty_table(REPORTS, window..ON);
        assert_eq!(warehouse.reported(&mut |_| ()).await.unwrap_err().kind, FaultKind::Unavailable);
    }
    server.script.empty_tables(false);
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 60);
}
