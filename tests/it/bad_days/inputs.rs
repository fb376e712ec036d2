//! Inputs that are no CSV, or not the one that is needed: refused by file, line and column, or read exactly.

use std::fs;

use super::{Day, input_blob, plain_sample, watched};
use crate::support::app::{TestApp, assert_same};

type Change = fn(&str) -> Vec<u8>;

/// What is wrong with submission_files.csv, how, and what must be said beside the file's name.
const REFUSED: &[(&str, Change, &[&str])] = &[
    ("an empty file", |_| Vec::new(), &["line 1", "the file is empty", "export it again"]),
    ("a header only", |text| first_line(text).into(), &["holds a header and no rows", "export it again"]),
    (
        "a missing column",
        |text| text.replacen("Learner Email", "Learner Mail", 1).into(),
        &[
            "line 1",
            "required column is missing: \"Learner Email\"",
            "\"Learner Mail\" looks like",
            "correct the header",
        ],
    ),
    (
        "several missing columns",
        |text| text.replacen("Surname", "Name", 1).replacen("Timestamp", "Time", 1).into(),
        &["required columns are missing: \"Surname\", \"Timestamp\""],
    ),
    (
        "a column twice",
        |text| line(&text.replace('\n', ",\n"), 1, |row| format!("{row}Surname")),
        &["line 1", "columns stand more than once: \"Surname\""],
    ),
    (
        "another file",
        |_| b"Attempt ID,Unit Code,Unit Code Version,Assessment ID,Submission\n1,a,24,b,Attempt 1\n".to_vec(),
        &["line 1", "required columns are missing"],
    ),
    (
        "a field too few",
        |text| line(text, 4, |row| row.replacen(',', "", 1)),
        &["line 4", "22 cells", "has 23"],
    ),
    (
        "a field too many",
        |text| line(text, 4, |row| format!("{row},")),
        &["line 4", "more cells", "header's 23"],
    ),
    (
        "a quote that is never closed",
        |text| line(text, 3, |row| row.replacen("\",", ",", 1)),
        &["line 3", "column \"Learner File"],
    ),
    (
        "a stray quote in the last column",
        |text| line(text, 5, |row| format!("{row}5\" screen")),
        &["line 5", "column \"Error\"", "a quote stands inside a cell that is not quoted"],
    ),
    (
        "an open quote in the last column, which a later row closes",
        |text| line(text, 5, |row| format!("{row}\"")),
        &["line 5", "column \"Error\"", "text follows the cell's closing quote", "look for"],
    ),
    (
        "an open quote in the last row",
        |text| line(text, 13, |row| format!("{row}\"")),
        &["line 13", "column \"Error\"", "before one closes it"],
    ),
    (
        "text after a closing quote",
        |text| line(text, 5, |row| format!("{row}\"a\"b")),
        &["line 5", "column \"Error\"", "text follows the cell's closing quote"],
    ),
    (
        "Latin letters in one byte",
        |text| encoding_rs::WINDOWS_1252.encode(&line_text(text, 6, |row| format!("{row}é"))).0.into_owned(),
        &["bytes that are not UTF-8", "column \"", "--encoding windows-1252"],
    ),
    (
        "UTF-16 without a byte order mark",
        |text| utf16(text, u16::to_le_bytes),
        &["line 1", "UTF-16 without a byte order mark", "--encoding utf-16le"],
    ),
    (
        "half a character at the end",
        |text| [text.trim_end().as_bytes(), &[0xc3]].concat(),
        &["line 13", "column \"Error\"", "bytes that are not UTF-8"],
    ),
    (
        "half of a surrogate pair",
        |text| [text.trim_end().as_bytes(), &[0xed, 0xa0, 0x80]].concat(),
        &["line 13", "column \"Error\"", "bytes that are not UTF-8"],
    ),
    (
        "line ends of an old Macintosh",
        |text| text.replace('\n', "\r").into(),
        &["line 1", "carriage return", "LF or CRLF"],
    ),
    (
        "a spreadsheet instead of its export",
        |_| [b"PK\x03\x04\x14\x00\x06\x00\x08\x00", &[0xff, 0xfe, 0x9c][..]].concat(),
        &["line 1"],
    ),
    (
        "300 columns in a row of 23",
        |text| line(text, 2, |row| format!("{row}{}", ",".repeat(277))),
        &["line 2", "more cells than the header's 23", "unquoted comma"],
    ),
];

/// Readable all the same: how, and with which --encoding.
const READ: &[(&str, Change, &str)] = &[
    ("a byte order mark", |text| [b"\xef\xbb\xbf", text.as_bytes()].concat(), ""),
    ("UTF-16 as SQL Server's tools write it", |text| utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), ""),
    ("UTF-16 the other way round", |text| utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), ""),
    (
        "windows-1252, and said so",
        |text| encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
        "windows-1252",
    ),
    ("line ends of Windows", |text| text.replace("\r\n", "\n").replace('\n', "\r\n").into(), ""),
    (
        "blank lines between rows and at the end",
        |text| format!("{}\n\r\n\n", text.replace('\n', "\n\n")).into(),
        "",
    ),
    ("no line end at the end", |text| text.trim_end().as_bytes().to_vec(), ""),
];

