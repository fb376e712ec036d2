//! A newer export beside the books of an earlier run.

use std::collections::{BTreeMap, BTreeSet};

use super::{gone, skipped, summary, target, write};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
    tds::{self, TdsServer, data::Data},
};

/// Rows of the sample.
const ROWS: u64 = 300;

/// What becomes of some attempts between the two exports.
struct Between {
    new: Vec<String>,
    gone: Vec<String>,
    gone_and_failed: String,
    cell_changed: Vec<String>,
    fact_changed: String,
    mapping_changed: String,
    lost: String,
    deleted: String,
}

impl Between {
    /// Chooses them among the rows that migrate without malpractice, each attempt in one row only.
    fn choose(sample: &Sample) -> Self {
        let submissions = Csv::read(&sample.path("submission_files.csv"));
        let reports = Csv::read(&sample.path("warehouse/Rogo_AssessmentReport.csv"));
        let (attempt, grade) = (reports.place("AttemptId"), reports.place("Grade"));
        let grades: BTreeMap<&str, &str> =
            reports.rows.iter().map(|row| (row[attempt].as_str(), row[grade].as_str())).collect();
        let place = submissions.place("Attempt ID");
        let of = |kind: &str, code: &str| -> Vec<String> {
            let expected = sample.expected();
            let rows = expected.iter().filter(|(_, row)| row.kind == kind && row.code == code);
            rows.filter(|(_, row)| row.notes.is_empty())
                .map(|(number, _)| submissions.rows[usize::try_from(number - 1).unwrap()][place].clone())
                .filter(|id| id.parse::<u32>().is_ok_and(|number| number.to_string() == *id))
                .filter(|id| submissions.rows.iter().filter(|row| row[place] == *id).count() == 1)
                .filter(|id| {
                    grades
                        .get(id.as_str())
                        .is_none_or(|grade| !grade.to_lowercase().starts_with("malpractice"))
                })
                .collect()
        };
        let mut plain = of("migrated", "").into_iter().step_by(3);
        let mut take = |count: usize| plain.by_ref().take(count).collect::<Vec<_>>();
        let (new, gone, cell_changed) = (take(3), take(3), take(3));
        let mut one = || take(1).remove(0);
        Self {
            fact_changed: one(),
            mapping_changed: one(),
            lost: one(),
            deleted: one(),
            gone_and_failed: of("failed", "no_files").remove(0),
            new,
            gone,
            cell_changed,
        }
    }
}

/// UTF-16 with a byte order mark, as SQL Server tools write it.
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// The first export, without the attempts that are new in the second.
fn first_export(sample: &Sample, between: &Between) -> String {
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    export.rows.retain(|row| !between.new.contains(&row[place]));
    write(sample, "first.csv", export.text())
}

/// The second one: other rows, other cells, columns from last to first, UTF-16.
fn second_export(sample: &Sample, between: &Between) -> String {
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    export.rows.retain(|row| !between.gone.contains(&row[place]) && row[place] != between.gone_and_failed);
    for id in &between.cell_changed {
        export.cell("Attempt ID", id, "Course Title").push_str(" (revised)");
    }
    export.cell("Attempt ID", &between.cell_changed[0], "Surname").push_str("-Smith");
    export.header.reverse();
    export.rows.iter_mut().for_each(|row| row.reverse());
    write(sample, "second.csv", utf16(&export.text()))
}

fn second_mapping(sample: &Sample, between: &Between) -> String {
    let mut mapping = Csv::read(&sample.path("attempt_number_mapping.csv"));
    "Attempt 7".clone_into(mapping.cell("Attempt ID", &between.mapping_changed, "Submission"));
    write(sample, "second_mapping.csv", mapping.text())
}

/// A warehouse in which one report has other notes.
async fn second_warehouse(sample: &Sample, attempt: &str) -> TdsServer {
    let folder = tempfile::tempdir().unwrap();
    for table in ["Rogo_AssessmentReport.csv", "Rogo_AssessmentReportScores.csv"] {
        let mut rows = Csv::read(&sample.path("warehouse").join(table));
        if table == "Rogo_AssessmentReport.csv" {
            rows.cell("AttemptId", attempt, "MarkerNotes").push_str(" Remarked.");
        }
        rows.write(&folder.path().join(table));
    }
    TdsServer::start(Data::load(folder.path()).unwrap(), tds::Options::default()).await.unwrap()
}

/// The outcome of each attempt that counts: kind or code, and the detail of a skip.
fn outcomes(app: &TestApp<'_>, folder: &str) -> BTreeMap<String, (String, String)> {
    let mut all = skipped(app, folder);
    for id in app.migrated_in(folder) {
        assert!(
            all.insert(id.clone(), ("migrated".into(), String::new())).is_none(),
            "{id} has two outcomes"
        );
    }
    for (id, code) in app.failed_in(folder) {
        all.insert(id, (code, String::new()));
    }
    all
}

