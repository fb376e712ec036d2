//! `verify --self-test` on a real server: every kind is found, and nothing real is touched.

use serde_json::Value;

use super::corruptions::in_folders;
use crate::support::app::{Sample, TestApp};

async fn self_test(app: &TestApp<'_>) -> crate::support::app::Ended {
    let mut command = app.command(&["verify", "--self-test", "--json"]);
    command.env("DATABASE_URL", app.database.verifiers_url());
    crate::support::process::output(command).await
}

/// Every row of the eight tables, with the transaction that wrote it.
async fn state(app: &TestApp<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    for table in rogo_migrate::ports::Table::ALL {
        let sql = format!("select x.xmin::text || x::text from {} x order by 1", table.name());
        let of = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(sql));
        rows.extend(of.fetch_all(app.database.pool()).await.unwrap());
    }
    rows
}

#[tokio::test]
async fn every_kind_of_corruption_is_found_in_copies_and_the_target_is_not_touched() {
    let sample = Sample::in_folder(600, 7, |options| options.file_bytes = "10-300".parse().unwrap()).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let before = state(&app).await;
    let ended = self_test(&app).await;
    let result: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let kinds = result["kinds"].as_array().unwrap();
    let wrong: Vec<_> = kinds.iter().filter(|line| line["ok"] != true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!((&result["missed"], &result["surprises"]), (&0.into(), &0.into()));
    assert!(kinds.len() >= 60 && result["planted"] == kinds.len(), "{} kinds", kinds.len());
    assert!(result["submissions"].as_u64().unwrap() <= 200);
    assert!(state(&app).await == before, "the target was touched");

    let revoke = "do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$";
    app.database.run(revoke).await;
    let ended = self_test(&app).await;
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("lacks the right TEMPORARY"), "{}", ended.stderr);
}
