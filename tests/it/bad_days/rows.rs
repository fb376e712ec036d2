//! Odd cells in good files: each row has its own certain fate, and its neighbours have theirs.

use super::plain_sample;
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    csv::Csv,
};

/// A row of submission_files.csv by its header's names.
struct Row<'row> {
    header: &'row [String],
    cells: &'row mut Vec<String>,
}

impl Row<'_> {
    fn cell(&mut self, column: &str) -> &mut String {
        let place = self.header.iter().position(|name| name == column).unwrap();
        &mut self.cells[place]
    }

    fn set(&mut self, column: &str, text: &str) {
        text.clone_into(self.cell(column));
    }

    /// The URLs of its learner files, from the first URL.
    fn urls(&mut self, change: impl FnOnce(&str) -> String) {
        let cell = self.cell("Learner Azure Blob URLs");
        let first = cell.split(',').next().unwrap().to_owned();
        *cell = change(&first);
    }

    /// One learner file, of this name in the old system.
    fn named(&mut self, name: &str) {
        self.urls(str::to_owned);
        self.set("Learner File Names", name);
    }

    /// One learner file, whose URL ends so.
    fn ends(&mut self, end: &str) {
        self.urls(|url| format!("{}/{end}", url.split("/learner/").next().unwrap()));
        self.set("Learner File Names", "a.docx");
    }
}

/// What is odd, how, and what becomes of the row: `migrated`, or a code.
type Case = (&'static str, fn(&mut Row), &'static str);

const CASES: &[Case] = &[
    ("a blank id", |row| row.set("Attempt ID", "  "), "attempt_id_invalid"),
    ("letters behind the id", |row| row.cell("Attempt ID").push_str("abc"), "attempt_id_invalid"),
    ("a negative id", |row| row.cell("Attempt ID").insert(0, '-'), "attempt_id_invalid"),
    ("a signed id", |row| row.cell("Attempt ID").insert(0, '+'), "attempt_id_invalid"),
    ("30 digits", |row| row.set("Attempt ID", &"123".repeat(10)), "attempt_id_invalid"),
    ("one more than fits", |row| row.set("Attempt ID", "2147483648"), "attempt_id_invalid"),
    ("nought", |row| row.set("Attempt ID", "0"), "attempt_id_invalid"),
    ("a decimal", |row| row.cell("Attempt ID").push_str(".0"), "attempt_id_invalid"),
    ("an exponent", |row| row.set("Attempt ID", "1.0E7"), "attempt_id_invalid"),
    ("a decimal comma", |row| row.set("Attempt ID", "12,5"), "attempt_id_invalid"),
    ("other digits", |row| row.set("Attempt ID", "١٢٣٤٥٦٧"), "attempt_id_invalid"),
    ("a NUL in the id", |row| row.cell("Attempt ID").push('\0'), "attempt_id_invalid"),
    ("a blank row", |row| row.cells.iter_mut().for_each(String::clear), "attempt_id_invalid"),
    ("zeros and blanks around the id", |row| row.cell("Attempt ID").insert_str(0, " 000"), "migrated"),
    ("an id that no mapping has", |row| row.set("Attempt ID", "7"), "mapping_missing"),
    ("a NUL in a name", |row| row.cell("Surname").push('\0'), "row_invalid"),
    ("a NUL where nothing is stored", |row| row.set("Unit Code", "\0"), "migrated"),
    ("a blank e-mail address", |row| row.set("Learner Email", " \t"), "learner_email_missing"),
    ("a title beyond what its index holds", |row| row.set("Course Title", &noise(20_000)), "target_rejected"),
    ("a title of emoji", |row| row.set("Course Title", &"🎓".repeat(300)), "migrated"),
    ("commas only", |row| row.set("Learner Azure Blob URLs", " ,, ,"), "no_learner_files"),
    ("a trailing comma", |row| row.urls(|url| format!("{url} , ")), "migrated"),
    ("a leading blank item", |row| row.urls(|url| format!(",{url}")), "migrated"),
    ("another host", |row| row.urls(|url| url.replacen("127.0.0.1", "127.0.0.2", 1)), "file_url_foreign"),
    (
        "a host that begins alike",
        |row| row.urls(|url| url.replacen("127.0.0.1", "127.0.0.1.example", 1)),
        "file_url_foreign",
    ),
    ("another scheme", |row| row.urls(|url| url.replacen("http", "https", 1)), "file_url_foreign"),
    ("a local file", |row| row.urls(|_| "file:///etc/passwd".into()), "file_url_foreign"),
    ("another container", |row| row.urls(|url| url.replacen("/box-", "/other-", 1)), "file_url_foreign"),
    (
        "a container that begins alike",
        |row| row.urls(|url| url.replacen("/learner/", "x/learner/", 1)),
        "file_url_foreign",
    ),
    ("two dots", |row| row.urls(|url| url.replacen("/learner/", "/learner/../", 1)), "file_url_foreign"),
    (
        "two dots in disguise",
        |row| row.urls(|url| url.replacen("/learner/", "/%2E%2e/", 1)),
        "file_url_foreign",
    ),
    ("somebody's password", |row| row.urls(|url| url.replacen("//", "//user:pass@", 1)), "file_url_foreign"),
    ("no URL", |row| row.urls(|_| "see e-mail".into()), "file_url_foreign"),
    ("a path only", |row| row.urls(|_| "learner/1.docx".into()), "file_url_foreign"),
    (
        "a line break in the URL",
        |row| row.urls(|url| url.replacen("/learner/", "/lear\nner/", 1)),
        "file_url_foreign",
    ),
    ("a bare #", |row| row.ends("odd/a#b.docx"), "file_url_foreign"),
    ("a bare ?", |row| row.ends("odd/Why?.docx"), "file_url_foreign"),
    (
        "a bare ? and a signature",
        |row| row.ends("odd/Why?.docx?sv=2020-08-04&sr=b&sp=r&sig=AAAA"),
        "file_url_foreign",
    ),
    ("a query that says nothing", |row| row.urls(|url| format!("{url}?a=1")), "migrated"),
    (
        "a signature that has ended",
        |row| row.urls(|url| format!("{url}?sv=2020-08-04&se=2020-01-01&sr=b&sp=r&sig=AAAA")),
        "file_forbidden",
    ),
    ("spaces as they are", |row| row.ends("odd/two words.docx"), "migrated"),
    ("spaces encoded", |row| row.ends("odd/two%20words.docx"), "migrated"),
    ("a percent sign encoded", |row| row.ends("odd/100%25.docx"), "migrated"),
    ("a comma encoded", |row| row.ends("odd/a%2Cb.docx"), "migrated"),
    ("a # encoded", |row| row.ends("odd/a%23b.docx"), "migrated"),
    ("emoji", |row| row.ends("odd/🎓.docx"), "migrated"),
    ("a file that is not there", |row| row.ends("odd/none.docx"), "file_missing"),
    ("an empty file", |row| row.ends("odd/empty.docx"), "migrated"),
    ("slashes in the name", |row| row.named("a/b\\c.docx"), "migrated"),
    ("a name that climbs", |row| row.named("../../etc/passwd"), "migrated"),
    ("two dots for a name", |row| row.named(".."), "migrated"),
    ("an emoji name", |row| row.named("👩‍🎓 thesis.pdf"), "migrated"),
    ("a name of 300 characters", |row| row.named(&format!("{}.docx", "é".repeat(295))), "migrated"),
    ("a name without extension", |row| row.named("README"), "migrated"),
    ("control characters in the name", |row| row.named("a\tb\u{7}\r\nc.docx"), "migrated"),
    ("a name of dots and blanks", |row| row.named(". . ."), "migrated"),
];

