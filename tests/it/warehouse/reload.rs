//! A warehouse that is being loaded anew has no rows for a while: no attempt lacks its report for that.

use rogo_migrate::ports::{FaultKind, Warehouse};

use super::{attempts, ids, open, opened, report, start, tables};

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