#[tokio::test]
async fn every_row_of_a_later_export_has_the_right_outcome_and_nothing_that_stands_is_changed() {
    let sample = Sample::new(ROWS, 61).await;
    let between = Between::choose(&sample);
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_SUBMISSIONS", first_export(&sample, &between));
    app.run(&["run", "--run", "first", "--shards", "2", "--out", "first"]).await.expect(0);
    app.lose(&between.lost).await;
    app.delete_submission(&between.deleted).await;
    let before = target(&app).await;
    let then = outcomes(&app, "first");

    app.set("ROGO_SUBMISSIONS", second_export(&sample, &between));
    app.set("ROGO_MAPPING", second_mapping(&sample, &between));
    let warehouse = second_warehouse(&sample, &between.fact_changed).await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", warehouse.connection_string());
    let second = ["--run", "second", "--after", "first", "--shards", "3", "--out", "second"];
    let predicted =
        app.run(&[&["plan", "--predict", "--dry-run", "--json"], &second[..]].concat()).await.expect(0);
    let predicted: serde_json::Value = serde_json::from_str(&predicted.stdout).unwrap();
    app.run(&[&["run"], &second[..]].concat()).await.expect(0);

    // Every attempt of either export has one outcome, and it is the right one.
    let now = outcomes(&app, "second");
    let mut rest: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let mut check = |ids: &[String], code: &str, says: &[&str]| {
        for id in ids {
            let (found, detail) = &now[id];
            assert_eq!(found, code, "{id}: {detail}");
            for part in says {
                assert!(detail.contains(part), "{id}: {detail}");
            }
            assert!(rest.remove(id), "{id}");
        }
    };
    let one = std::slice::from_ref;
    check(&between.new, "migrated", &[]);
    check(
        &between.gone,
        "withdrawn",
        &["run first migrated it, row ", "no row of this input names the attempt"],
    );
    check(one(&between.gone_and_failed), "withdrawn", &["run first did not migrate it (no_files)"]);
    check(
        &between.cell_changed[..1],
        "changed_at_source",
        &["input: Surname, Course Title; the target holds"],
    );
    check(&between.cell_changed[1..], "changed_at_source", &["input: Course Title; the target holds"]);
    check(one(&between.fact_changed), "changed_at_source", &["input: MarkerNotes; the target holds"]);
    check(one(&between.mapping_changed), "changed_at_source", &["input: Submission; the target holds"]);
    for id in [&between.lost, &between.deleted] {
        check(one(id), "deleted_in_target", &["run first migrated it from row", "no longer holds it"]);
    }
    for id in rest {
        match then[id].0.as_str() {
            "migrated" => {
                assert_eq!(now[id].0, "already_migrated", "{id}");
                assert!(
                    now[id].1.starts_with("unchanged since run first migrated it from row "),
                    "{}",
                    now[id].1
                );
            }
            code => assert_eq!(now[id].0, code, "{id}"),
        }
    }

    // Nothing is doubled or overwritten.
    let after = target(&app).await;
    assert_eq!(gone(&before, &after), Vec::<String>::new());
    let doubled = "select count(*) from (select split_part(lti_launch_id, '_', 2) from assignment_submissions
        where lti_launch_id like 'rogo\\_%' group by 1 having count(*) > 1) doubled";
    assert_eq!(app.database.number(doubled).await, 0);

    // The books of both balance, alone and together.
    let (books_then, books_now) = (summary(&app, "first"), summary(&app, "second"));
    let count = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    let sum = |of: &serde_json::Value| of.as_object().unwrap().values().map(count).sum::<u64>();
    for books in [&books_then, &books_now] {
        let all = count(&books["books"]["migrated"])
            + sum(&books["books"]["failed"])
            + sum(&books["books"]["skipped"]);
        assert_eq!((count(&books["rows"]), books["result"].as_str()), (all, Some("COMPLETE")));
    }
    let skipped = &books_now["books"]["skipped"];
    let unchanged =
        now.values().filter(|(_, detail)| detail.starts_with("unchanged since run first")).count();
    let of_first = unchanged as u64
        + count(&skipped["changed_at_source"])
        + count(&skipped["deleted_in_target"])
        + (count(&skipped["withdrawn"]) - 1);
    assert_eq!(
        of_first,
        count(&books_then["books"]["migrated"]),
        "each row that the first run migrated, once"
    );
    assert_eq!(
        count(&books_now["rows"]),
        ROWS,
        "three are gone and one that failed, and all four are counted"
    );
    for (code, rows) in skipped.as_object().unwrap() {
        assert_eq!(predicted["outcomes"]["skipped"][code]["rows"], *rows, "{code} is predicted as it comes");
    }

    let verify = ["verify", "--recheck", "0s", "--run", "second", "--out", "second"];
    let verified = app.run_as(&app.database.verifiers_url(), &verify).await;
    assert_eq!(
        verified.code,
        Some(0),
        "{}\n{}",
        verified.stdout,
        app.result("second/verification_failures.csv")
    );
    let again = app.run(&[&["run"], &second[..]].concat()).await.expect(0);
    assert!(again.stderr.contains("existed already"), "{}", again.stderr);
    assert!(again.stderr.contains(" submissions already, the newest of 20"), "{}", again.stderr);
    assert_eq!(outcomes(&app, "second"), now, "run again, it says the same");
    let other = app.run(&["run", "--run", "second", "--shards", "3", "--out", "second"]).await.expect(78);
    let says = "the earlier run (--after) changed since the run began (from first to none)";
    assert!(other.stderr.contains(says), "{}", other.stderr);
}
