//! What tools write that are not asked for RFC 4180: each of the four files is read right, or refused once.

use std::path::Path;

use proptest::prelude::*;
use rogo_migrate::{
    adapters::{blobs, warehouse::Export},
    domain::{AttemptId, Dialect, Escape, Facts, SUBMISSION_COLUMNS, SubmissionRow, Value},
    exit::Stop,
    inputs::{InputSource, Inputs},
    ports::Service,
    settings::{AccountSettings, Place},
};
use tempfile::TempDir;

use super::{RUNTIME, utf16};
use crate::support::fetch::FetchAll;

const REPORTS: &str = "AttemptId,TIUserId,TISectionId,Exercise,MarksAchieved,MarksAwarded,MarksAvailable,GradePercent,\
    Grade,MarkerNotes,ResultsApproved,DateInserted,DateModified\n\
    10000006,u1,s1,5HR03 PQ Attempt 2,71.5,,100,71.5,Pass,Well argued,,2024-02-29 10:00:00,\n\
    10000012,u2,s2,5HR03 PQ Attempt 1,60,,100,60,Pass,NULL pointers are explained,,2024-02-29 10:00:00,\n";
const SCORES: &str = "AttemptId,ScoreLabelCorrected,Score,MarkerComment,DateInserted,DateModified\n\
    10000006,Question 1,30,Good,,\n10000012,Question 1,31,See C:\\notes,,\n";
const MAPPING: &str = "Attempt ID,Unit Code,Unit Code Version,Assessment ID,Submission\n\
    10000006,5HR03,24_01,A1,Attempt 2\n10000012,5HR03,24_01,A1,Attempt 1\n";

fn submissions() -> String {
    SUBMISSION_COLUMNS.join(",")
        + "\nM1,Ann,Lee,ann@example.org,10000006,5HR03,A1,Title,2,u-1,alee,1,essay.docx,,,\
        https://a.example/b/essay.docx,0,,,,,2024-02-01,\n\
        M2,Bo,Null,bo@example.org,10000012,5HR03,A1,Title,1,u-2,bnull,1,essay.docx,,,\
        https://a.example/b/other.docx,1,,,,https://a.example/b/feedback.docx,2024-02-01,\n"
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Submissions,
    Mapping,
    Reports,
    Scores,
}
use File::{Mapping, Reports, Scores, Submissions};

const ALL: [File; 4] = [Submissions, Mapping, Reports, Scores];
const TABLES: [File; 2] = [Reports, Scores];

impl File {
    fn name(self) -> &'static str {
        match self {
            Submissions => "submission_files.csv",
            Mapping => "attempt_number_mapping.csv",
            Reports => "Rogo_AssessmentReport.csv",
            Scores => "Rogo_AssessmentReportScores.csv",
        }
    }

    fn clean(self) -> String {
        match self {
            Submissions => submissions(),
            Mapping => MAPPING.into(),
            Reports => REPORTS.into(),
            Scores => SCORES.into(),
        }
    }
}

/// The four files, clean, in a folder of their own.
fn clean() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ALL {
        std::fs::write(folder.path().join(file.name()), file.clean()).unwrap();
    }
    folder
}

/// What a run would read of the folder's files.
#[derive(Debug, PartialEq)]
struct Read {
    rows: Vec<SubmissionRow>,
    mapping: Vec<Vec<String>>,
    facts: Vec<Facts>,
}

fn read(folder: &Path, dialect: &Dialect) -> Result<Read, String> {
    let of_input = |error| Stop::from(error).message;
    RUNTIME.block_on(async {
        let inputs = Inputs {
            submissions: InputSource::File(folder.join(Submissions.name())),
            mapping: InputSource::File(folder.join(Mapping.name())),
            encoding: None,
            dialect: dialect.clone(),
        };
        let (mut reader, columns) = inputs.submissions().await.map_err(of_input)?;
        let mut rows = Vec::new();
        while let Some(record) = reader.next().await.map_err(of_input)? {
            rows.push(columns.row(record));
        }
        let (mut reader, columns) = inputs.mapping().await.map_err(of_input)?;
        let mut mapping = Vec::new();
        while let Some(record) = reader.next().await.map_err(of_input)? {
            let row = columns.row(record);
            mapping.push(vec![row.attempt_id.into(), row.unit_version.into(), row.submission.into()]);
        }
        let place = Place::Folder(folder.into());
        let blobs = blobs::open(&place, &AccountSettings::default(), Service::Warehouse).unwrap();
        let ids: Vec<AttemptId> = ["10000006", "10000012"].iter().map(|id| id.parse().unwrap()).collect();
        let facts =
            Export::new(blobs, dialect.clone()).fetch(&ids).await.map_err(|fault| fault.to_string())?;
        Ok(Read { rows, mapping, facts })
    })
}

