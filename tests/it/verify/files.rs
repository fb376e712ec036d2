//! `--attempts` and `--accept`, the second look, and a target in which the application goes on working.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use rogo_migrate::{domain::SubmissionIds, sample::LMS_INSTANCE};
use serde_json::json;

use super::{blobs::Folder, corruptions::in_folders, failures, small, small_files, verification, verify};
use crate::support::app::{Sample, TestApp};

async fn sample() -> Sample {
    Sample::in_folder(24, 33, small).await
}

async fn change(app: &TestApp<'_>, attempt: &str, column: &str, value: &str) {
    let of = "(select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = ";
    let sql =
        format!("update submission_grades set {column} = {value} where submission_id = {of}'{attempt}')");
    app.database.run(&sql).await;
}

#[tokio::test]
async fn only_the_attempts_of_a_file_are_verified_and_unknown_ones_are_listed() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();
    change(&app, &all[0], "final_grade", "'another'").await;
    change(&app, &all[1], "percentage_score", "percentage_score + 0.01").await;
    verify(&app, &[]).await.expect(1);
    assert_eq!(failures(&app), {
        let of = |place: usize, check: &str| (all[place].clone(), check.to_owned());
        let receipts = [of(0, "receipt_unchanged"), of(1, "receipt_unchanged")];
        let mut expected = vec![of(0, "grade_final"), of(1, "grade_percentage")];
        expected.extend(receipts);
        expected.sort();
        expected
    });
    let csv = app.result("verification_failures.csv");
    assert!(csv.contains("submission_grades.final_grade differs") && !csv.contains("another"), "{csv}");

    // The failure CSV is the file of attempts of the next verification.
    let failed = app.out.path().join("failed.csv");
    fs::copy(app.out.path().join("verification_failures.csv"), &failed).unwrap();
    verify(&app, &["--attempts", failed.to_str().unwrap(), "--show-values"]).await.expect(1);
    assert_eq!(verification(&app)["rows_compared"], json!(2));
    assert!(app.result("verification_failures.csv").contains("stored \"\"another\"\""));

    let list = app.out.path().join("list");
    fs::write(&list, format!("{}\n2147483647\n", all[2])).unwrap();
    let ended = verify(&app, &["--attempts", list.to_str().unwrap()]).await.expect(69);
    assert!(ended.stdout.contains("attempts that this run does not know: 2147483647"), "{}", ended.stdout);
    let result = verification(&app);
    assert_eq!((&result["result"], &result["rows_compared"]), (&json!("VERIFIED IN PART"), &json!(1)));
    assert_eq!(result["unknown_attempts"], json!([2_147_483_647]));
    let verdict = result["verdict"].as_str().unwrap();
    let says = "nothing differs; this run has no outcome of 1 of the attempts asked for (2147483647)";
    assert!(verdict.contains(says), "{verdict}");
}

/// The wrong file, or the wrong run: a verdict about no row would read as a proof.
#[tokio::test]
async fn attempts_of_which_the_run_knows_none_are_refused_by_their_ids_and_leave_the_last_result() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    let before = verification(&app);
    let list = app.out.path().join("list");
    let ids: Vec<String> = (2_147_483_640..2_147_483_647).map(|id| id.to_string()).collect();
    fs::write(&list, ids.join("\n")).unwrap();
    let arguments = ["--attempts", list.to_str().unwrap()];
    for level in ["rows", "blobs"] {
        let ended = verify(&app, &[&arguments[..], &["--level", level]].concat()).await.expect(64);
        let says = "none of the 7 ids (2147483640, 2147483641, 2147483642, 2147483643, 2147483644, …)";
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        assert_eq!(ended.stdout, "", "no verdict");
    }
    assert_eq!(verification(&app), before);
    // In parts: the process that ends last refuses them.
    fs::write(&list, "2147483647\n").unwrap();
    verify(&app, &[&arguments[..], &["--shard", "0/2"]].concat()).await.expect(64);
    fs::write(&list, format!("{}\n", app.migrated()[0])).unwrap();
    verify(&app, &arguments).await.expect(0);
}

