//! The same promises on a real SQL Server, where `TEST_WAREHOUSE_URL` names one with the two tables.

use rogo_migrate::{adapters::warehouse::SqlServer, ports::Warehouse, settings::Secret};

use super::scanned;

#[tokio::test]
async fn a_real_server_scans_to_what_lookups_find() {
    let Ok(connection_string) = std::env::var("TEST_WAREHOUSE_URL") else { return };
    let warehouse = SqlServer::open(&Secret::Value(connection_string), 3).unwrap();
    warehouse.shape().await.unwrap();
    let rows = scanned(&warehouse).await.unwrap();
    let mut attempts: Vec<_> = rows.iter().map(|(id, ..)| (*id).try_into().unwrap()).collect();
    attempts.sort_unstable();
    attempts.dedup();
    let facts = warehouse.fetch(&attempts).await.unwrap();
    let found: usize = facts.iter().map(|facts| facts.reports.len() + facts.scores.len()).sum();
    assert_eq!(found, rows.len());
}