/// Reads the clean files but for one.
fn read_with(file: File, bytes: &[u8], dialect: &Dialect) -> Result<Read, String> {
    let folder = clean();
    std::fs::write(folder.path().join(file.name()), bytes).unwrap();
    read(folder.path(), dialect)
}

fn escaped(escape: Escape) -> Dialect {
    Dialect { escape: Some(escape), ..Dialect::default() }
}

fn null(word: &str) -> Dialect {
    Dialect { null: Some(word.into()), ..Dialect::default() }
}

type Change = fn(&str) -> Vec<u8>;

/// The habit, the files that may have it, how a clean file gets it, and what must be said beside the file's name.
const REFUSED: &[(&str, &[File], Change, &[&str])] = &[
    ("gzip", &ALL, |_| b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), &["line 1", "a gzip file", "unpack it"]),
    (
        "a workbook",
        &ALL,
        |_| b"PK\x03\x04\x14\0\x06\0".to_vec(),
        &["line 1", "an Excel workbook", "export it as CSV"],
    ),
    ("a Parquet file", &TABLES, |_| b"PAR1\x15\0".to_vec(), &["a Parquet file"]),
    ("a login page", &ALL, |_| b"<!DOCTYPE html><html>".to_vec(), &["an HTML page"]),
    (
        "UTF-16 without a mark",
        &ALL,
        |text| utf16(text, u16::to_le_bytes),
        &["UTF-16 without a byte order mark"],
    ),
    (
        "UTF-16 big-endian without a mark",
        &ALL,
        |text| utf16(text, u16::to_be_bytes),
        &["UTF-16 without a byte order mark"],
    ),
    ("a sep= line", &ALL, |text| format!("sep=,\n{text}").into(), &["line 1", "sep=", "delete the line"]),
    ("a marked sep= line in capitals", &ALL, |text| format!("\u{feff}SEP=;\n{text}").into(), &["sep="]),
    (
        "a #TYPE line",
        &ALL,
        |text| format!("#TYPE System.Data.DataRow\r\n{text}").into(),
        &["line 1", "#TYPE", "-NoTypeInformation"],
    ),
    ("semicolons", &ALL, |text| text.replace(',', ";").into(), &["a semicolon", "with commas"]),
    ("tabs", &ALL, |text| text.replace(',', "\t").into(), &["a tab", "with commas"]),
    ("bars", &ALL, |text| text.replace(',', "|").into(), &["a vertical bar", "with commas"]),
    (
        "quoted cells between semicolons",
        &ALL,
        |text| quoted(text).replace("\",\"", "\";\"").into(),
        &["line 1", "a semicolon", "with commas"],
    ),
    (
        "sqlcmd's dashes",
        &ALL,
        |text| after_header(text, |columns| vec!["-----"; columns].join(",")),
        &["line 2", "a line of dashes", "sqlcmd"],
    ),
    (
        "sqlcmd's count",
        &ALL,
        |text| format!("{text}\n(2 rows affected)\n").into(),
        &["line 5", "count of rows", "sqlcmd"],
    ),
    (
        "the count of another language",
        &ALL,
        |text| format!("{text}\r\n(2 Zeilen betroffen)\r\n").into(),
        &["count of rows"],
    ),
    (
        "SSMS's time",
        &ALL,
        |text| format!("{text}\nCompletion time: 2024-05-01T10:00:00\n").into(),
        &["count of rows"],
    ),
    (
        "two exports joined",
        &ALL,
        |text| format!("{text}{text}").into(),
        &["line 4", "the header stands here again"],
    ),
    (
        "two exports joined, with their marks",
        &ALL,
        |text| format!("\u{feff}{text}\u{feff}{text}").into(),
        &["the header stands here again"],
    ),
    ("NULL", &ALL, |text| cell(text, 3, "NULL"), &["line 2", "the word NULL", "--warehouse-null NULL"]),
    ("null", &ALL, |text| cell(text, 3, "null"), &["line 2", "the word null", "--warehouse-null NULL"]),
    ("NULL padded", &TABLES, |text| cell(text, 3, " NULL "), &["the word NULL"]),
    ("NULL for an id", &[Mapping, Reports, Scores], |text| cell(text, 0, "NULL"), &["the word NULL"]),
    (
        "an escaped quote",
        &ALL,
        |text| cell(text, 3, "\"say \\\"hi\\\" twice\""),
        &["line 2", "backslash", "escape character"],
    ),
    (
        "an escaped quote without quotes",
        &ALL,
        |text| cell(text, 3, "say \\\"hi\\\""),
        &["line 2", "escape character"],
    ),
    (
        "doubled backslashes",
        &[Submissions, Mapping, Reports],
        |text| cell(text, 3, "C:\\\\notes"),
        &["line 2", "--warehouse-escape"],
    ),
    (
        "doubled backslashes in quotes",
        &ALL,
        |text| cell(text, 3, "\"C:\\\\notes, \\\\\""),
        &["line 2", "--warehouse-escape none"],
    ),
    (
        "a cell that ends with a backslash and a quote",
        &ALL,
        |text| cell(text, 3, "\"in C:\\\""),
        &["--warehouse-escape none"],
    ),
    (
        "another case",
        &[Submissions, Mapping],
        str_lower,
        &["line 1", "\"attempt id\" looks like \"Attempt ID\""],
    ),
    (
        "underscores",
        &[Submissions, Mapping],
        |text| text.replacen("Attempt ID", "Attempt_ID", 1).into(),
        &["\"Attempt_ID\" looks like \"Attempt ID\""],
    ),
    (
        "a blank in a table's column",
        &TABLES,
        |text| text.replacen("AttemptId", "Attempt Id", 1).into(),
        &["\"Attempt Id\" looks like \"AttemptId\""],
    ),
    (
        "a mark read as Windows-1252",
        &[Submissions, Mapping, Reports, Scores],
        |text| format!("ï»¿{text}").into(),
        &["looks like"],
    ),
    ("a column twice", &[Reports], |text| text.replacen("DateModified", "dateinserted", 1).into(), &[]),
    (
        "a scientific id",
        &[Mapping, Reports, Scores],
        |text| cell(text, 0, "1.0E+07"),
        &["line 2 \"1.0E+07\"", "1 of 2 rows"],
    ),
    (
        "a grouped id",
        &[Mapping, Reports, Scores],
        |text| cell(text, 0, "\"10,000,006\""),
        &["line 2 \"10,000,006\""],
    ),
    ("a hidden id", &[Mapping, Reports, Scores], |text| cell(text, 0, "########"), &["line 2 \"########\""]),
    ("no id", &[Mapping, Reports, Scores], |text| cell(text, 0, ""), &["line 2 \"\"", "spreadsheet"]),
    (
        "an id with something unseen inside",
        &[Mapping, Reports, Scores],
        |text| cell(text, 0, "1000\u{200b}0006"),
        &["\"1000\\u{200b}0006\""],
    ),
    (
        "an id of half a number",
        &[Mapping, Reports, Scores],
        |text| cell(text, 0, "10000006.5"),
        &["10000006.5"],
    ),
    (
        "an id that is too large",
        &[Mapping, Reports, Scores],
        |text| cell(text, 0, "99999999999"),
        &["99999999999"],
    ),
    (
        "ids that are all scientific",
        &[Submissions],
        |text| text.replace("100000", "1.0E+").into(),
        &["2 of 2 rows", "line 2 \"1.0E+06\""],
    ),
    (
        "ids that are all grouped",
        &[Submissions],
        |text| text.replace("100000", "10.000.0").into(),
        &["line 2 \"10.000.006\""],
    ),
    (
        "ids that are all hidden",
        &[Submissions],
        |text| text.replace("10000006", "####").replace("10000012", "####").into(),
        &["####"],
    ),
    (
        "a comma in a URL",
        &[Submissions],
        |text| {
            text.replace("https://a.example/b/essay.docx", "\"https://a.example/b/essay, final.docx\"").into()
        },
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "two commas in a URL",
        &[Submissions],
        |text| in_first_url(text, "https://a.example/b/Smith, J, essay.docx"),
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "a comma in a URL with a signature",
        &[Submissions],
        |text| in_first_url(text, "https://a.example/b/My, essay.docx?sv=2024-11-04&sr=b&sig=a%3D"),
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "a comma in the second of two URLs",
        &[Submissions],
        |text| in_first_url(text, "https://a.example/b/1.docx, https://a.example/b/Smith, J, 2.docx"),
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "a comma in a URL whose rest has no extension",
        &[Submissions],
        |text| in_first_url(text, "https://a.example/b/Essay, final"),
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "a comma in the second of two URLs, whose rest has no extension",
        &[Submissions],
        |text| {
            in_first_url(text, "https://a.example/b/1.docx, https://a.example/b/Essay?sv=1.2, final?sig=a")
        },
        &["in 1 cells", "line 2", "%2C"],
    ),
    (
        "a comma in a folder of a URL",
        &[Submissions],
        |text| {
            text.replace("https://a.example/b/feedback.docx", "\"https://a.example/b,c/feedback.docx\"")
                .into()
        },
        &["line 3", "%2C"],
    ),
    (
        "a row without its URLs",
        &[Submissions],
        |text| line(text, 2, |row| cells(row, 15).join(",")),
        &["line 2", "15 cells"],
    ),
    (
        "a row without its first comma",
        &[Submissions],
        |text| line(text, 2, |row| row.replacen(',', "", 1)),
        &["line 2", "22 cells", "has 23"],
    ),
    (
        "a row without a comma in the middle",
        &[Submissions],
        |text| line(text, 3, |row| row.replacen("docx,,,", "docx,,", 1)),
        &["line 3", "22 cells", "has 23"],
    ),
    (
        "a file that ends within a row",
        &[Submissions],
        |text| text.trim_end().trim_end_matches(',').into(),
        &["line 3", "22 cells"],
    ),
    (
        "a row without a used cell",
        &[Scores],
        |text| line(text, 2, |row| cells(row, 3).join(",")),
        &["line 2", "3 cells"],
    ),
];

