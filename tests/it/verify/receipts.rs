//! What the outcomes keep of rows and sources, compared with what stands now.

use std::fs;

use serde_json::{Value, json};

use super::{check, corruptions::in_folders, failures, small, small_files, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

/// The issue of one check in one attempt.
fn issue(app: &TestApp<'_>, attempt: &str, check: &str) -> String {
    let failures = Csv::of(&app.result("verification_failures.csv"));
    let found = failures.rows.iter().find(|line| line[0] == attempt && line[1] == check);
    found.unwrap_or_else(|| panic!("{check} of {attempt}: {failures:?}"))[2].clone()
}

#[tokio::test]
async fn receipts_are_compared_for_every_migrated_row_and_sources_for_every_row() {
    let sample = Sample::in_folder(200, 35, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    let result = verification(&app);
    for (name, rows) in [("receipt_unchanged", &result["migrated"]), ("source_unchanged", &result["rows"])] {
        let found = check(&result, name);
        assert_eq!((&found["compared"], &found["different"]), (rows, &0.into()), "{found}");
    }
    assert!(result["migrated"] != result["rows"], "failed and skipped rows too");
}

#[tokio::test]
async fn a_mark_that_is_changed_after_the_run_is_named_by_its_column_and_may_be_accepted() {
    let sample = Sample::in_folder(24, 35, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let attempt = app.migrated().swap_remove(0);
    let sql = format!(
        "update submission_section_marks set marks_awarded = marks_awarded + 0.5 where id =
         (select min(m.id) from submission_section_marks m join assignment_submissions s on s.id = m.submission_id
          where split_part(s.lti_launch_id, '_', 2) = '{attempt}')"
    );
    app.database.run(&sql).await;
    app.run_as(&app.database.verifiers_url(), &["verify", "--recheck", "2s"]).await.expect(1);
    let expected = ["marks_values", "receipt_unchanged"].map(|check| (attempt.clone(), check.to_owned()));
    assert_eq!(failures(&app), expected);
    let told = issue(&app, &attempt, "receipt_unchanged");
    for part in
        ["submission_section_marks.marks_awarded", "rewritten after the commit (submission_section_marks)"]
    {
        assert!(told.contains(part), "{told}");
    }
    let told = issue(&app, &attempt, "marks_values");
    let (_, age) = told.split_once("; changed_after; seen for ").unwrap_or_else(|| panic!("{told}"));
    let age: u64 = age.strip_suffix(" s").unwrap().parse().unwrap();
    assert!((2..600).contains(&age), "it stood at both looks: {told}");
    let result = verification(&app);
    assert_eq!(check(&result, "marks_values")["changed_after"], 1);
    assert_eq!(check(&result, "receipt_unchanged")["changed_after"], 1);

    let accepted = app.out.path().join("accepted.csv");
    fs::write(&accepted, format!("Attempt ID,Reason,Person\n{attempt},remarked,A. Marker\n")).unwrap();
    let ended = verify(&app, &["--accept", accepted.to_str().unwrap()]).await.expect(0);
    assert!(ended.stdout.contains("; 2 accepted"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_changed_warehouse_and_a_receipt_that_was_tampered_with_are_found() {
    let sample = Sample::in_folder(24, 35, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated();

    let reports = sample.path("warehouse/Rogo_AssessmentReport.csv");
    let mut changed = Csv::read(&reports);
    "1.25".clone_into(changed.cell("AttemptId", &all[0], "GradePercent"));
    changed.write(&reports);
    let (named, receipt) = (format!("\"attempt\":{},", all[1]), "\"receipt\":{\"sha256\":\"");
    for entry in fs::read_dir(app.out.path().join("run-store/rogo/segments/0")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let tamper = |line: &str| match line.split_once(receipt) {
            Some((before, after)) if line.contains(&named) => {
                format!("{before}{receipt}{}{}\n", "0".repeat(8), &after[8..])
            }
            _ => format!("{line}\n"),
        };
        fs::write(&path, text.lines().map(tamper).collect::<String>()).unwrap();
    }

    verify(&app, &[]).await.expect(1);
    let mut expected = [
        (all[0].clone(), "grade_percentage".to_owned()),
        (all[0].clone(), "source_unchanged".to_owned()),
        (all[1].clone(), "receipt_unchanged".to_owned()),
        (String::new(), "run_receipt".to_owned()),
    ];
    expected.sort();
    assert_eq!(failures(&app), expected);
    let told = issue(&app, &all[1], "receipt_unchanged");
    assert!(told.contains("no row that stands was rewritten after the commit"), "{told}");
}

#[tokio::test]
async fn a_target_that_was_restored_from_a_dump_is_verified_and_a_change_in_it_is_found() {
    let sample = Sample::in_folder(60, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let xmin = "select sum(distinct xmin::text::bigint) from submission_grades";
    let before = app.database.number(&format!("select ({xmin})::bigint")).await;
    app.database.restore_from_a_dump();
    assert_ne!(app.database.number(&format!("select ({xmin})::bigint")).await, before, "new transaction ids");
    let attempt = app.migrated().swap_remove(0);
    let sql = "update submission_grades set overall_summary = coalesce(overall_summary, '') || 'x' where submission_id =
        (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{}')";
    app.database.run(&sql.replace("{}", &attempt)).await;
    verify(&app, &[]).await.expect(1);
    let found = ["grade_summary", "receipt_unchanged"].map(|check| (attempt.clone(), check.to_owned()));
    assert_eq!(failures(&app), found);
    let says = issue(&app, &attempt, "receipt_unchanged");
    assert!(says.contains("as after a restore"), "{says}");
}

#[tokio::test]
async fn in_a_restored_target_null_hides_no_difference_in_a_column_that_may_be_null() {
    let sample = Sample::in_folder(60, 7, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    app.database.restore_from_a_dump();
    // Also of markers' files, whose status is the column's default.
    app.database.run("update submission_files set turnitin_status = null").await;
    verify(&app, &[]).await.expect(0);
    let mut expected: Vec<(String, String)> = Vec::new();
    for (table, column, stands, becomes, check) in [
        ("submission_grades", "overall_summary", "is not null", "null", "grade_summary"),
        ("submission_grades", "malpractice_notes", "is null", "'noted'", "malpractice_notes"),
        ("submission_files", "uploaded_by", "is not null", "null", "file_uploader"),
    ] {
        let id = "split_part(lti_launch_id, '_', 2)::bigint";
        let of_before = expected.iter().map(|(attempt, _)| attempt.as_str());
        let taken = of_before.chain(["0"]).collect::<Vec<_>>().join(", ");
        let one = format!(
            "select min({id}) from assignment_submissions s join {table} t on t.submission_id = s.id
             where lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{{32}}$' and t.{column} {stands} and {id} not in ({taken})"
        );
        let attempt = app.database.number(&one).await.to_string();
        let of =
            format!("select id from assignment_submissions where lti_launch_id like 'rogo\\_{attempt}\\_%'");
        let sql = format!(
            "update {table} set {column} = {becomes} where submission_id = ({of}) and {column} {stands}"
        );
        app.database.run(&sql).await;
        expected.extend([check, "receipt_unchanged"].map(|check| (attempt.clone(), check.to_owned())));
    }
    verify(&app, &[]).await.expect(1);
    expected.sort();
    assert_eq!(failures(&app), expected);
}

#[tokio::test]
async fn marks_in_numeric_columns_are_compared_as_their_scale_rounds() {
    let sample = Sample::in_folder(12, 61, small).await;
    let app = in_folders(&sample).await;
    app.database
        .run(
            "alter table submission_section_marks alter column marks_awarded type numeric(8, 1);
             alter table submission_grades alter column percentage_score type numeric(6, 2);
             alter table submission_grades alter column total_marks_awarded type numeric",
        )
        .await;
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    let attempts = app.migrated();
    let of = |attempt: &str| {
        format!(
            "(select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{attempt}')"
        )
    };
    let sql = format!(
        "update submission_grades set percentage_score = percentage_score + 0.01 where submission_id = {};
         update submission_grades set total_marks_awarded = 'NaN' where submission_id = {};
         update submission_section_marks set marks_awarded = marks_awarded + 0.1 where submission_id = {}",
        of(&attempts[0]),
        of(&attempts[1]),
        of(&attempts[2])
    );
    app.database.run(&sql).await;
    verify(&app, &[]).await.expect(1);
    let mut expected = Vec::new();
    for (attempt, check) in attempts.iter().zip(["grade_percentage", "grade_marks", "marks_values"]) {
        expected
            .extend([(attempt.clone(), check.to_owned()), (attempt.clone(), "receipt_unchanged".to_owned())]);
    }
    expected.sort();
    assert_eq!(failures(&app), expected);
}

#[tokio::test]
async fn columns_that_triggers_are_known_to_alter_are_left_out_and_every_other_one_is_compared() {
    let sample = Sample::in_folder(12, 61, small).await;
    let mut app = in_folders(&sample).await;
    let altering = |function: &str, body: &str| {
        format!(
            "create function {function}() returns trigger language plpgsql security definer as $$ begin {body} end $$;"
        )
    };
    let after = |column: &str, table: &str| {
        format!(
            "if new.{column} not like '%~' then update {table} set {column} = {column} || '~' where id = new.id; end if; return null;"
        )
    };
    app.database
        .run(
            &[
                altering("before_grade", "new.final_grade := new.final_grade || '~'; return new;"),
                altering("after_file", &after("file_name", "submission_files")),
                altering("deferred_email", &after("email", "assignment_submissions")),
                "create trigger altering before insert on submission_grades for each row execute function before_grade();
                 create trigger altering after insert on submission_files for each row execute function after_file();
                 create constraint trigger altering after insert on assignment_submissions deferrable initially deferred
                     for each row execute function deferred_email();"
                    .to_owned(),
            ]
            .concat(),
        )
        .await;
    app.set("ROGO_BREAKER", "off");
    app.set("ROGO_REASON", "a test");
    app.run(&["run", "--run", "refused"]).await.expect(0);
    let altered = app.failed_in(".").into_iter().filter(|(_, code)| code == "target_altered").count();
    assert_eq!(altered, 12, "nothing is committed that was not decided");

    let columns = "submission_grades.final_grade,submission_files.file_name,assignment_submissions.email";
    app.set("ROGO_TARGET_ALTERS", columns);
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.contains("not compared, because target-alters names them: "), "{}", ended.stdout);
    let result = verification(&app);
    let line = |name: &str| check(&result, name);
    let all = &line("grade_percentage")["compared"];
    // It compares no other column.
    let grade = line("grade_final");
    assert_eq!((&grade["compared"], &grade["nothing_to_compare_with"]), (&json!(0), all), "{grade}");
    assert!(grade["not_possible"].as_str().is_some_and(|why| why.contains("--target-alters")), "{grade}");
    for name in ["file_names", "submission_learner"] {
        let other = line(name);
        assert_eq!((&other["compared"], &other["nothing_to_compare_with"]), (all, all), "{other}");
        assert_eq!(other["not_possible"], Value::Null, "{other}");
    }
    assert_eq!(line("grade_percentage")["nothing_to_compare_with"], json!(0));
    let remarks = result["remarks"].to_string();
    assert!(remarks.contains("grade_final had nothing to compare with in 12"), "{remarks}");
    for name in ["file_names", "submission_learner"] {
        assert!(!remarks.contains(&format!("{name} had nothing")), "it compared other columns: {remarks}");
    }
    let attempt = app.migrated().swap_remove(0);
    let sql = format!(
        "update submission_grades set percentage_score = percentage_score + 1 where submission_id =
         (select id from assignment_submissions where split_part(lti_launch_id, '_', 2) = '{attempt}')"
    );
    app.database.run(&sql).await;
    verify(&app, &[]).await.expect(1);
    let expected = ["grade_percentage", "receipt_unchanged"].map(|check| (attempt.clone(), check.to_owned()));
    assert_eq!(failures(&app), expected);
}
