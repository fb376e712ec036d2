//! Columns are found by name, whatever their order.

use rogo_migrate::{
    domain::{MAPPING_COLUMNS, SUBMISSION_COLUMNS},
    inputs::{CsvReader, Format, InputSource, MappingColumns, SubmissionColumns},
};

use super::{RUNTIME, file};

fn header_fault(header: &str) -> Option<String> {
    let (_folder, path) = file(header.as_bytes());
    RUNTIME.block_on(async {
        let reader = CsvReader::open(&InputSource::File(path), &Format::default()).await.unwrap();
        SubmissionColumns::find(&reader).err().map(|error| error.to_string())
    })
}

#[test]
fn every_required_column_must_stand_once_in_any_order() {
    let all = SUBMISSION_COLUMNS.to_vec();
    assert_eq!(header_fault(&all.join(",")), None);
    assert_eq!(header_fault(&all.iter().rev().copied().collect::<Vec<_>>().join(",")), None);
    assert_eq!(header_fault(&format!("x,x,,{},y", all.join(","))), None, "more columns, equal ones too");
    for column in SUBMISSION_COLUMNS {
        let without: Vec<&str> = all.iter().copied().filter(|name| *name != column).collect();
        let said = header_fault(&without.join(",")).unwrap();
        assert!(said.contains(&format!("required column is missing: \"{column}\"")), "{said}");
        let said = header_fault(&format!("{},{column}", all.join(","))).unwrap();
        assert!(said.contains(&format!("more than once: \"{column}\"")), "{said}");
    }
    let said = header_fault("Attempt ID,attempt id").unwrap();
    assert!(SUBMISSION_COLUMNS.iter().filter(|name| said.contains(&format!("\"{name}\""))).count() == 22);
    let said = header_fault(&all.join(";")).unwrap();
    assert!(said.contains("columns are missing") && said.contains("a semicolon stands between"), "{said}");
}

/// What stands in the place of a renamed column is named, if it is near or the only one that is not known.
#[test]
fn the_column_that_took_the_place_of_a_missing_one_is_named() {
    let with = |renamed: &[(&str, &str)], more: &str| {
        let names = SUBMISSION_COLUMNS
            .map(|name| renamed.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| *to));
        header_fault(&format!("{}{more}", names.join(","))).unwrap()
    };
    for (column, other) in [
        ("Learner Email", "Learner Mail"),
        ("Learner Email", "Learner E-Mail Address"),
        ("Surname", "Learner Surname"),
        ("Attempt ID", "Attempts IDs"),
        ("Course Title", "Title of Course"),
    ] {
        let said = with(&[(column, other)], "");
        let is_near = column != "Course Title";
        let says = if is_near { "looks like" } else { "is no column that is known here, and may be" };
        assert!(said.contains(&format!("\"{other}\" {says} \"{column}\"; correct the header")), "{said}");
    }
    // Not one that is expected itself, nor one of several that are far.
    let said = with(&[("Marker Azure Blob URLs", "x")], ",Remark");
    assert!(
        said.contains("correct the header, or export the file again") && !said.contains("may be"),
        "{said}"
    );
    assert!(!said.contains("looks like"), "{said}");
}

#[test]
fn cells_are_found_by_name_and_kept_as_they_came() {
    let names: Vec<&str> = SUBMISSION_COLUMNS.iter().rev().copied().chain(["Extra"]).collect();
    let cells: Vec<String> = names.iter().map(|name| format!("\" {name} \"")).collect();
    let (_folder, path) = file(format!("{}\n{}\n", names.join(","), cells.join(",")).as_bytes());
    let row = RUNTIME.block_on(async {
        let mut reader = CsvReader::open(&InputSource::File(path), &Format::default()).await.unwrap();
        let columns = SubmissionColumns::find(&reader).unwrap();
        let record = reader.next().await.unwrap().unwrap();
        assert_eq!(record.iter().last(), Some(" Extra "));
        assert_eq!(columns.attempt_id(record), " Attempt ID ");
        assert_eq!(record.get(columns.error()), " Error ");
        columns.row(record)
    });
    for (cell, name) in [
        (row.first_name, "First Name"),
        (row.surname, "Surname"),
        (row.learner_email, "Learner Email"),
        (row.attempt_id, "Attempt ID"),
        (row.assessment_id, "Assessment ID"),
        (row.course_title, "Course Title"),
        (row.rogo_user_id, "Rogo User ID"),
        (row.rogo_user_name, "Rogo User Name"),
        (row.learner_files_count, "Learner Files Count"),
        (row.marker_files_count, "Marker Files Count"),
        (row.learner_file_names, "Learner File Names"),
        (row.learner_blob_urls, "Learner Azure Blob URLs"),
        (row.marker_blob_urls, "Marker Azure Blob URLs"),
    ] {
        assert_eq!(cell, format!(" {name} "));
    }
}