#[tokio::test]
async fn no_file_of_a_verification_lands_on_one_that_it_reads() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();
    change(&app, &all[0], "percentage_score", "percentage_score + 1").await;
    verify(&app, &[]).await.expect(1);
    let of = |name: &str| app.out.path().join(name);
    std::os::unix::fs::symlink(of("verification_failures.csv"), of("soft.csv")).unwrap();
    fs::hard_link(of("verification_failures.csv"), of("hard.csv")).unwrap();
    let accepted = format!("Attempt ID,Reason,Person\n{},remarked,A. Marker\n", all[0]);
    fs::write(of("accepted.csv"), accepted).unwrap();
    fs::write(of("manifest.csv"), "Row,Attempt ID,File,Bytes,SHA-256\n").unwrap();
    fs::remove_file(of("verification.json")).unwrap();
    fs::hard_link(of("accepted.csv"), of("verification.json")).unwrap();
    fs::create_dir(of("other")).unwrap();
    fs::hard_link(of("manifest.csv"), of("other/verification_failures.csv")).unwrap();
    let before = |name: &str| fs::read(of(name)).unwrap();
    let inputs = ["verification_failures.csv", "accepted.csv", "manifest.csv", "verification.json"];
    let bytes = inputs.map(before);
    for arguments in [
        &["--attempts", "verification_failures.csv"][..],
        &["--attempts", "./soft.csv"],
        &["--attempts", "hard.csv"],
        &["--accept", "accepted.csv"],
        &["--level", "content", "--manifest", "manifest.csv", "--out", "other"],
    ] {
        let ended = verify(&app, arguments).await.expect(64);
        assert!(ended.stderr.contains("give --out another folder"), "{arguments:?}: {}", ended.stderr);
        assert_eq!(inputs.map(before), bytes, "{arguments:?}");
    }
    // Nothing of them is in the way elsewhere.
    verify(&app, &["--attempts", "verification_failures.csv", "--out", "third"]).await.expect(1);
    assert_eq!(inputs.map(before), bytes);
}

#[tokio::test]
async fn a_change_that_a_person_accepts_is_no_difference_and_a_lost_row_cannot_be_accepted() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();
    change(&app, &all[0], "percentage_score", "percentage_score + 1").await;
    let accepted = app.out.path().join("accepted.csv");
    let write = |ids: &[&String]| {
        let rows: Vec<String> = ids.iter().map(|id| format!("{id},remarked,A. Marker\n")).collect();
        fs::write(&accepted, format!("Attempt ID,Reason,Person\n{}", rows.concat())).unwrap();
    };
    write(&[&all[0]]);
    let ended = verify(&app, &["--accept", accepted.to_str().unwrap()]).await.expect(0);
    assert!(ended.stdout.contains("; 2 accepted"), "{}", ended.stdout);
    let decided = fs::read_to_string(app.out.path().join("run-store/rogo/decisions.jsonl")).unwrap();
    assert!(decided.contains("remarked (A. Marker)") && decided.contains("verify --accept"), "{decided}");

    let lost = format!(
        "delete from submission_grades where submission_id = (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{}')",
        all[1]
    );
    app.database.run(&lost).await;
    write(&[&all[0], &all[1]]);
    verify(&app, &["--accept", accepted.to_str().unwrap()]).await.expect(1);
    assert_eq!(
        failures(&app),
        ["grade_present", "receipt_unchanged"].map(|check| (all[1].clone(), check.to_owned()))
    );
}