#[tokio::test]
async fn an_unreadable_submissions_file_is_refused_by_file_line_and_column() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let text = fs::read_to_string(sample.path("submission_files.csv")).unwrap();
    for (what, change, says) in REFUSED {
        let path = app.out.path().join("bad.csv");
        fs::write(&path, change(&text)).unwrap();
        let day = Day::new(what, &["run"], 65)
            .set("ROGO_SUBMISSIONS", path.display().to_string())
            .says([path.display().to_string()])
            .says(says.iter().copied());
        day.is_refused(&app).await;
        assert!(!app.out.path().join("migrated.csv").exists(), "{what}");
    }
}

#[tokio::test]
async fn an_unreadable_mapping_or_a_missing_file_is_refused() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let mapping = fs::read_to_string(sample.path("attempt_number_mapping.csv")).unwrap();
    let path = app.out.path().join("mapping.csv");
    let location = path.display().to_string();
    let changes: &[(&str, Change, &[&str])] = &[
        ("empty", |_| Vec::new(), &["the file is empty"]),
        ("header only", |text| first_line(text).into(), &["a header and no rows"]),
        (
            "a column less",
            |text| text.replacen("Unit Code Version", "Version", 1).into(),
            &["\"Unit Code Version\""],
        ),
        (
            "a stray quote",
            |text| line(text, 7, |row| format!("{row}\"")),
            &["line 7", "column \"Submission\""],
        ),
    ];
    for (what, change, says) in changes {
        fs::write(&path, change(&mapping)).unwrap();
        let day =
            Day::new(what, &["plan"], 65).set("ROGO_MAPPING", location.clone()).says([location.clone()]);
        day.says(says.iter().copied()).is_refused(&app).await;
    }
    let nowhere = "/no/such/folder/submission_files.csv";
    let missing = Day::new("a missing file", &["run"], 64).set("ROGO_SUBMISSIONS", nowhere);
    missing.says([nowhere, "--submissions"]).is_refused(&app).await;
    let folder = app.out.path().display().to_string();
    let folder_day =
        Day::new("a folder", &["run"], 64).set("ROGO_SUBMISSIONS", folder.clone()).says([folder]);
    folder_day.is_refused(&app).await;
    let address = input_blob("submission_files.csv", b"x".to_vec()).await;
    let absent = address.replace("submission_files", "elsewhere");
    let blob = Day::new("a missing blob", &["run"], 64).set("ROGO_SUBMISSIONS", absent.clone());
    blob.says([absent, "there is no such blob".into()]).is_refused(&app).await;
    let container = "az://no-such-container/submission_files.csv";
    let day = Day::new("a missing container", &["run"], 78).set("ROGO_SUBMISSIONS", container);
    day.says([container, "there is no such container"]).is_refused(&app).await;
}

#[tokio::test]
async fn whatever_can_be_read_exactly_migrates_alike() {
    let sample = plain_sample(12).await;
    let expected = TestApp::new(&sample).await;
    expected.run(&["run"]).await.expect(0);
    assert_eq!(expected.result("migrated.csv").lines().count(), 13);
    let expected = expected.everything().await;
    let text = |name: &str| fs::read_to_string(sample.path(name)).unwrap();
    let (submissions, mapping) = (text("submission_files.csv"), text("attempt_number_mapping.csv"));
    for (what, change, encoding) in READ {
        let mut app = TestApp::new(&sample).await;
        for (name, setting, text) in
            [("s.csv", "ROGO_SUBMISSIONS", &submissions), ("m.csv", "ROGO_MAPPING", &mapping)]
        {
            let path = app.out.path().join(name);
            fs::write(&path, change(text)).unwrap();
            app.set(setting, path.display().to_string());
        }
        if !encoding.is_empty() {
            app.set("ROGO_ENCODING", *encoding);
        }
        app.run(&["run"]).await.expect(0);
        println!("{what}");
        assert_same(&app.everything().await, &expected);
    }
}