/// The first row with this cell of learner URLs.
fn in_first_url(text: &str, urls: &str) -> Vec<u8> {
    text.replace("https://a.example/b/essay.docx", &format!("\"{urls}\"")).into()
}

fn str_lower(text: &str) -> Vec<u8> {
    line(text, 1, str::to_lowercase)
}

fn cells(row: &str, count: usize) -> Vec<&str> {
    row.split(',').take(count).collect()
}

fn line(text: &str, number: usize, change: impl Fn(&str) -> String) -> Vec<u8> {
    let rows =
        text.lines().enumerate().map(|(n, row)| if n + 1 == number { change(row) } else { row.into() });
    rows.collect::<Vec<_>>().join("\n").into_bytes().into_iter().chain([b'\n']).collect()
}

/// One cell of the first row, as it is to stand in the file.
fn cell(text: &str, index: usize, value: &str) -> Vec<u8> {
    line(text, 2, |row| {
        let mut cells: Vec<&str> = row.split(',').collect();
        cells[index] = value;
        cells.join(",")
    })
}

fn after_header(text: &str, row: impl Fn(usize) -> String) -> Vec<u8> {
    line(text, 1, |header| format!("{header}\n{}", row(header.split(',').count())))
}

fn quoted(text: &str) -> String {
    text.lines().map(|row| format!("\"{}\"\n", row.replace(',', "\",\""))).collect::<Vec<_>>().concat()
}

