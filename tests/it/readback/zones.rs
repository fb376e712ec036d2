//! A warehouse whose clocks stand in London, several attempts of one learner, marker files alone, and sizes
//! that lie between two tenths of a MB: what the generated sample does not hold.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};

use super::{
    Finished, Target, folder_sample,
    inputs::{Inputs, edit},
    oracle,
};
use crate::support::app::TestApp;

/// Local time as the warehouse has it, and UTC; of the day on which clocks go back the earlier of two.
const LONDON: [(&str, &str); 10] = [
    ("2024-01-15 09:00:00.000", "2024-01-15T09:00:00Z"),
    ("2024-03-31 00:59:59.999", "2024-03-31T00:59:59.999Z"),
    ("2024-03-31 02:00:00.000", "2024-03-31T01:00:00Z"),
    ("2024-07-01 00:30:00.1234569", "2024-06-30T23:30:00.123456Z"),
    ("2024-10-27 00:59:59", "2024-10-26T23:59:59Z"),
    ("2024-10-27 01:30:00.000", "2024-10-27T00:30:00Z"),
    ("2024-10-27 02:00:00.000", "2024-10-27T02:00:00Z"),
    // A date with an offset of its own is not read as local time.
    ("2024-10-27T01:30:00+05:30", "2024-10-26T20:00:00Z"),
    ("2024-07-01 12:00:00Z", "2024-07-01T12:00:00Z"),
    ("2024-07-01 12:00:00.5 -04:00", "2024-07-01T16:00:00.5Z"),
];
/// When clocks went forward.
const NO_SUCH_TIME: &str = "2024-03-31 01:30:00.000";
const UNREAL: u64 = 11;
const MARKER_ONLY: u64 = 12;
/// Three attempts of one learner, the newest of them neither last in the CSV nor the highest attempt number.
const ATTEMPTS: [(u64, &str, &str, &str); 3] = [
    (13, "Malpractice Severe", "2024-06-02 10:00:00", "Attempt 3"),
    (14, "Malpractice Considerable", "2024-06-03 10:00:00", "Attempt 2"),
    (15, "Malpractice Moderate", "2024-06-01 10:00:00", "Retake Attempt 1"),
];
const ROWS: u64 = 16;

fn london(text: &str) -> DateTime<Utc> {
    if let Some((_, utc)) = LONDON.iter().find(|(local, _)| *local == text) {
        return utc.parse().unwrap();
    }
    // The sample's other dates, none on a day on which clocks change.
    let at = oracle::utc(text);
    let day = text.split(' ').next().unwrap();
    let summers = [("2023-03-26", "2023-10-29"), ("2024-03-31", "2024-10-27"), ("2025-03-30", "2025-10-26")];
    let is_summer = summers.iter().any(|(begin, end)| *begin < day && day < *end);
    if is_summer { at - chrono::Duration::hours(1) } else { at }
}

fn prepare(sample: &Path) {
    edit(&sample.join("warehouse/Rogo_AssessmentReport.csv"), |line, report| {
        // Every tenth row of the sample has another attempt's report behind it.
        let row = if line > 10 { line - 1 } else { line };
        let set = |report: &mut BTreeMap<String, String>, column: &str, value: &str| {
            report.insert(column.to_owned(), value.to_owned());
        };
        if line == 11 {
            return;
        }
        if let Some((local, _)) = LONDON.get(usize::try_from(row).unwrap() - 1) {
            set(report, "DateInserted", local);
            // One column of dates for each: approved long ago, or not at all.
            set(report, "ResultsApproved", if row.is_multiple_of(2) { "" } else { local });
        }
        if row == UNREAL {
            set(report, "DateModified", NO_SUCH_TIME);
        }
        if let Some((_, grade, inserted, _)) = ATTEMPTS.iter().find(|(of, ..)| *of == row) {
            set(report, "Grade", grade);
            set(report, "DateInserted", inserted);
            set(report, "TIUserId", "one-learner");
            set(report, "TISectionId", "one-section");
            set(report, "Exercise", "5KX03 PQ Attempt 1");
        }
    });
    edit(&sample.join("attempt_number_mapping.csv"), |line, mapping| {
        let row = if line > 10 { line - 1 } else { line };
        if let Some((.., submission)) = ATTEMPTS.iter().find(|(of, ..)| *of == row) {
            mapping.insert("Submission".into(), (*submission).into());
            mapping.insert("Unit Code Version".into(), "24_01".into());
        }
    });
    edit(&sample.join("submission_files.csv"), |row, cells| {
        if row == MARKER_ONLY {
            for column in ["Learner File Names", "Learner Azure Blob URLs"] {
                cells.insert(column.into(), String::new());
            }
        }
    });
}

#[tokio::test]
async fn local_times_ties_of_sizes_and_a_learners_newest_rule_are_as_the_rules_say() {
    let plain = |options: &mut rogo_migrate::sample::SampleOptions| {
        options.plain = true;
        // A quarter of a MB: one file is 0.3 MB, three are 0.8 MB.
        options.file_bytes = "262144".parse().unwrap();
    };
    let sample = folder_sample(plain, ROWS, prepare).await;
    let mut app = TestApp::new(&sample).await;
    let target = Target::folder(&mut app);
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string());
    app.set("ROGO_WAREHOUSE_TIME_ZONE", "Europe/London");
    app.set("ROGO_MARKER_ONLY", "migrate");
    let inputs = Inputs::read(&sample.path(""));
    let of_learner: Vec<_> = ATTEMPTS.map(|(row, ..)| inputs.row(row)["Attempt ID"].clone()).into();
    for (attempt, (_, grade, ..)) in of_learner.iter().zip(ATTEMPTS) {
        assert_eq!(inputs.report(attempt.parse().unwrap())["Grade"], grade, "the edit met its row");
    }

    let run = Finished::run(&app, &[]).await;
    let outcomes = app.outcomes();
    assert_eq!(outcomes[&UNREAL], ("failed".to_owned(), "report_invalid".to_owned()));
    let migrating = (1..=ROWS).filter(|row| *row != UNREAL);
    let expected = run.expected(migrating, &london, &target);
    run.assert_equals(&expected);
    assert_eq!(expected.migrated.len() as u64, ROWS - 1);
    let rules: Vec<_> = run.after["malpractice_enforcements"].values().collect();
    assert_eq!(rules.len(), 1);
    assert_eq!(
        (rules[0]["attempt_number"].as_i64(), rules[0]["enforced_max_attempts"].as_i64()),
        (Some(2), Some(3))
    );
    let sizes: std::collections::BTreeSet<_> = run.after["assignment_submissions"]
        .values()
        .map(|row| row["total_file_size"].as_str().unwrap())
        .collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), ["0.3 MB", "0.8 MB"]);

    // Verify states the rules a second time: also that a submission may have no file of its learner here.
    let verify = ["verify", "--recheck", "0s"];
    let ended = app.run_as(&app.database.verifiers_url(), &verify).await.expect(0);
    assert!(ended.stdout.starts_with(&format!("VERIFIED at level rows: {ROWS} rows")), "{}", ended.stdout);
}
