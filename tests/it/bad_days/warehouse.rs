//! Odd values in the warehouse, as SQL Server sends them: no value is guessed, no neighbour suffers.

use std::fs;

use rogo_migrate::run::{Prediction, Summary};

use super::{plain_sample, watched};
use crate::support::{
    app::{Sample, TestApp},
    process::within,
    tds::{
        self, TdsServer,
        cells::{Cell, Type},
        data::{Data, Table},
    },
};

/// What is odd: in which table and column, the value, and what becomes of the row.
type Case = (&'static str, &'static str, fn() -> Cell, &'static str);

const REPORTS: &[Case] = &[
    ("a NUL in a name", "Exercise", || text("3FN11 WR\0 Attempt 1"), "report_invalid"),
    ("a NUL in the notes", "MarkerNotes", || text("a\0b"), "report_invalid"),
    (
        "a lone surrogate in the notes",
        "MarkerNotes",
        || Cell::Units(vec![0x41, 0xd83c, 0x42]),
        "report_invalid",
    ),
    ("a lone surrogate in the grade", "Grade", || Cell::Units(vec![0xdc00]), "report_invalid"),
    ("a whole emoji in the notes", "MarkerNotes", || text("🎓"), "migrated"),
    ("a replacement character", "MarkerNotes", || text("\u{fffd}"), "migrated"),
    ("a mark of 1e39", "MarksAchieved", || text("1e39"), "report_invalid"),
    ("a mark of 1e400", "MarksAchieved", || text("1e400"), "report_invalid"),
    ("infinity", "GradePercent", || text("Infinity"), "report_invalid"),
    ("not a number", "GradePercent", || text("NaN"), "report_invalid"),
    ("a decimal comma", "GradePercent", || text("12,5"), "report_invalid"),
    ("a hexadecimal number", "MarksAvailable", || text("0x64"), "report_invalid"),
    ("an exponent", "MarksAchieved", || text("4.55E+1"), "migrated"),
    ("a decimal of many digits", "MarksAchieved", || text("45.12345678901234567890123456789"), "migrated"),
    ("a negative mark", "MarksAchieved", || text("-1.5"), "migrated"),
    ("words for a mark", "MarksAchieved", || text("forty"), "report_invalid"),
    ("the year 1900", "DateInserted", || text("1900-01-01 00:00:00"), "migrated"),
    ("the year 9999", "DateInserted", || text("9999-12-31 23:59:59.9999999"), "migrated"),
    ("a day that is none", "DateInserted", || text("2023-02-29 10:00:00"), "report_invalid"),
    ("a day the British way", "DateInserted", || text("31/12/2023 10:00"), "report_invalid"),
    ("no date", "DateInserted", || Cell::Null, "report_incomplete"),
    ("a blank grade", "Grade", || text("  "), "report_incomplete"),
    ("a section with colons", "TISectionId", || text("a::b"), "context_id_invalid"),
    ("one word", "Exercise", || text("3FN11"), "exercise_invalid"),
    ("no such assessment", "Exercise", || text("9ZZ99 XX Attempt 1"), "assessment_missing"),
    ("wildcards in the exercise", "Exercise", || text("% _ Attempt 1"), "assessment_missing"),
    ("a grade that was missed", "Grade", || text("GRADE MISSED"), "grade_missed"),
    ("malpractice of no level", "Grade", || text("Malpractice"), "malpractice_level_missing"),
    ("malpractice of another level", "Grade", || text("Malpractice Monstrous"), "malpractice_level_unknown"),
    ("a note of 1 MB", "MarkerNotes", || text(&"ü".repeat(500_000)), "migrated"),
];

const SCORES: &[Case] = &[
    ("a score of 1e39", "Score", || text("1e39"), "score_incomplete"),
    ("a score with a comma", "Score", || text("12,5"), "score_incomplete"),
    ("no score", "Score", || Cell::Null, "score_incomplete"),
    ("no label", "ScoreLabelCorrected", || text(" "), "score_incomplete"),
    ("a label that no section has", "ScoreLabelCorrected", || text("Question 99"), "section_missing"),
    ("a NUL in a comment", "MarkerComment", || text("\0"), "score_incomplete"),
    ("a lone surrogate in a comment", "MarkerComment", || Cell::Units(vec![0xd800]), "score_incomplete"),
];

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Makes a column one of texts, as exports and careless schemas have them.
fn as_text(table: &mut Table, column: usize) {
    let scale = match table.columns[column].1 {
        Type::Decimal(_, scale) => u32::from(scale),
        _ => 0,
    };
    table.columns[column].1 = Type::NVarCharMax;
    for row in &mut table.rows {
        let said = match &row[column] {
            Cell::Float(number) => number.to_string(),
            #[expect(clippy::cast_precision_loss, reason = "a mark has few digits")]
            Cell::Decimal(number) => (*number as f64 / f64::from(10_u32.pow(scale))).to_string(),
            Cell::Local(time) => time.to_string(),
            _ => continue,
        };
        row[column] = Cell::Text(said);
    }
}

/// Puts each case into its own attempt's first row, from the `from`th attempt on.
fn plant(table: &mut Table, cases: &[Case], attempts: &[i64]) {
    for (_, column, ..) in cases {
        let column = table.column(column).unwrap();
        as_text(table, column);
    }
    let key = table.column("AttemptId").unwrap();
    for ((_, column, value, _), attempt) in cases.iter().zip(attempts) {
        let column = table.column(column).unwrap();
        let row = table.rows.iter_mut().find(|row| row[key] == Cell::Int(*attempt)).unwrap();
        row[column] = value();
    }
}

async fn odd_sample() -> Sample {
    let mut sample = plain_sample((REPORTS.len() + SCORES.len() + 3) as u64).await;
    let mut data = Data::load(&sample.path("warehouse")).unwrap();
    let csv = fs::read_to_string(sample.path("submission_files.csv")).unwrap();
    let attempts: Vec<i64> = csv::Reader::from_reader(csv.as_bytes())
        .records()
        .map(|row| row.unwrap()[4].parse().unwrap())
        .collect();
    plant(&mut data.tables[0], REPORTS, &attempts);
    plant(&mut data.tables[1], SCORES, &attempts[REPORTS.len()..]);
    sample.tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    sample
}

#[tokio::test]
async fn every_odd_value_fails_its_own_row_and_says_which_column() {
    let sample = odd_sample().await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let outcomes = app.outcomes();
    let cases: Vec<&Case> = REPORTS.iter().chain(SCORES).collect();
    let mut wrong = Vec::new();
    for (row, (what, _, _, expected)) in (1..).zip(&cases) {
        let (kind, code) = &outcomes[&row];
        let found = if kind == "migrated" { kind } else { code };
        if found != expected {
            wrong.push(format!("row {row}, {what}: {found} instead of {expected}"));
        }
    }
    let failed = app.result("submissions_failed_migration.csv");
    assert!(wrong.is_empty(), "{wrong:#?}\n{failed}");
    let mut reader = csv::Reader::from_reader(failed.as_bytes());
    let messages: Vec<String> =
        reader.records().map(|row| row.unwrap().iter().next_back().unwrap().to_owned()).collect();
    let failing = cases.iter().filter(|(_, _, _, expected)| *expected != "migrated");
    for ((what, column, _, code), message) in failing.zip(&messages) {
        let named = message.contains(column) || !code.ends_with("_invalid") && !code.ends_with("_incomplete");
        assert!(
            message.starts_with(&format!("{code}: "))
                && (named || *code == "exercise_invalid" || *code == "context_id_invalid"),
            "{what}: {message}"
        );
        assert!(message.len() < 400 && !message.contains('\0'), "{what}: {message}");
    }
    for row in cases.len() as u64 + 1..=cases.len() as u64 + 3 {
        assert_eq!(outcomes[&row].0, "migrated", "a neighbour");
    }
    let years =
        "select count(*) from assignment_submissions where lti_launch_id like 'rogo_%' and created_at in
        ('1900-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00')";
    assert_eq!(app.database.number(years).await, 2);
}

#[tokio::test]
async fn a_warehouse_that_is_being_loaded_anew_blames_no_row() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    sample.tds.script.empty_tables(true);
    let held = app.run(&["shard", "--shard", "0", "--give-up-after", "1s"]).await.expect(75);
    assert!(held.stderr.contains("is being loaded, or was emptied"), "{}", held.stderr);
    sample.tds.script.empty_tables(false);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 13);
}