#[test]
fn a_tools_habit_is_refused_once_and_named_with_the_remedy() {
    let mut cases = 0;
    for (what, files, change, says) in REFUSED {
        for file in *files {
            cases += 1;
            let bytes = change(&file.clean());
            let said = read_with(*file, &bytes, &Dialect::default()).expect_err(&format!("{what}, {file:?}"));
            assert!(said.contains(file.name()), "{what}, {file:?}: {said}");
            for part in *says {
                assert!(said.contains(part), "{what}, {file:?}: {part} is not said in {said}");
            }
            assert!(said.lines().count() == 1 && said.len() < 1_200, "{what}, {file:?}: {said}");
        }
    }
    assert!(cases >= 60, "{cases}");
}

/// Odd, and without a loss: the files that may be so, how, and that all is read as from the clean files.
const READ: &[(&str, &[File], Change)] = &[
    ("a byte order mark", &ALL, |text| format!("\u{feff}{text}").into()),
    ("one mark too many", &ALL, |text| format!("\u{feff}\u{feff}{text}").into()),
    ("one mark too many before a quote", &ALL, |text| format!("\u{feff}\u{feff}{}", quoted(text)).into()),
    ("UTF-16 with one mark too many", &ALL, |text| {
        utf16(&format!("\u{feff}\u{feff}{text}"), u16::to_le_bytes)
    }),
    ("CRLF", &ALL, |text| text.replace('\n', "\r\n").into()),
    ("all quoted", &ALL, |text| quoted(text).into()),
    ("no-break spaces in the header", &[Submissions, Mapping], |text| {
        line(text, 1, |row| row.replace(' ', "\u{a0}"))
    }),
    ("blanks around names", &ALL, |text| line(text, 1, |row| row.replace(',', "\u{a0} ,\u{200b}"))),
    ("a table's columns in another case", &TABLES, str_lower),
    ("rows without their empty last cells", &[Submissions], |text| {
        text.replace(",2024-02-01,\n", "\n").into()
    }),
    ("rows without an empty Error", &[Submissions], |text| text.replace("-01,\n", "-01\n").into()),
    ("scores without unused cells", &[Scores], |text| text.replace(",,\n", "\n").into()),
    ("ids with a fraction of zero", &[Mapping, Reports, Scores], |text| {
        text.replace("10000006,", "10000006.00,").into()
    }),
    ("ids with zeros before them", &[Reports, Scores], |text| {
        text.replace("10000006,", "0010000006,").into()
    }),
    ("ids between blanks", &[Reports, Scores], |text| {
        text.replace("10000006,", " 10000006\u{a0}\u{200b},").into()
    }),
    ("\\N for null", &[Reports], |text| text.replace(",,", ",\\N,").into()),
    ("rows of commas at the end", &TABLES, |text| {
        format!("{text}{}\n", ",".repeat(text.lines().next().unwrap().matches(',').count())).into()
    }),
];

