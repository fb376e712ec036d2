//! The files of a row, stated a second time: order, names, types, sizes, blob names.

use percent_encoding::percent_decode_str;

use super::{Person, text::trim};
use crate::domain::{AttemptId, FileKind, SubmissionRow};

/// One file that the input row names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedFile {
    /// Learner's or marker's.
    pub kind: FileKind,
    /// From 1, over both kinds.
    pub order: i32,
    /// Where it was read, as the cell says.
    pub source: String,
    /// Name that it has to have.
    pub name: ExpectedName,
}

/// The name of a file, as far as the input row says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedName {
    /// Known from the row alone.
    Known(String),
    /// Named by the assessment's code, which is stored.
    ByCode {
        /// `_<First>-<Surname>_feedback`, behind the code.
        rest: String,
        /// `_<n>` of one of several, else empty.
        number: String,
    },
}

impl ExpectedName {
    /// The name, beside an assessment of this code.
    pub fn beside(&self, code: &str, attempt: AttemptId) -> String {
        match (self, trim(code)) {
            (Self::Known(name), _) => name.clone(),
            (Self::ByCode { number, .. }, "") => format!("feedback_{attempt}{number}.docx"),
            (Self::ByCode { rest, number }, code) => format!("{code}{rest}{number}.docx"),
        }
    }
}

/// Learner files first, then marker files.
pub fn expected_files(cells: &SubmissionRow, person: &Person) -> Vec<ExpectedFile> {
    let urls = list(&cells.learner_blob_urls);
    let names = list(&cells.learner_file_names);
    // A comma inside a name shifts the list: then no name is guessed.
    let paired = urls.len() == names.len();
    let mut files = Vec::new();
    for (url, name) in
        urls.iter().enumerate().map(|(at, url)| (url, names.get(at).copied().unwrap_or_default()))
    {
        if url.is_empty() {
            continue;
        }
        let order = next(&files);
        let name = if paired && !name.is_empty() { name.to_owned() } else { name_in_url(url, order) };
        files.push(file(FileKind::Learner, order, url, ExpectedName::Known(name)));
    }
    let markers: Vec<&str> =
        list(&cells.marker_blob_urls).into_iter().filter(|url| !url.is_empty()).collect();
    for (n, url) in (1..).zip(&markers) {
        let number = if markers.len() > 1 { format!("_{n}") } else { String::new() };
        let rest = format!("_{}-{}_feedback", plain(&person.first_name), plain(&person.last_name));
        let name = match person.assessment_id.as_str() {
            "" => ExpectedName::ByCode { rest, number },
            id => ExpectedName::Known(format!("{id}{rest}{number}.docx")),
        };
        let order = next(&files);
        files.push(file(FileKind::Marker, order, url, name));
    }
    files
}

/// How many files the row names.
pub fn expected_files_listed(cells: &SubmissionRow) -> usize {
    let named = |cell: &str| list(cell).into_iter().filter(|url| !url.is_empty()).count();
    named(&cells.learner_blob_urls) + named(&cells.marker_blob_urls)
}

fn next(files: &[ExpectedFile]) -> i32 {
    i32::try_from(files.len()).unwrap_or(i32::MAX - 1) + 1
}

fn file(kind: FileKind, order: i32, source: &str, name: ExpectedName) -> ExpectedFile {
    ExpectedFile { kind, order, source: source.to_owned(), name }
}

/// The items of a cell, trimmed; blank ones count for positions.
fn list(cell: &str) -> Vec<&str> {
    cell.split(',').map(trim).collect()
}