#[test]
fn mapping_cells_are_found_by_name() {
    let text = format!("Extra,{}\nx,7,5HR03,24_01,A9,Attempt 2\n", MAPPING_COLUMNS.join(","));
    let (_folder, path) = file(text.as_bytes());
    RUNTIME.block_on(async {
        let mut reader = CsvReader::open(&InputSource::File(path), &Format::default()).await.unwrap();
        let columns = MappingColumns::find(&reader).unwrap();
        let row = columns.row(reader.next().await.unwrap().unwrap());
        assert_eq!(
            [row.attempt_id, row.unit_code, row.unit_version, row.assessment_id, row.submission],
            ["7", "5HR03", "24_01", "A9", "Attempt 2"]
        );
    });
}

/// Reads a submissions CSV of rows that differ from an ordinary one in these cells; `short` rows lack the last one.
fn read(rows: &[&[(&str, &str)]], short: bool) -> Result<u64, String> {
    let mut text = SUBMISSION_COLUMNS.join(",") + "\n";
    for cells in rows {
        let cell = |name: &str| {
            let given = cells.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
            given.unwrap_or(if name == "Attempt ID" { "7" } else { "" })
        };
        let values: Vec<&str> = SUBMISSION_COLUMNS.iter().map(|name| cell(name)).collect();
        text += &values[..values.len() - usize::from(short)].join(",");
        text.push('\n');
    }
    let (_folder, path) = file(text.as_bytes());
    RUNTIME.block_on(async {
        let mut reader = CsvReader::open(&InputSource::File(path), &Format::default()).await.unwrap();
        let columns = SubmissionColumns::find(&reader).unwrap();
        reader.expect(columns.layout());
        while reader.next().await.map_err(|error| error.to_string())?.is_some() {}
        Ok(reader.rows())
    })
}

/// The file of this many rows, of which the last have this id, and this Error.
fn with_spoilt(rows: usize, spoilt: usize, id: &'static str, error: &'static str) -> Result<u64, String> {
    let good: &[_] = &[("Attempt ID", "7"), ("Error", "")];
    let bad: &[_] = &[("Attempt ID", id), ("Error", error)];
    read(&[vec![good; rows - spoilt], vec![bad; spoilt]].concat(), false)
}

#[test]
fn a_file_with_one_spoilt_id_in_twenty_is_refused_and_fewer_or_a_stray_one_fail_their_rows() {
    for id in ["1.0E+07", "\"10,000,006\"", "########"] {
        for (rows, spoilt) in [(2, 1), (40, 19), (40, 2), (300, 100), (1_000, 50)] {
            let refused = with_spoilt(rows, spoilt, id, "").unwrap_err();
            let says = format!("{spoilt} of {rows} rows have something else than an id");
            assert!(refused.contains(&says), "{id}: {refused}");
            let first = format!("line {} {:?}", rows - spoilt + 2, id.trim_matches('"'));
            assert!(refused.contains(&first), "{id}: {refused}");
        }
        for (rows, spoilt) in [(3, 1), (20, 1), (41, 2), (1_000, 49)] {
            assert_eq!(with_spoilt(rows, spoilt, id, ""), Ok(rows as u64), "{id}");
        }
    }
}

#[test]
fn spoilt_ids_that_an_earlier_run_has_failed_are_taken_as_the_rows_of_its_failure_csv() {
    for (error, taken) in [
        ("attempt_id_invalid: \"\"1.0E+07\"\" is no id", true),
        ("attempt_id_invalid", true),
        ("file_missing: gone", false),
    ] {
        let error: &'static str = Box::leak(format!("\"{error}\"").into_boxed_str());
        let read = with_spoilt(10, 9, "1.0E+07", error);
        assert_eq!(read.is_ok(), taken, "{error}: {read:?}");
    }
}

#[test]
fn a_row_without_its_empty_last_cell_is_taken_only_if_no_cell_has_moved() {
    let count = |value: &'static str| [("Learner Files Count", value)];
    assert_eq!(read(&[&count("2")], true), Ok(1));
    let moved = read(&[&count("essay.docx")], true).unwrap_err();
    assert!(moved.contains("line 2") && moved.contains("22 cells where the header has 23"), "{moved}");
}