#[test]
fn what_is_odd_without_a_loss_is_read_as_from_a_clean_export() {
    let expected = read(clean().path(), &Dialect::default()).unwrap();
    for (what, files, change) in READ {
        for file in *files {
            let found = read_with(*file, &change(&file.clean()), &Dialect::default());
            let mut found = found.unwrap_or_else(|said| panic!("{what}, {file:?}: {said}"));
            for row in &mut found.mapping {
                row[0] = row[0].replace(".00", "");
            }
            assert_eq!(found, expected, "{what}, {file:?}");
        }
    }
}

/// Value of the first report's notes, the first score's comment, and the first row's title.
fn values_of(text: &str, dialect: &Dialect) -> (Value, Value, String) {
    let folder = clean();
    for (file, index) in [(Reports, 9), (Scores, 3), (Submissions, 7)] {
        std::fs::write(folder.path().join(file.name()), cell(&file.clean(), index, text)).unwrap();
    }
    let read = read(folder.path(), dialect).unwrap_or_else(|said| panic!("{text}: {said}"));
    let facts = &read.facts[0];
    (
        facts.reports[0].marker_notes.clone(),
        facts.scores[0].marker_comment.clone(),
        read.rows[0].course_title.clone(),
    )
}

#[test]
fn what_is_said_of_an_export_decides_what_its_cells_mean() {
    let text = |text: &str| Value::Text(text.into());
    for (cell, dialect, expected, title) in [
        ("NULL", null("NULL"), Value::Null, ""),
        ("null", null("NULL"), Value::Null, ""),
        (" NULL ", null("NULL"), Value::Null, ""),
        ("\"NULL\"", null("NULL"), text("NULL"), "NULL"),
        ("\"NULL\"", Dialect::default(), text("NULL"), "NULL"),
        ("Null", Dialect::default(), text("Null"), "Null"),
        ("NULL pointers", Dialect::default(), text("NULL pointers"), "NULL pointers"),
        ("NULL", null("\\N"), text("NULL"), "NULL"),
        ("n/a", null("n/a"), Value::Null, ""),
        ("\\N", null("NULL"), Value::Null, "\\N"),
        ("", Dialect::default(), Value::Null, ""),
        ("\0", Dialect::default(), text(""), ""),
        ("a\0b", Dialect::default(), text("a\0b"), "a\0b"),
        ("a\\\\b", escaped(Escape::None), text("a\\\\b"), "a\\\\b"),
        ("\"in C:\\\"", escaped(Escape::None), text("in C:\\"), "in C:\\"),
        ("a\\b", Dialect::default(), text("a\\b"), "a\\b"),
        (
            "\"\\\\server\\share, or \"\"D:\\\"\"\"",
            Dialect::default(),
            text("\\\\server\\share, or \"D:\\\""),
            "\\\\server\\share, or \"D:\\\"",
        ),
    ] {
        let found = values_of(cell, &dialect);
        assert_eq!(found, (expected.clone(), expected, title.into()), "{cell} with {dialect:?}");
    }
}

