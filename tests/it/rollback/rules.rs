//! Malpractice rules return to what they were before the run, unless another run changed them again.

use futures_util::TryStreamExt;
use rogo_migrate::ports::PutOptions;

use super::{attempts_file, rollback, target};
use crate::support::app::{Sample, TestApp, assert_same};

/// Two attempts with malpractice of one learner, assessment and context: the older and the newer one.
async fn pair(app: &TestApp<'_>) -> (String, String) {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select older.lti_launch_id, newer.lti_launch_id from assignment_submissions older
        join assignment_submissions newer on newer.lms_user_id = older.lms_user_id
            and newer.custom_assessment_code = older.custom_assessment_code
            and newer.context_id = older.context_id and newer.created_at > older.created_at
        join submission_grades a on a.submission_id = older.id and a.malpractice_level_id is not null
        join submission_grades b on b.submission_id = newer.id and b.malpractice_level_id is not null
        where older.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$' and newer.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$'
        order by 1 limit 1",
    )
    .fetch_all(app.database.pool())
    .await
    .unwrap();
    let attempt = |launch_id: &str| launch_id.split('_').nth(1).unwrap().to_owned();
    let (older, newer) = rows.first().expect("the sample plants such a pair");
    (attempt(older), attempt(newer))
}

#[tokio::test]
async fn a_rule_that_another_run_changed_again_is_refused_and_the_reverse_order_works() {
    let sample = Sample::new(300, 58).await;
    let whole = TestApp::without_cluster(&sample).await;
    whole.run(&["run"]).await.expect(0);
    let (older, newer) = pair(&whole).await;

    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    let ids = attempts_file(&app, &[&older]);
    app.run(&["run", "--run", "first", "--attempts", &ids]).await.expect(0);
    let first = target(&app).await;
    let ids = attempts_file(&app, &[&newer]);
    app.run(&["run", "--run", "second", "--attempts", &ids]).await.expect(0);
    let both = target(&app).await;

    for arguments in [&["--run", "first"][..], &["--run", "first", "--yes", "--reason", "a test"]] {
        let refused = rollback(&app, arguments).await.expect(69);
        let said = format!("rule_changed_again: attempt {older}; roll back the run that changed it first");
        assert!(refused.stdout.contains(&said), "{}", refused.stdout);
        assert_same(&target(&app).await, &both);
    }
    let detail = format!("its malpractice rule was changed again, for attempt {newer}");
    assert!(app.result("rolled_back.csv").contains(&detail));

    rollback(&app, &["--run", "second", "--yes", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &first);
    rollback(&app, &["--run", "first", "--yes", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &before);
}

#[tokio::test]
async fn a_rule_that_replaced_that_of_an_attempt_which_stays_is_refused() {
    let sample = Sample::new(300, 58).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["run"]).await.expect(0);
    let after = target(&app).await;
    let (older, newer) = pair(&app).await;
    let ids = attempts_file(&app, &[&newer]);
    let refused = rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(69);
    let said = format!("rule_of_other_attempt: attempt {newer}; roll that attempt back too");
    assert!(refused.stdout.contains(&said), "{}", refused.stdout);
    let detail = format!("its malpractice rule replaced that of attempt {older}, which stays");
    assert!(app.result("rolled_back.csv").contains(&detail));
    assert_same(&target(&app).await, &after);

    let ids = attempts_file(&app, &[&older, &newer]);
    rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(0);
    app.database
        .run("update malpractice_enforcements set enforced_max_attempts = 9 where submission_id is not null")
        .await;
    let refused = rollback(&app, &[]).await.expect(69);
    assert!(refused.stdout.contains("rule_changed_again"), "{}", refused.stdout);
    let arguments = ["--yes", "--reason", "a test", "--force-touched"];
    rollback(&app, &arguments).await.expect(0);
    let without_limits = |text: &str| {
        let limit = |line: &&str| !line.contains("enforced_max_attempts");
        text.lines().filter(limit).collect::<Vec<_>>().join("\n")
    };
    assert_same(&without_limits(&target(&app).await), &without_limits(&before));
}

#[tokio::test]
async fn a_rule_that_the_application_edited_after_a_refused_try_returns_to_that_edit() {
    let sample = Sample::new(300, 58).await;
    let app = TestApp::without_cluster(&sample).await;
    // What a try keeps whose commit is refused; the application edits the rules after it.
    let rules: Vec<(String, String)> =
        sqlx::query_as("select id, to_jsonb(rule)::text from malpractice_enforcements rule order by 1")
            .fetch_all(app.database.pool())
            .await
            .unwrap();
    for (id, image) in rules {
        let options = PutOptions::create("application/json");
        app.run_blobs().put(&format!("rogo/enforcements/{id}.json"), image.into(), &options).await.unwrap();
    }
    app.database.run("update malpractice_enforcements set enforced_max_attempts = 7").await;
    let before = target(&app).await;
    app.run(&["run"]).await.expect(0);
    let names: Vec<String> =
        app.run_blobs().list("rogo/enforcements/").map_ok(|info| info.name).try_collect().await.unwrap();
    assert!(names.iter().any(|name| name.ends_with(".json.1")), "the run changes a rule: {names:?}");
    rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &before);
}