#[tokio::test]
async fn the_failure_csv_of_an_encoded_input_is_read_right_with_the_same_settings() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::new(&sample).await;
    let text = |name: &str| fs::read_to_string(sample.path(name)).unwrap();
    let submissions = line_text(&text("submission_files.csv"), 2, |row| {
        let cells: Vec<&str> = row.splitn(3, ',').collect();
        format!("{},Zoé,{}", cells[0], cells[2])
    });
    let attempt = submissions.lines().nth(1).unwrap().split(',').nth(4).unwrap();
    let mapping = text("attempt_number_mapping.csv");
    let others = mapping.split_inclusive('\n').filter(|row| !row.starts_with(&format!("{attempt},")));
    let write = |name: &str, text: &str| {
        let path = app.out.path().join(name);
        fs::write(&path, encoding_rs::WINDOWS_1252.encode(text).0).unwrap();
        path.display().to_string()
    };
    let (all, first) = (write("all.csv", &mapping), write("others.csv", &others.collect::<String>()));
    let submissions = write("s.csv", &submissions);
    app.set("ROGO_ENCODING", "windows-1252");
    app.set("ROGO_SUBMISSIONS", submissions);
    app.set("ROGO_MAPPING", first);
    let ended = app.run(&["run"]).await.expect(0);
    assert!(ended.stdout.contains("12 rows = 11 migrated + 1 failed"), "{}", ended.stdout);
    let again = app.out.path().join("again.csv");
    fs::copy(app.out.path().join("submissions_failed_migration.csv"), &again).unwrap();
    app.set("ROGO_SUBMISSIONS", again.display().to_string());
    app.set("ROGO_MAPPING", all);
    let ended = app.run(&["run", "--run", "again"]).await.expect(0);
    assert!(ended.stdout.contains("1 rows = 1 migrated + 0 failed"), "{}", ended.stdout);
    let named = "select count(*) from lti_session_records where first_name = 'Zoé'";
    assert_eq!(app.database.number(named).await, 1);
}

#[tokio::test]
async fn the_null_of_a_failed_row_is_one_for_the_next_run_and_the_word_stays_a_word() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::new(&sample).await;
    let text = fs::read_to_string(sample.path("submission_files.csv")).unwrap();
    let text = line_text(&text, 2, |row| {
        let cells: Vec<&str> = row.splitn(5, ',').collect();
        format!("{},{},\"NULL\",NULL,{}", cells[0], cells[1], cells[4])
    });
    let submissions = app.out.path().join("s.csv");
    fs::write(&submissions, text).unwrap();
    app.set("ROGO_WAREHOUSE_NULL", "NULL");
    app.set("ROGO_SUBMISSIONS", submissions.display().to_string());
    let ended = app.run(&["run"]).await.expect(0);
    assert!(ended.stdout.contains("12 rows = 11 migrated + 1 failed"), "{}", ended.stdout);
    let failed = app.result("submissions_failed_migration.csv");
    assert!(failed.contains(",\"NULL\",NULL,") && failed.contains("learner_email_missing"), "{failed}");
    fs::write(&submissions, failed).unwrap();
    let ended = app.run(&["run", "--run", "again"]).await.expect(0);
    assert!(ended.stdout.contains("1 rows = 0 migrated + 1 failed"), "{}", ended.stdout);
}

#[tokio::test]
async fn inputs_may_be_blobs_and_have_hundreds_of_columns() {
    let sample = plain_sample(12).await;
    let text = |name: &str| fs::read_to_string(sample.path(name)).unwrap();
    let names: String = (0..277).fold(String::new(), |names, column| names + &format!(",extra {column}"));
    let wide = text("submission_files.csv").replace('\n', &format!("{}\n", ",x".repeat(277)));
    let wide = wide.replacen(&",x".repeat(277), &names, 1);
    let expected = TestApp::new(&sample).await;
    expected.run(&["run"]).await.expect(0);
    let mut app = TestApp::new(&sample).await;
    app.set("ROGO_SUBMISSIONS", input_blob("in/wide.csv", wide.into()).await);
    app.set("ROGO_MAPPING", input_blob("mapping.csv", text("attempt_number_mapping.csv").into()).await);
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.result("migrated.csv"), expected.result("migrated.csv"));
    let failed = app.result("submissions_failed_migration.csv");
    assert_eq!(failed.lines().next().unwrap().split(',').count(), 300, "the failure CSV keeps every column");
}

#[tokio::test]
async fn a_cell_of_100_mb_is_refused_in_little_memory() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    let text = fs::read_to_string(sample.path("submission_files.csv")).unwrap();
    let path = app.out.path().join("huge.csv");
    let huge = line(&text, 5, |row| format!("{row}\"{}\"", "x".repeat(100_000_000)));
    fs::write(&path, huge).unwrap();
    let (ended, most) = watched(&app, "plan", &[("ROGO_SUBMISSIONS", &path)], 65).await;
    for part in ["huge.csv, line 5, column \"Error\"", "larger than 16 MiB", "look for a missing quote"] {
        assert!(ended.stdout.contains(part), "{part} is not said in {}", ended.stdout);
    }
    assert!((1..120_000).contains(&most), "{most} KiB");
}

fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap()
}

/// The text with one line (from 1) changed.
fn line_text(text: &str, number: usize, change: impl Fn(&str) -> String) -> String {
    let lines = text.lines().enumerate();
    lines.map(|(n, row)| if n + 1 == number { change(row) } else { row.to_owned() } + "\n").collect()
}

fn line(text: &str, number: usize, change: impl Fn(&str) -> String) -> Vec<u8> {
    line_text(text, number, change).into_bytes()
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

/// The generator's plain rows hold no quoted line break: a row is a line.
#[tokio::test]
async fn a_row_of_the_plain_sample_is_a_line() {
    let sample = plain_sample(12).await;
    assert_eq!(fs::read_to_string(sample.path("submission_files.csv")).unwrap().lines().count(), 13);
}
