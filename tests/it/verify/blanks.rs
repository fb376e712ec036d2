//! Rows that differ in their blanks only are one, for the run and for `verify`, whichever comes first.

use super::{corruptions::in_folders, small, verify};
use crate::support::{app::Sample, csv::Csv};

/// Puts a copy beside a row, with other blanks in these columns: before it, or behind it.
fn copy_beside(csv: &mut Csv, row: usize, columns: &[&str], is_before: bool) {
    let mut copy = csv.rows[row].clone();
    for column in columns {
        let cell = &mut copy[csv.place(column)];
        *cell = format!("\u{a0}{}\u{200b}", cell.replace(' ', " \u{a0}"));
    }
    csv.rows.insert(if is_before { row } else { row + 1 }, copy);
}

#[tokio::test]
async fn reports_and_mapping_rows_that_differ_in_blanks_only_are_one() {
    let sample = Sample::in_folder(8, 33, small).await;
    let app = in_folders(&sample).await;
    let mapping = sample.path("attempt_number_mapping.csv");
    let reports = sample.path("warehouse/Rogo_AssessmentReport.csv");
    for (path, columns) in [
        (&mapping, &["Unit Code", "Unit Code Version", "Assessment ID", "Submission"][..]),
        (&reports, &["TIUserId", "TISectionId", "Exercise", "Grade", "MarkerNotes"]),
    ] {
        let mut csv = Csv::read(path);
        copy_beside(&mut csv, 5, columns, true);
        copy_beside(&mut csv, 1, columns, false);
        csv.write(path);
    }
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.migrated().len(), 8, "{}", app.result("submissions_failed_migration.csv"));
    let ended = verify(&app, &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, app.result("verification_failures.csv"));
}