/// Marks of the sections of everything that was moved.
async fn section_marks(app: &TestApp<'_>) -> i64 {
    let marks = "select count(*) from submission_section_marks m join assignment_submissions s on s.id = m.submission_id
        where s.lti_launch_id like 'rogo_%'";
    app.database.number(marks).await
}

#[tokio::test]
async fn scores_that_are_being_loaded_anew_cost_no_row_its_marks() {
    let sample = plain_sample(12).await;
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    let app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    sample.tds.script.empty_table("Rogo_AssessmentReportScores", 0..usize::MAX);
    let held = app.run(&["shard", "--shard", "0", "--give-up-after", "1s"]).await.expect(75);
    let says = "Rogo_AssessmentReportScores is being loaded, or was emptied";
    assert!(held.stderr.contains(says), "{}", held.stderr);
    assert_eq!(section_marks(&app).await, 0);
    sample.tds.script.empty_tables(false);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 13);
    let marks = section_marks(&app).await;
    assert_eq!((marks, marks > 0), (section_marks(&undisturbed).await, true));
}

#[tokio::test]
async fn a_warehouse_that_holds_no_score_at_all_is_moved_as_it_is_and_said_aloud() {
    let mut sample = plain_sample(5).await;
    let mut data = Data::load(&sample.path("warehouse")).unwrap();
    let scores = &data.tables[1];
    let columns: Vec<_> = scores.columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    data.tables[1] = Table::new(&scores.name, &columns, Vec::new());
    sample.tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    let export = sample.path("warehouse").join("Rogo_AssessmentReportScores.csv");
    let full = fs::read_to_string(&export).unwrap();
    let head = |lines: usize| full.split_inclusive('\n').take(lines).collect::<String>();
    fs::write(&export, head(1)).unwrap();
    let place = format!("file://{}", sample.path("warehouse").display());
    let folder: &[&str] = &["--warehouse", &place];
    for warehouse in [&[], folder] {
        no_scores_are_said_aloud(&TestApp::new(&sample).await, warehouse).await;
    }
    fs::write(&export, head(2)).unwrap();
    let app = TestApp::new(&sample).await;
    let one = app.run(&[&["plan", "--dry-run"], folder].concat()).await.expect(0);
    assert!(!one.stdout.contains("warning: "), "{}", one.stdout);
}