#[test]
fn an_escaping_backslash_is_undone_in_the_tables_if_it_is_said() {
    let comment = |cell_text: &str| {
        let bytes = cell(REPORTS, 9, cell_text);
        let scores = SCORES.replace("C:\\notes", "C:\\\\notes");
        let folder = clean();
        std::fs::write(folder.path().join(Reports.name()), bytes).unwrap();
        std::fs::write(folder.path().join(Scores.name()), scores).unwrap();
        let read = read(folder.path(), &escaped(Escape::Backslash))?;
        assert_eq!(read.facts[1].scores[0].marker_comment, Value::Text("See C:\\notes".into()));
        Ok::<_, String>(read.facts[0].reports[0].marker_notes.clone())
    };
    for (written, meant) in [
        ("\"say \\\"hi\\\", twice\"", "say \"hi\", twice"),
        ("say \\\"hi\\\"", "say \"hi\""),
        ("\"C:\\\\x\\\\\"", "C:\\x\\"),
        ("\"\\\\\\\"\"", "\\\""),
        ("\\\\\\\\server", "\\\\server"),
        ("\"both \"\"kinds\"\" of \\\"quotes\\\"\"", "both \"kinds\" of \"quotes\""),
    ] {
        assert_eq!(comment(written), Ok(Value::Text(meant.into())), "{written}");
    }
    assert_eq!(comment("\\N"), Ok(Value::Null));
    assert_eq!(comment("\"\\N\""), Ok(Value::Null));
    for written in ["a\\b", "\"a\\nb\"", "\"a\\", "a\\,b", "a\\"] {
        let said = comment(written).unwrap_err();
        assert!(
            said.contains("line 2, column \"MarkerNotes\": a backslash stands before"),
            "{written}: {said}"
        );
    }
}

#[test]
fn ids_that_are_none_are_named_by_the_first_five_and_counted() {
    let rows = (0..9).map(|n| format!("1.0E+0{n},Question 1,1,,,\n")).collect::<Vec<_>>().concat();
    let said = read_with(Scores, format!("{SCORES}{rows}").as_bytes(), &Dialect::default()).unwrap_err();
    for part in ["9 of 11 rows", "\"AttemptId\"", "line 4 \"1.0E+00\"", "line 8 \"1.0E+04\", …; "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("line 9"), "{said}");
}

#[test]
fn a_few_bad_ids_of_submissions_are_their_own_rows_matter() {
    let row = submissions().lines().nth(1).unwrap().to_owned();
    let odd = ["12345abc", "", "-1", "1.0E+07", "987.00", "2147483648"];
    let rows: String = odd.iter().map(|id| row.replace("10000006", id) + "\n").collect();
    let good: String = (0..3).map(|n| row.replace("10000006", &format!("2000000{n}")) + "\n").collect();
    let text = submissions() + &rows + &good;
    assert_eq!(read_with(Submissions, text.as_bytes(), &Dialect::default()).unwrap().rows.len(), 11);
    // Four digits before a separator are no grouped id: no spreadsheet wrote it, even if every row is so.
    let header = submissions().lines().next().unwrap().to_owned();
    let text = format!("{header}\n{}\n", row.replace("10000006", "1234.567"));
    assert_eq!(read_with(Submissions, text.as_bytes(), &Dialect::default()).unwrap().rows.len(), 1);
}