#[tokio::test]
async fn what_the_application_adds_to_a_submission_can_be_accepted_and_what_the_run_may_have_written_cannot()
{
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();
    let of = |n: usize| {
        format!(
            "(select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{}')",
            all[n]
        )
    };
    let file = |n: usize, blob: &str| {
        format!(
            "insert into submission_files (submission_id, file_name, original_file_name, file_url, azure_blob_name, submission_file_type)
             select id, 'a', 'a', 'a', {blob}, 'feedback' from assignment_submissions where id = {};",
            of(n)
        )
    };
    let mark = |n: usize, id: &str| {
        format!(
            "insert into submission_section_marks (id, submission_id, section_id, marks_awarded)
             select '{id}', {}, section_id, 1 from submission_section_marks limit 1;",
            of(n)
        )
    };
    let assignment =
        format!("insert into submission_marking_assignments (submission_id) values ({});", of(0));
    app.database.run(&[file(0, "'uploads/feedback/1'"), mark(0, "added"), assignment].concat()).await;
    verify(&app, &[]).await.expect(1);
    let surplus = |n: usize| (all[n].clone(), "nothing_surplus".to_owned());
    assert_eq!(failures(&app), [surplus(0)]);
    let csv = app.result("verification_failures.csv");
    assert_eq!(csv.matches("; changed_after; seen for").count(), 3, "{csv}");
    let accepted = app.out.path().join("accepted.csv");
    let rows: Vec<String> = (0..4).map(|n| format!("{},feedback,A. Marker\n", all[n])).collect();
    fs::write(&accepted, format!("Attempt ID,Reason,Person\n{}", rows.concat())).unwrap();
    let ended = verify(&app, &["--accept", accepted.to_str().unwrap()]).await.expect(0);
    assert!(ended.stdout.contains("; 3 accepted"), "{}", ended.stdout);

    // A blob of the run's writer; a transaction that is as old as the submission; an id that the run gives.
    let own = "(select azure_blob_name from submission_files f where f.submission_id = assignment_submissions.id limit 1)";
    app.database.run(&file(1, own)).await;
    let launch = format!("(select lti_launch_id from assignment_submissions where id = {})", of(2));
    let written_again = [
        format!("update lti_launch_sessions set id = id where launch_id = {launch};"),
        format!("update lti_session_records set id = id where launch_id = {launch};"),
        format!("update assignment_submissions set id = id where id = {};", of(2)),
        format!("update submission_files set id = id where submission_id = {};", of(2)),
        format!("update submission_marking_assignments set id = id where submission_id = {};", of(2)),
        format!("update submission_grades set id = id where submission_id = {};", of(2)),
        mark(2, "in-one-transaction"),
    ];
    app.database.run(&written_again.concat()).await;
    let ids = SubmissionIds::new(LMS_INSTANCE, all[3].parse().unwrap());
    app.database.run(&mark(3, &ids.row("submission_section_marks", 50))).await;
    verify(&app, &["--accept", accepted.to_str().unwrap()]).await.expect(1);
    let mut expected = [1, 2, 3].map(surplus);
    expected.sort();
    assert_eq!(failures(&app), expected);
    assert_eq!(verification(&app)["accepted"], json!(3));
}

/// Verifications beside an application at work; each fourth also looks at blobs.
const VERIFICATIONS: usize = 20;