/// Names that the application shows, and what the blob's name makes of them.
const NAMES: &[(&str, &str, &str)] = &[
    ("slashes in the name", "a/b\\c.docx", "_1_a_b_c.docx"),
    ("a name that climbs", "../../etc/passwd", "_1_.._.._etc_passwd"),
    ("an emoji name", "👩‍🎓 thesis.pdf", "_1_👩‍🎓 thesis.pdf"),
    ("a name without extension", "README", "_1_README"),
    ("control characters in the name", "a\tb\u{7}\r\nc.docx", "_1_a_b___c.docx"),
];

/// The sample with one case a row; the last row stands twice.
async fn odd_sample() -> Sample {
    let sample = plain_sample(CASES.len() as u64 + 2).await;
    let azurite = Azurite::shared().await;
    for name in ["two words", "100%", "a,b", "a#b", "🎓"] {
        azurite.put(&sample.source, &format!("odd/{name}.docx"), b"an odd file".to_vec()).await;
    }
    azurite.put(&sample.source, "odd/empty.docx", Vec::new()).await;
    let path = sample.path("submission_files.csv");
    let mut submissions = Csv::read(&path);
    let Csv { header, rows } = &mut submissions;
    for ((_, change, _), cells) in CASES.iter().zip(&mut *rows) {
        change(&mut Row { header, cells });
    }
    rows.push(rows.last().unwrap().clone());
    submissions.write(&path);
    sample
}

#[tokio::test]
async fn every_odd_row_has_its_certain_fate() {
    let sample = odd_sample().await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let outcomes = app.outcomes();
    let mut wrong = Vec::new();
    for (row, (what, _, expected)) in (1..).zip(CASES) {
        let (kind, code) = &outcomes[&row];
        let found = if kind == "migrated" { kind } else { code };
        if found != expected {
            wrong.push(format!("row {row}, {what}: {found} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", app.result("submissions_failed_migration.csv"));
    let rows = CASES.len() as u64;
    assert_eq!(outcomes[&(rows + 1)].0, "migrated", "the neighbour");
    assert_eq!(
        (outcomes[&(rows + 2)].1.as_str(), outcomes[&(rows + 3)].0.as_str()),
        ("duplicate_row", "migrated")
    );
    assert_eq!(outcomes.len() as u64, rows + 3, "the books balance");

    // Nothing of the rows that failed stays, and nothing more than the rows name.
    let named =
        app.database.number("select count(*) from submission_files where azure_blob_name is not null").await;
    let seeded = app
        .database
        .number("select count(*) from submission_files where submission_id like 'submission-%'")
        .await;
    assert_eq!(i64::try_from(app.blobs().await.len()).unwrap(), named - seeded);
    for (what, name, blob) in NAMES {
        let found: Vec<(String, String)> = sqlx::query_as(
            "select original_file_name, azure_blob_name from submission_files where file_name = $1",
        )
        .bind(name)
        .fetch_all(app.database.pool())
        .await
        .unwrap();
        let [(original, found)] = &found[..] else { panic!("{what}: {found:?}") };
        assert_eq!(original, name, "{what}");
        assert!(found.starts_with("LTI_Uploads/") && found.ends_with(blob), "{what}: {found}");
    }
    // What failed says what to do, and may be given to the next run as it is.
    let failed = app.result("submissions_failed_migration.csv");
    for part in ["row_invalid: ", "Surname", "attempt_id_invalid: ", "target_rejected: "] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
}

/// Text that no compression makes small.
fn noise(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..length).map(letter).collect()
}
