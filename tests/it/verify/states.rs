//! What a verification says if not everything can be compared, or if the run is not one to verify.

use std::fs;

use serde_json::{Value, json};

use super::{check, corruptions::in_folders, failures, small, small_files, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
    postgres::TestServer,
    process::{ended, said},
    proxy::Proxy,
};

/// The checks that find what the last test of this file changes.
pub(super) const FOUND: [&str; 7] = [
    "files_count_note",
    "outcome_ids",
    "receipt_unchanged",
    "report_present",
    "skipped_claims",
    "source_unchanged",
    "submission_file_count",
];

async fn sample(rows: u64) -> Sample {
    Sample::in_folder(rows, 31, small).await
}

fn store(app: &TestApp<'_>, name: &str) -> std::path::PathBuf {
    app.out.path().join("run-store/rogo").join(name)
}

#[tokio::test]
async fn a_run_without_a_result_is_not_verified_and_an_incomplete_one_only_in_part() {
    let sample = sample(24).await;
    let app = in_folders(&sample).await;
    let ended = verify(&app, &[]).await.expect(78);
    assert!(ended.stderr.contains("there is no plan at"), "{}", ended.stderr);
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    let ended = verify(&app, &[]).await.expect(75);
    assert!(ended.stderr.contains("run rogo has no result yet"), "{}", ended.stderr);
    app.run(&["finalize"]).await.expect(69);
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level rows: 12 rows"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("the run is INCOMPLETE: 12 of 24 rows have no outcome"),
        "{}",
        ended.stdout
    );

    app.run_as(&app.database.removers_url(), &["rollback", "--yes", "--reason", "a test"]).await.expect(0);
    let ended = verify(&app, &[]).await.expect(78);
    assert!(ended.stderr.contains("run rogo was rolled back"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_all_else_is_compared() {
    let sample = sample(12).await;
    let mut app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let elsewhere = format!("file://{}", app.out.path().join("elsewhere").display());
    verify(&app, &["--verify-store", &elsewhere]).await.expect(0);
    let result = verification(&app);
    // The user who moved the rows owns the folders.
    assert_eq!((&result["independent"], &result["role"]), (&json!(false), &json!("verifier")));
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(result["host"], machine.trim(), "the machine that verified");
    let read = result["database"].as_str().unwrap();
    assert!(read.starts_with(&format!("{} at 127.0.0.1:", app.database.name())), "{read}");
    let digest = result["program_sha256"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    assert!(app.out.path().join("elsewhere/rogo/results/verification.json").exists());
    assert!(!store(&app, "results/verification.json").exists(), "the run store is only read");

    app.database.run("revoke select on submission_section_marks from verifier").await;
    verify(&app, &[]).await.expect(69);
    let result = verification(&app);
    for name in ["marks_present", "marks_sections", "marks_values", "marks_comments"] {
        let why = check(&result, name)["not_possible"].as_str().unwrap();
        assert!(why.contains("may not read") && why.contains("submission_section_marks"), "{why}");
    }
    assert_eq!(check(&result, "grade_final")["not_possible"], Value::Null);
    app.database.run("grant select on submission_section_marks to verifier").await;

    fs::rename(sample.path("warehouse"), sample.path("gone")).unwrap();
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART"), "{}", ended.stdout);
    let result = verification(&app);
    for (name, is_possible) in [
        ("grade_marks", false),
        ("source_unchanged", false),
        ("receipt_unchanged", true),
        ("file_urls", true),
    ] {
        assert_eq!(check(&result, name)["not_possible"] == Value::Null, is_possible, "{name}");
    }
    fs::rename(sample.path("gone"), sample.path("warehouse")).unwrap();

    app.set("ROGO_SUBMISSIONS", sample.path("gone.csv").display().to_string());
    verify(&app, &[]).await.expect(69);
    let result = verification(&app);
    let why = check(&result, "file_names")["not_possible"].as_str().unwrap();
    assert!(why.contains("gone.csv cannot be read"), "{why}");

    let another = fs::read_to_string(sample.path("submission_files.csv")).unwrap() + "\n";
    fs::write(sample.path("another.csv"), another).unwrap();
    app.set("ROGO_SUBMISSIONS", sample.path("another.csv").display().to_string());
    let ended = verify(&app, &[]).await.expect(78);
    assert!(ended.stderr.contains("submission_files.csv changed since the run began"), "{}", ended.stderr);
}

#[tokio::test]
async fn nothing_is_verified_while_one_of_the_eight_tables_may_not_be_read() {
    let sample = Sample::in_folder(40, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    for table in rogo_migrate::ports::Table::ALL {
        let name = table.name();
        app.database.run(&format!("revoke select on {name} from verifier")).await;
        let ended = verify(&app, &[]).await.expect(69);
        assert!(ended.stdout.starts_with("VERIFIED IN PART"), "{name}: {}", ended.stdout);
        let result = verification(&app);
        // Of grades each submission has one, which is looked up by its submission.
        let lacking = if name == "submission_grades" { "grade_present" } else { "nothing_surplus" };
        let why = check(&result, lacking)["not_possible"].as_str();
        assert!(why.is_some_and(|why| why.contains(name)), "{name}: {why:?}");
        app.database.run(&format!("grant select on {name} to verifier")).await;
    }
    verify(&app, &[]).await.expect(0);
}

/// A surplus row that a policy hides from the verifier: no statement of that role shows it.
#[tokio::test]
async fn a_table_of_which_a_policy_hides_rows_is_not_vouched_for() {
    let sample = Sample::in_folder(12, 39, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    app.database
        .run(
            "insert into submission_files (id, submission_id, file_name, original_file_name, file_url, azure_blob_name)
             select 'surplus', submission_id, 'x', 'x', 'x', azure_blob_name from submission_files limit 1;
             alter table submission_files enable row level security;
             create policy some_rows on submission_files for select to verifier using (id <> 'surplus')",
        )
        .await;
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART"), "{}", ended.stdout);
    let says = "row security is active on submission_files: a policy may hide rows from this role; grant it bypassrls";
    assert_eq!(check(&verification(&app), "nothing_surplus")["not_possible"], says);

    app.database.run("alter table submission_files disable row level security").await;
    verify(&app, &[]).await.expect(1);

    // Nor are rows moved by a role of which a policy may hide what stands already.
    app.database
        .run(
            "alter table lti_launch_sessions enable row level security;
             create policy own_rows on lti_launch_sessions to migrator using (consumer_key = 'x') with check (true)",
        )
        .await;
    let ended = app.run(&["run", "--run", "again"]).await.expect(78);
    let says = "row security is active on lti_launch_sessions for this user; grant it bypassrls";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}

#[tokio::test]
async fn a_changed_warehouse_a_changed_outcome_and_a_skip_without_cause_are_found() {
    let sample = Sample::in_folder(300, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let attempts = app.migrated();

    // The report of one attempt is gone.
    let reports = sample.path("warehouse/Rogo_AssessmentReport.csv");
    let mut others = Csv::read(&reports);
    let place = others.place("AttemptId");
    others.rows.retain(|row| row[place].trim() != attempts[0]);
    others.write(&reports);
    // Segments name another submission, and lack a note.
    for entry in fs::read_dir(store(&app, "segments/0")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let [named, one_less] = [1, 2].map(|of| format!("\"attempt\":{},", attempts[of]));
        let changed = text.lines().map(|line| {
            let line = line.replace("files_count_differs", "names_from_url");
            let line = if line.contains(&one_less) { with_a_file_less(&line) } else { line };
            if line.contains(&named) { line.replace("\"user_id\":\"", "\"user_id\":\"x") } else { line }
        });
        fs::write(&path, changed.map(|line| line + "\n").collect::<String>()).unwrap();
    }
    // Segment and row agree that one has a file less than the input names.
    app.database
        .run(&format!(
            "update assignment_submissions set file_count = file_count - 1 where lti_launch_id like 'rogo\\_{}\\_%'",
            attempts[2]
        ))
        .await;
    // An older submission, for which a row was skipped, is gone.
    let skipped = app.result("skipped.csv");
    let held =
        skipped.lines().find(|line| line.contains(",already_migrated,")).unwrap().split(',').next().unwrap();
    app.database
        .run(&format!("delete from assignment_submissions where lti_launch_id like 'rogo\\_{held}\\_%'"))
        .await;

    verify(&app, &[]).await.expect(1);
    let found = failures(&app);
    for (attempt, check) in [
        (attempts[0].as_str(), "report_present"),
        (&attempts[0], "source_unchanged"),
        (&attempts[1], "outcome_ids"),
        (&attempts[2], "submission_file_count"),
        (&attempts[2], "receipt_unchanged"),
        (held, "skipped_claims"),
    ] {
        assert!(found.contains(&(attempt.to_owned(), check.to_owned())), "{attempt} {check}: {found:?}");
    }
    let checks: std::collections::BTreeSet<&str> = found.iter().map(|(_, check)| check.as_str()).collect();
    assert_eq!(checks.into_iter().collect::<Vec<_>>(), FOUND);
}

/// A line of a segment whose outcome counts a file less.
fn with_a_file_less(line: &str) -> String {
    let (before, rest) = line.split_once("\"files\":").unwrap();
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap();
    let files: u32 = rest[..end].parse().unwrap();
    format!("{before}\"files\":{}{}", files - 1, &rest[end..])
}

/// Moves lost rows of all shards again, as the pods of the chart do: no process merges.
async fn redo(app: &mut TestApp<'_>) {
    app.set("ROGO_REDO", "lost");
    app.set("ROGO_REASON", "failover");
    for shard in ["0", "1"] {
        app.run(&["shard", "--shard", shard]).await.expect(0);
    }
    app.unset("ROGO_REDO");
    app.unset("ROGO_REASON");
}

#[tokio::test]
async fn rows_that_are_moved_again_beside_a_complete_result_are_not_verified_before_they_are_merged() {
    let sample = sample(24).await;
    let mut app = in_folders(&sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run", "--shards", "2"]).await.expect(0);
    app.lose(&app.migrated()[0]).await;
    redo(&mut app).await;
    let status = app.run(&["status"]).await.expect(75);
    assert!(!status.stdout.contains("COMPLETE"), "{}", status.stdout);
    assert!(status.stdout.contains(" moved again "), "{}", status.stdout);
    let ended = verify(&app, &[]).await.expect(75);
    // No row of shard 0 was lost: its process wrote nothing that the result could lack.
    let said = "run rogo: rows of shard(s) 1 have been moved since the last result, and are not merged yet";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);

    app.run(&["finalize"]).await.expect(0);
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
    verify(&app, &[]).await.expect(0);
}

#[tokio::test]
async fn a_pod_that_verifies_beside_a_job_of_lost_rows_waits_for_that_jobs_own_finalizer() {
    let sample = sample(24).await;
    let mut app = in_folders(&sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run", "--shards", "2"]).await.expect(0);
    app.lose(&app.migrated()[0]).await;
    for (name, value) in [
        ("ROGO_POD", "r-rogo-v-1-x"),
        ("ROGO_NAMESPACE", "ns"),
        ("ROGO_EPOCH", "1-abc"),
        ("ROGO_SHARD_JOB", "r-rogo-s-2"),
    ] {
        app.set(name, value);
    }
    let verifier = app.database.verifiers_url();
    let mut waiting = app.command_as(&verifier, &["verify", "--recheck", "0s"]).spawn().unwrap();
    said(&mut waiting, "Job r-rogo-s-2 moves lost rows again, and the result is from before").await;
    redo(&mut app).await;
    app.run(&["finalize"]).await.expect(0);
    let ended = ended(&mut waiting).await.expect(0);
    assert!(ended.stdout.contains("VERIFIED at level rows: 24 rows"), "{}", ended.stdout);
}

/// Blobs that are about to go, or that a finalizer could not remove, are no difference; rows do not depend on them.
#[tokio::test]
async fn what_killed_processes_left_is_removed_before_blobs_are_compared() {
    let sample = sample(12).await;
    let mut app = in_folders(&sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run"]).await.expect(0);
    let swept = app.summary();
    let mut sweeping = swept.clone();
    sweeping["sweeping"] = true.into();
    let mut failed = swept.clone();
    let detail = "blobs could not be removed: no right; to try again: THE LINE";
    failed["warnings"] = json!([{"code": "sweep_failed", "detail": detail}]);
    let mended = format!("can be verified when this is mended, and level rows before: {detail}");
    for (summary, says) in [
        (failed, mended.as_str()),
        (
            sweeping,
            "its finalizer is removing blobs that killed processes left; if none is at work any more, run finalize again \
             (rogo-migrate status ",
        ),
    ] {
        fs::write(store(&app, "results/summary.json"), summary.to_string()).unwrap();
        for level in ["blobs", "content"] {
            let ended = verify(&app, &["--level", level]).await.expect(75);
            assert!(ended.stderr.contains("run rogo: ") && ended.stderr.contains(says), "{}", ended.stderr);
        }
        verify(&app, &[]).await.expect(0);
        verify(&app, &["--shard", "0/2"]).await.expect(0);
    }
    for (name, value) in [("ROGO_POD", "r-rogo-v-1-x"), ("ROGO_NAMESPACE", "ns"), ("ROGO_EPOCH", "1-abc")] {
        app.set(name, value);
    }
    let verifier = app.database.verifiers_url();
    let mut pods = ["rows", "blobs"].map(|level| {
        let store = format!("file://{}/{level}", app.out.path().display());
        let arguments = ["verify", "--recheck", "0s", "--level", level, "--verify-store", &store];
        app.command_as(&verifier, &arguments).spawn().unwrap()
    });
    let [of_rows, of_blobs] = &mut pods;
    said(of_blobs, "its finalizer is removing blobs that killed processes left").await;
    let is_verified =
        |level: &str, stdout: &str| stdout.contains(&format!("VERIFIED at level {level}: 12 rows"));
    let of_rows = ended(of_rows).await.expect(0);
    assert!(is_verified("rows", &of_rows.stdout), "{}", of_rows.stdout);
    app.run(&["finalize"]).await.expect(0);
    let of_blobs = ended(of_blobs).await.expect(0);
    assert!(is_verified("blobs", &of_blobs.stdout), "{}", of_blobs.stdout);
}

/// The rollback had removed them when its merge failed: no result says so.
#[tokio::test]
async fn a_rollback_that_no_result_tells_is_told_before_anything_is_compared() {
    let sample = sample(24).await;
    let mut app = in_folders(&sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run"]).await.expect(0);
    let made = ["results/summary.json", "absent.json"].map(|name| store(&app, name));
    let before = made.each_ref().map(|path| fs::read(path).unwrap());
    let [left, removed] = [0, 1].map(|place| app.migrated().swap_remove(place));
    // The application works on one: the rollback leaves it.
    app.database
        .run(&format!(
            "create table before as select id, updated_at from assignment_submissions;
             update assignment_submissions set updated_at = now() + interval '1 hour' where lti_launch_id like
                 'rogo\\_{left}\\_%'"
        ))
        .await;
    let ids = app.out.path().join("ids.txt");
    fs::write(&ids, format!("{left}\n{removed}\n")).unwrap();
    let rollback = ["rollback", "--attempts", ids.to_str().unwrap(), "--yes", "--reason", "a test"];
    let told = app.run_as(&app.database.removers_url(), &rollback).await.expect(69);
    assert!(told.stderr.contains("1 are left"), "{}", told.stderr);
    let as_before =
        "update assignment_submissions s set updated_at = b.updated_at from before b where b.id = s.id and
        s.updated_at <> b.updated_at";
    app.database.run(as_before).await;
    for (path, bytes) in made.iter().zip(&before) {
        fs::write(path, bytes).unwrap();
    }
    let told = verify(&app, &[]).await.expect(75);
    assert!(told.stderr.contains("run rogo: attempts were rolled back at "), "{}", told.stderr);
    assert!(told.stderr.contains("run finalize, then verify the run"), "{}", told.stderr);
    for (name, value) in [("ROGO_POD", "r-rogo-v-1-x"), ("ROGO_NAMESPACE", "ns"), ("ROGO_EPOCH", "1-abc")] {
        app.set(name, value);
    }
    let verifier = app.database.verifiers_url();
    let mut waiting = app.command_as(&verifier, &["verify", "--recheck", "0s"]).spawn().unwrap();
    said(&mut waiting, "attempts were rolled back at").await;
    app.run(&["finalize"]).await.expect(0);
    ended(&mut waiting).await.expect(0);
}

/// It meets the result of before at first, and tries again when its database answers.
#[tokio::test]
async fn a_pod_that_tries_again_verifies_the_result_as_it_stands_then() {
    let sample = sample(24).await;
    let mut app = in_folders(&sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["run"]).await.expect(0);
    let server = TestServer::get().address();
    let database = Proxy::start(server).await;
    let through = app.database.verifiers_url().replace(&server.to_string(), &database.address().to_string());
    let pod = [("ROGO_POD", "r-rogo-v-1-x"), ("ROGO_NAMESPACE", "ns"), ("ROGO_EPOCH", "1-abc")];
    database.refuse(true);
    let arguments = ["verify", "--recheck", "0s", "--log", "info", "--same-database"];
    let mut trying = app.command_as(&through, &arguments);
    let mut trying = trying.envs(pod).spawn().unwrap();
    said(&mut trying, "the step is tried again").await;
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize", "--accept", "lost", "--reason", "erased"]).await.expect(0);
    database.refuse(false);
    let ended = ended(&mut trying).await.expect(0);
    assert!(ended.stdout.contains("24 rows (23 migrated, 0 failed, 1 skipped)"), "{}", ended.stdout);
}
