//! Connections that are open before the first row is committed.

use crate::support::app::{Sample, TestApp};

const WORKERS: i64 = 2;
const POOL: i64 = 2;

#[tokio::test]
async fn every_connection_that_the_rows_can_keep_busy_is_open_before_the_first_commit() {
    let sample = Sample::with(200, 81, |options| {
        options.plain = true;
        options.file_bytes = "100".parse().unwrap();
    })
    .await;
    let app = TestApp::without_cluster(&sample).await;
    app.database
        .run(
            "create table seen (connections bigint);
             create function see() returns trigger language plpgsql security definer as $$ begin
                 insert into seen select count(*) from pg_stat_activity
                     where datname = current_database() and application_name like 'rogo/0/%';
                 return new;
             end $$;
             create trigger see before insert on lti_launch_sessions for each statement execute function see()",
        )
        .await;
    let (workers, pool) = (WORKERS.to_string(), POOL.to_string());
    app.run(&["run", "--workers", &workers, "--pool", &pool]).await.expect(0);
    assert_eq!(app.database.number("select count(*) from assignment_submissions").await, 200);
    let fewest = app.database.number("select min(connections) from seen").await;
    assert_eq!(fewest, WORKERS * POOL);
}