async fn no_scores_are_said_aloud(app: &TestApp<'_>, warehouse: &[&str]) {
    let says = "no_scores: the warehouse holds 5 reports and not one score";
    let text = format!("  warning: {says}");
    for command in [&["plan", "--dry-run"][..], &["plan", "--dry-run", "--predict"], &["plan"], &["plan"]] {
        let ended = app.run(&[command, warehouse].concat()).await.expect(0);
        assert!(ended.stdout.contains(&text), "{command:?}: {}", ended.stdout);
    }
    let json = app.run(&[&["plan", "--json"], warehouse].concat()).await.expect(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["warnings"][0]["code"], "no_scores");
    let json = app.run(&[&["plan", "--predict", "--json"], warehouse].concat()).await.expect(0).stdout;
    let predicted: serde_json::Value = serde_json::from_str(&json).unwrap();
    let to_mend = predicted["to_mend"].as_array().unwrap();
    assert!(to_mend.iter().any(|mend| mend["what"] == "no_scores"), "{to_mend:?}");
    let ended = app.run(&[&["run"], warehouse].concat()).await.expect(0);
    assert!(ended.stderr.contains(&text), "{}", ended.stderr);
    assert!(ended.stdout.contains(&format!("warning: {says}")), "{}", ended.stdout);
    assert_eq!((app.result("migrated.csv").lines().count(), section_marks(app).await), (6, 0));
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(summary["warnings"][0]["code"], "no_scores");
    assert!(app.result("report.html").contains(says));
}

/// A comment of a megabyte on the first score of every attempt.
async fn large_sample(rows: u64) -> Sample {
    let mut sample = plain_sample(rows).await;
    let mut data = Data::load(&sample.path("warehouse")).unwrap();
    let table = &mut data.tables[1];
    let (key, comment) = (table.column("AttemptId").unwrap(), table.column("MarkerComment").unwrap());
    let mut before = Cell::Null;
    for (number, row) in table.rows.iter_mut().enumerate() {
        if row[key] != before {
            row[comment] = Cell::Text(format!("{number} ").repeat(MIB / (number.to_string().len() + 1)));
            before = row[key].clone();
        }
    }
    sample.tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    sample
}

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_prediction_needs_one_connection_however_many_parts_the_facts_have() {
    let sample = large_sample(24).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_WAREHOUSE_POOL", "1");
    // A chunk for each shard, of four rows whose facts are a little more than an answer has room for.
    app.set("ROGO_SHARDS", "6");
    let predicted = within("it is predicted", app.run(&["plan", "--predict", "--json"])).await.expect(0);
    let prediction: Prediction = serde_json::from_str(&predicted.stdout).unwrap();
    assert_eq!(prediction.shards.iter().map(|shard| shard.migrated).collect::<Vec<_>>(), [4; 6]);
    app.run(&["run"]).await.expect(0);
    let summary: Summary = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert!(summary.prediction.unwrap().same);
}

#[tokio::test]
async fn comments_of_a_megabyte_on_every_row_take_little_memory_and_arrive_whole() {
    let sample = large_sample(120).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let (_, most) = watched(&app, "shard --shard 0", &[], 0).await;
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 121);
    let large = "select count(*) from submission_section_marks where octet_length(feedback) > 1000000";
    assert_eq!(app.database.number(large).await, 120);
    app.run(&["verify", "--recheck", "0s"]).await.expect(0);
    assert!((1..200_000).contains(&most), "{most} KiB");
}