/// Such an item fails its row: whether a URL goes on there cannot be told.
#[test]
fn what_stands_behind_a_whole_url_makes_no_comma_of_it() {
    for urls in [
        "https://a.example/b/1.docx, none",
        "https://a.example/b/1.docx?sig=a, none",
        "https://a.example/b/Essay, , https://a.example/b/2.docx",
        "none, https://a.example/b/Essay",
        "see e-mail, none",
    ] {
        let text = in_first_url(&submissions(), urls);
        let read = read_with(Submissions, &text, &Dialect::default()).unwrap();
        assert_eq!(read.rows[0].learner_blob_urls, urls);
    }
}

#[test]
fn another_name_is_told_by_what_is_there() {
    for (file, there) in [
        (Submissions, "Submission_Files.csv"),
        (Submissions, "submission_files.csv.gz"),
        (Submissions, "submission_files (1).csv"),
        (Mapping, "attempt_number_mapping.xlsx"),
        (Reports, "rogo_assessmentreport.CSV"),
        (Reports, "dbo.Rogo_AssessmentReport.csv"),
        (Scores, "Rogo_AssessmentReportScores.csv.zip"),
    ] {
        let folder = clean();
        std::fs::rename(folder.path().join(file.name()), folder.path().join(there)).unwrap();
        let said = read(folder.path(), &Dialect::default()).unwrap_err();
        assert!(said.contains(file.name()) && said.contains(&format!("there is {there:?}: ")), "{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Zusammenfu\u{308}hrung.csv"), "a\n").unwrap();
    let source = InputSource::File(folder.path().join("Zusammenf\u{fc}hrung.csv"));
    let said = RUNTIME.block_on(source.open()).err().unwrap().to_string();
    assert!(said.contains("NFC and NFD") && said.contains("copy the name"), "{said}");
    let said = read(folder.path(), &Dialect::default()).unwrap_err();
    assert!(said.contains("there is \"Zusammenfu"), "{said}");
}

/// Text as people write it, with lone backslashes; no cell is one NUL, which is bcp's.
fn prose() -> impl Strategy<Value = String> {
    prop::collection::vec(
        "[a-zA-Zé😀 ,;\"'\n\t|(){}#=-]{0,12}|NULL|null|\\\\[a-zA-Z.]|sep=|1\\.0E\\+07",
        0..4,
    )
    .prop_map(|parts| parts.concat())
    .prop_filter("\\N is null", |text| text != "\\N")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn clean_exports_are_read_exactly_by_every_detector(
        notes in prop::collection::vec(prose(), 2),
        comment in prose(),
        title in prose(),
    ) {
        let folder = clean();
        for (file, index, texts) in
            [(Reports, 9, &notes), (Scores, 3, &vec![comment.clone(); 2]), (Submissions, 7, &vec![title.clone(); 2])]
        {
            let clean = file.clean().replace("C:\\notes", "notes");
            let mut rows: Vec<Vec<String>> =
                clean.lines().map(|row| row.split(',').map(str::to_owned).collect()).collect();
            for (row, text) in rows.iter_mut().skip(1).zip(texts) {
                row[index].clone_from(text);
            }
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            std::fs::write(folder.path().join(file.name()), writer.into_inner().unwrap()).unwrap();
        }
        let read = read(folder.path(), &Dialect::default()).unwrap();
        let value = |text: &String| if text.is_empty() { Value::Null } else { Value::Text(text.clone()) };
        prop_assert_eq!(&read.facts[0].reports[0].marker_notes, &value(&notes[0]));
        prop_assert_eq!(&read.facts[1].reports[0].marker_notes, &value(&notes[1]));
        prop_assert_eq!(&read.facts[0].scores[0].marker_comment, &value(&comment));
        prop_assert_eq!(&read.rows[0].course_title, &title);
    }

    #[test]
    fn what_is_written_with_backslashes_reads_back(notes in "[a\\\\\", \n]{0,12}") {
        let escaped_notes = notes.replace('\\', "\\\\").replace('"', "\\\"");
        let folder = clean();
        std::fs::write(folder.path().join(Reports.name()), cell(REPORTS, 9, &format!("\"{escaped_notes}\""))).unwrap();
        std::fs::write(folder.path().join(Scores.name()), SCORES.replace("C:\\", "")).unwrap();
        let read = read(folder.path(), &escaped(Escape::Backslash)).unwrap();
        let value = if notes.is_empty() { Value::Null } else { Value::Text(notes) };
        prop_assert_eq!(&read.facts[0].reports[0].marker_notes, &value);
    }
}
