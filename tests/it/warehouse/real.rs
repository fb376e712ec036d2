//! The same promises on a real SQL Server with the two tables. `tests/run.sh` builds this with the feature `real-warehouse`
//! where `TEST_WAREHOUSE_URL` names one; nowhere else does it count as a test.

use rogo_migrate::{adapters::warehouse::SqlServer, ports::Warehouse, settings::Secret};

use super::scanned;
use crate::support::fetch::FetchAll;

#[tokio::test]
async fn a_real_server_scans_to_what_lookups_find() {
    let connection_string = std::env::var("TEST_WAREHOUSE_URL")
        .expect("TEST_WAREHOUSE_URL is the connection string of a SQL Server with the two tables");
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