/// Works as the application does until it is aborted, and counts what it has done. A new attempt has a session and files of its
/// own, brings a newer rule of malpractice for the learner of one that the run wrote, and goes again; columns that the run does
/// not write change.
async fn work(pool: sqlx::PgPool, container: Folder, rule: String, done: Arc<AtomicU64>) {
    for n in 0.. {
        let sql = format!(
            "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('live-{n}', 'k', now());
             insert into assignment_submissions (id, lti_launch_id, lms_user_id, custom_assessment_code, context_id, attempt_number)
                 select 'live-{n}', 'live-{n}', lms_user_id, custom_assessment_code, context_id, attempt_number + 1
                 from malpractice_enforcements where id = '{rule}';
             insert into submission_files (submission_id, file_name, original_file_name, file_url, azure_blob_name)
                 values ('live-{n}', 'a', 'a', 'a', 'uploads/live/{n}'), ('live-{n}', 'b', 'b', 'b', 'LTI_Uploads/live-{n}.pdf');
             insert into submission_marking_assignments (submission_id) values ('live-{n}');
             update malpractice_enforcements set submission_id = 'live-{n}', attempt_number = attempt_number + 1,
                 rule_applied_at = now(), updated_at = now() where id = '{rule}';
             update submission_files set turnitin_similarity_score = {n}, turnitin_pdf_status = 'complete',
                 turnitin_status = (array['pending', 'processing', 'complete', 'error'])[1 + {n} % 4]
                 where submission_file_type = 'submission';
             update submission_marking_assignments set priority = {n}, notes = 'live';
             update submission_grades set word_count = {n}, updated_at = now();
             delete from assignment_submissions where id = 'live-{}'",
            n - 3
        );
        container.upload(&[&format!("uploads/live/{n}"), &format!("LTI_Uploads/live-{n}.pdf")]);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        container.remove(&[&format!("uploads/live/{}", n - 3), &format!("LTI_Uploads/live-{}.pdf", n - 3)]);
        done.fetch_add(1, SeqCst);
    }
}

#[tokio::test]
async fn what_the_application_adds_and_does_beside_the_run_is_no_difference() {
    let sample = Sample::in_folder(120, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let rule = "select min(e.id) from malpractice_enforcements e join assignment_submissions s on s.id = e.submission_id
        where s.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$'";
    let rule: Option<String> = sqlx::query_scalar(rule).fetch_one(app.database.pool()).await.unwrap();
    let rule = rule.expect("the run wrote a rule");
    let done = Arc::new(AtomicU64::new(0));
    let mut writer = tokio::spawn(work(app.database.pool().clone(), Folder::of(&app), rule, done.clone()));
    for n in 1..=VERIFICATIONS {
        let before = done.load(SeqCst);
        let level = if n % 4 == 0 { "blobs" } else { "rows" };
        let ended = verify(&app, &["--level", level]).await;
        assert_eq!(ended.code, Some(0), "{n}: {}\n{}", ended.stdout, app.result("verification_failures.csv"));
        assert!(done.load(SeqCst) > before, "{n}: the application stood still meanwhile");
        assert!(!writer.is_finished(), "{n}: {:?}", (&mut writer).await);
    }
    writer.abort();
}

#[tokio::test]
async fn a_status_that_turnitin_moved_on_is_no_difference_and_a_value_that_is_no_status_is() {
    let sample = sample().await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();
    let set = async |attempt: &str, values: &str| {
        let of = format!(
            "update submission_files set {values} where submission_file_type = 'submission' and submission_id =
             (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{attempt}')"
        );
        app.database.run(&of).await;
    };
    set(&all[0], "turnitin_status = 'processing', turnitin_submission_id = 'x', turnitin_report_url = 'y'")
        .await;
    set(&all[1], "turnitin_status = 'error', turnitin_error_message = 'no text'").await;
    set(&all[3], "turnitin_status = null").await;
    verify(&app, &[]).await.expect(0);

    set(&all[2], "turnitin_status = 'completex'").await;
    // Beside a status that moved on, another change is found, and it alone.
    set(&all[0], "file_name = file_name || 'x'").await;
    verify(&app, &[]).await.expect(1);
    let mut expected: Vec<(String, String)> = [(0, "file_names"), (2, "file_types")]
        .into_iter()
        .flat_map(|(n, check)| [check, "receipt_unchanged"].map(|check| (all[n].clone(), check.to_owned())))
        .collect();
    expected.sort();
    assert_eq!(failures(&app), expected);
    let csv = app.result("verification_failures.csv");
    assert!(!csv.contains(&format!("{},file_types", all[0])), "{csv}");
}