/// A name part with everything but letters, digits, `_` and `-` replaced.
fn plain(part: &str) -> String {
    part.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// The last segment of the URL, decoded, without a leading time stamp of ten or more digits and `_`.
fn name_in_url(url: &str, order: i32) -> String {
    let parsed = url::Url::parse(url).ok();
    let path = parsed.as_ref().map_or(url, |url| url.path());
    let segment = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode_str(segment).decode_utf8().ok().filter(|name| !name.contains('\0'));
    let name = decoded.as_deref().unwrap_or(segment);
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let name = match name.get(digits..).and_then(|rest| rest.strip_prefix('_')) {
        Some(rest) if digits >= 10 => rest,
        _ => name,
    };
    match trim(name) {
        "" => format!("learner_file_{order}"),
        name => name.to_owned(),
    }
}

/// Whether a count column names another number of files than its list holds. A cell without a number says nothing.
pub fn counts_differ(cells: &SubmissionRow) -> bool {
    let differs = |count: &str, urls: &str| {
        let count = trim(count);
        let listed = list(urls).into_iter().filter(|url| !url.is_empty()).count();
        count.strip_suffix(".0").unwrap_or(count).parse::<usize>().is_ok_and(|count| count != listed)
    };
    differs(&cells.learner_files_count, &cells.learner_blob_urls)
        || differs(&cells.marker_files_count, &cells.marker_blob_urls)
}

/// Text behind the last dot, in lower case.
pub fn extension(name: &str) -> String {
    name.rfind('.').and_then(|dot| name.get(dot + 1..)).unwrap_or_default().to_lowercase()
}

/// What the application stores for an extension.
pub fn mime_type(extension: &str) -> &'static str {
    const KNOWN: [(&str, &str); 8] = [
        ("pdf", "application/pdf"),
        ("doc", "application/msword"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("txt", "text/plain"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("png", "image/png"),
        ("gif", "image/gif"),
    ];
    KNOWN.iter().find(|(of, _)| *of == extension).map_or("application/octet-stream", |(_, mime)| mime)
}

/// Tenths of a MB (1024² bytes), ties up.
pub fn tenths(bytes: u64) -> u128 {
    (20 * u128::from(bytes) + (1 << 20)) / (2 << 20)
}

/// The size as it is stored: one decimal and " MB".
pub fn size(bytes: u64) -> String {
    let tenths = tenths(bytes);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// Tenths of a MB that a stored size names; `None` if it is none.
pub fn tenths_of(size: &str) -> Option<u128> {
    let (whole, tenth) = size.strip_suffix(" MB")?.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if tenth.len() != 1 || whole.is_empty() || !digits(whole) || !digits(tenth) {
        return None;
    }
    Some(whole.parse::<u128>().ok()? * 10 + tenth.parse::<u128>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_by_position_while_the_lists_are_equally_long() {
        let cells = |names: &str, urls: &str| SubmissionRow {
            learner_file_names: names.into(),
            learner_blob_urls: urls.into(),
            marker_blob_urls: "https://s/m1.docx, https://s/m2.docx".into(),
            ..Default::default()
        };
        let person = Person {
            first_name: "Zoë".into(),
            last_name: "O'Neil".into(),
            full_name: String::new(),
            email: String::new(),
            uploader: String::new(),
            course_title: String::new(),
            assessment_id: "A1".into(),
        };
        let names = |cells: &SubmissionRow| -> Vec<String> {
            let known = |file: ExpectedFile| match file.name {
                ExpectedName::Known(name) | ExpectedName::ByCode { rest: name, .. } => name,
            };
            expected_files(cells, &person).into_iter().map(known).collect()
        };
        let two = "https://s/1234567890_a%20b.pdf,,https://s/123456789_c.pdf";
        assert_eq!(
            names(&cells("x.pdf, y.pdf ,", two)),
            ["x.pdf", "123456789_c.pdf", "A1_Zo_-O_Neil_feedback_1.docx", "A1_Zo_-O_Neil_feedback_2.docx"]
        );
        assert_eq!(names(&cells("x, y.pdf", two))[..2], ["a b.pdf", "123456789_c.pdf"]);
    }

    #[test]
    fn sizes_are_tenths_of_a_mb_ties_up() {
        for (bytes, expected) in [
            (0, "0.0 MB"),
            (52_428, "0.0 MB"),
            (52_429, "0.1 MB"),
            (262_144, "0.3 MB"),
            (1_310_720, "1.3 MB"),
        ] {
            assert_eq!(size(bytes), expected);
            assert_eq!(tenths_of(expected), Some(tenths(bytes)));
        }
        for text in ["1 MB", "1.25 MB", ".5 MB", "0.5MB", "0.5 KB", ""] {
            assert_eq!(tenths_of(text), None, "{text}");
        }
    }
}
