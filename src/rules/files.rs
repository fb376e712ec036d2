//! The files of a row: learner's first, then marker's, each with its name and where it is read.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    RuleConfig,
    file_type::{application_mime_type, content_type, file_type},
    message::{fail, list},
    source_url::permitted,
};
use crate::domain::{
    AttemptId, FailCode, Failure, FileKind, Note, NoteCode, PlannedFile, SubmissionRow, text::trim,
};

/// Values for names and owners of files, besides the row's cells.
pub(super) struct FileContext<'a> {
    pub attempt: AttemptId,
    /// Learner Email, trimmed.
    pub email: &'a str,
    pub assessment_code: &'a str,
}

/// A URL that may be read, and its place in its cell's list, from 0 (blank items count).
struct Listed {
    place: usize,
    source: Url,
}

/// The files in upload order, and notes: names that had to be taken from URLs, counts that say something else.
pub(super) fn planned_files(
    cells: &SubmissionRow,
    context: &FileContext,
    config: &RuleConfig,
) -> Result<(Vec<PlannedFile>, Vec<Note>), Failure> {
    let (learner, marker) = permitted_sources(cells, config)?;
    let differing = differing_counts(cells, learner.len(), marker.len());
    let (mut files, from_url) = learner_files(learner, cells, context);
    marker_files(&mut files, marker, cells, context);
    Ok((files, from_url.into_iter().chain(differing).collect()))
}

/// Where the files of a row are read, in upload order; empty if the row fails because of them.
pub fn source_urls(cells: &SubmissionRow, config: &RuleConfig) -> Vec<Url> {
    let Ok((learner, marker)) = permitted_sources(cells, config) else { return Vec::new() };
    learner.into_iter().chain(marker).map(|listed| listed.source).collect()
}

/// Every file that a row names below an allowed source, whether or not the row fails because of its files.
pub fn named_urls(cells: &SubmissionRow, config: &RuleConfig) -> impl Iterator<Item = Url> {
    let of = |cell: &str| sources(cell, "", &config.allowed_sources, &mut Vec::new());
    of(&cells.learner_blob_urls).into_iter().chain(of(&cells.marker_blob_urls)).map(|listed| listed.source)
}

/// Where the learner's and the marker's files are read.
fn permitted_sources(
    cells: &SubmissionRow,
    config: &RuleConfig,
) -> Result<(Vec<Listed>, Vec<Listed>), Failure> {
    let (learner, marker) = (&cells.learner_blob_urls, &cells.marker_blob_urls);
    if is_empty(learner) && is_empty(marker) {
        let message = "Learner Azure Blob URLs and Marker Azure Blob URLs are blank";
        return Err(fail(FailCode::NoFiles, message));
    }
    if is_empty(learner) && !config.migrate_marker_only {
        return Err(fail(FailCode::NoLearnerFiles, "Learner Azure Blob URLs is blank: marker files only"));
    }
    let mut foreign = Vec::new();
    let learner = sources(learner, "Learner Azure Blob URLs", &config.allowed_sources, &mut foreign);
    let marker = sources(marker, "Marker Azure Blob URLs", &config.allowed_sources, &mut foreign);
    if foreign.is_empty() {
        Ok((learner, marker))
    } else {
        Err(fail(FailCode::FileUrlForeign, list(foreign)))
    }
}

/// The note if a count column differs from the length of its list. A cell without a number is ignored; spreadsheets
/// write 2 as `2.0`.
fn differing_counts(cells: &SubmissionRow, learner: usize, marker: usize) -> Option<Note> {
    let columns = [
        ("Learner Files Count", &cells.learner_files_count, learner),
        ("Marker Files Count", &cells.marker_files_count, marker),
    ];
    let differs = |(column, cell, listed): (&str, &String, usize)| {
        let cell = trim(cell);
        let count: u64 = cell.strip_suffix(".0").unwrap_or(cell).parse().ok()?;
        (count != listed as u64).then(|| format!("{column} is {count}, the list of URLs holds {listed}"))
    };
    let found: Vec<String> = columns.into_iter().filter_map(differs).collect();
    (!found.is_empty()).then(|| Note { code: NoteCode::FilesCountDiffers, detail: list(found) })
}

/// The items of a list in a cell, trimmed; blank ones too, since positions count.
fn items(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(',').map(trim)
}

/// Whether a list has nothing but blank items.
pub(super) fn is_empty(cell: &str) -> bool {
    items(cell).all(str::is_empty)
}

/// The URLs of a cell; a URL that may not be read is added to `foreign`, with its column and position.
fn sources(cell: &str, column: &str, allowed: &[Url], foreign: &mut Vec<String>) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut is_behind_a_url = false;
    for (place, item) in items(cell).enumerate().filter(|(_, item)| !item.is_empty()) {
        let is_url = item.contains("://");
        let hint = if is_behind_a_url && !is_url { " (a comma inside a URL must be %2C)" } else { "" };
        is_behind_a_url |= is_url;
        match permitted(item, allowed) {
            Ok(source) => listed.push(Listed { place, source }),
            Err(reason) => foreign.push(format!("{column}, item {}: {reason}{hint}", place + 1)),
        }
    }
    listed
}

/// The names that learner files take from their list.
pub(super) fn names_by_position(cells: &SubmissionRow) -> impl Iterator<Item = &str> {
    let certain = names_are_certain(cells);
    let named = items(&cells.learner_blob_urls).zip(items(&cells.learner_file_names));
    named.filter(move |(url, _)| certain && !url.is_empty()).map(|(_, name)| name)
}

/// Names go by position only while both lists are equally long: a comma inside a name shifts its list,
/// and a name of another file would be worse than one from the URL.
fn names_are_certain(cells: &SubmissionRow) -> bool {
    items(&cells.learner_file_names).count() == items(&cells.learner_blob_urls).count()
}

fn learner_files(
    learner: Vec<Listed>,
    cells: &SubmissionRow,
    context: &FileContext,
) -> (Vec<PlannedFile>, Option<Note>) {
    let names: Vec<&str> =
        if names_are_certain(cells) { items(&cells.learner_file_names).collect() } else { Vec::new() };
    let user = trim(&cells.rogo_user_id);
    let uploaded_by = if user.is_empty() { context.email } else { user };

    let mut from_url = Vec::new();
    let mut files = Vec::with_capacity(learner.len());
    for (order, Listed { place, source }) in (1..).zip(learner) {
        let name = match names.get(place) {
            Some(name) if !name.is_empty() => (*name).to_owned(),
            _ => {
                from_url.push(order);
                name_from_url(&source).unwrap_or_else(|| format!("learner_file_{order}"))
            }
        };
        files.push(planned(FileKind::Learner, order, source, name, Some(uploaded_by.to_owned())));
    }
    let note = (!from_url.is_empty()).then(|| Note {
        code: NoteCode::NamesFromUrl,
        detail: format!("learner files by upload order: {}", list(from_url)),
    });
    (files, note)
}

/// The URL's last segment without the old system's leading time stamp; `None` if nothing is left.
fn name_from_url(source: &Url) -> Option<String> {
    let segment = source.path_segments()?.next_back()?;
    // An escape that does not decode to text that PostgreSQL can store stays encoded, so that nothing is lost.
    let decoded = percent_decode_str(segment).decode_utf8().ok().filter(|name| !name.contains('\0'));
    let name = decoded.as_deref().unwrap_or(segment);
    let unstamped = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = match unstamped.strip_prefix('_') {
        Some(rest) if name.len() - unstamped.len() >= 10 => rest,
        _ => name,
    };
    let name = trim(name);
    (!name.is_empty()).then(|| name.to_owned())
}

fn marker_files(
    files: &mut Vec<PlannedFile>,
    marker: Vec<Listed>,
    cells: &SubmissionRow,
    context: &FileContext,
) {
    let stem = marker_stem(cells, context);
    let several = marker.len() > 1;
    for (n, Listed { source, .. }) in (1_i32..).zip(marker) {
        let name = if several { format!("{stem}_{n}.docx") } else { format!("{stem}.docx") };
        let order = files.last().map_or(1, |last| last.upload_order + 1);
        files.push(planned(FileKind::Marker, order, source, name, None));
    }
}

fn marker_stem(cells: &SubmissionRow, context: &FileContext) -> String {
    let (id, code) = (trim(&cells.assessment_id), trim(context.assessment_code));
    let id = if id.is_empty() { code } else { id };
    if id.is_empty() {
        return format!("feedback_{}", context.attempt);
    }
    let part = |name: &str| -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
        trim(name).chars().map(plain).collect()
    };
    format!("{id}_{}-{}_feedback", part(&cells.first_name), part(&cells.surname))
}

fn planned(
    kind: FileKind,
    upload_order: i32,
    source: Url,
    name: String,
    uploaded_by: Option<String>,
) -> PlannedFile {
    let file_type = file_type(&name);
    PlannedFile {
        kind,
        upload_order,
        source,
        file_mime_type: application_mime_type(&file_type),
        content_type: content_type(&file_type),
        file_type,
        name,
        uploaded_by,
        listed: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_from_a_url_is_its_last_segment_without_the_time_stamp() {
        for (url, expected) in [
            ("https://h/c/1700000000000_My%20essay.docx?sig=x", Some("My essay.docx")),
            ("https://h/c/1234567890_a.pdf", Some("a.pdf")),
            ("https://h/c/123456789_a.pdf", Some("123456789_a.pdf")),
            ("https://h/c/1234567890a.pdf", Some("1234567890a.pdf")),
            ("https://h/c/1234567890_1234567890_a.pdf", Some("1234567890_a.pdf")),
            ("https://h/c/1234567890_", None),
            ("https://h/c/%20", None),
            ("https://h/c/", None),
            ("https://h/c/100%25%F0%9F%98%80.txt", Some("100%😀.txt")),
            ("https://h/c/caf%E9.txt", Some("caf%E9.txt")),
            ("https://h/c/a%00b.txt", Some("a%00b.txt")),
            ("https://h/c/a%2Fb.txt", Some("a/b.txt")),
        ] {
            assert_eq!(name_from_url(&url.parse().unwrap()).as_deref(), expected, "{url}");
        }
    }

    fn planned_from(names: &str, urls: &str) -> Result<(Vec<PlannedFile>, Vec<Note>), Failure> {
        let cells = SubmissionRow {
            learner_file_names: names.to_owned(),
            learner_blob_urls: urls.to_owned(),
            ..SubmissionRow::default()
        };
        let config = crate::rules::config::tests_config("https://h/");
        let context = FileContext { attempt: "987".parse().unwrap(), email: "e", assessment_code: "A" };
        planned_files(&cells, &context, &config)
    }

    proptest! {
        #[test]
        fn every_url_of_a_list_keeps_its_name_or_takes_its_own(
            names in prop::collection::vec("[a-z]{0,3}", 1..6),
            blank in prop::collection::vec(any::<bool>(), 1..6),
        ) {
            let url = |n: usize| if blank[n] { String::new() } else { format!("https://h/{n}") };
            let urls: Vec<String> = (0..blank.len()).map(url).collect();
            let certain = names.len() == urls.len();
            let expected: Vec<String> = (0..urls.len())
                .filter(|n| !blank[*n])
                .map(|n| match names.get(n) {
                    Some(name) if certain && !name.is_empty() => name.clone(),
                    _ => n.to_string(),
                })
                .collect();
            let result = planned_from(&names.join(" , "), &urls.join(","));
            if expected.is_empty() {
                prop_assert_eq!(result.unwrap_err().code, FailCode::NoFiles);
                return Ok(());
            }
            let (files, notes) = result.unwrap();
            let orders: Vec<i32> = files.iter().map(|file| file.upload_order).collect();
            prop_assert_eq!(orders, (1..).take(expected.len()).collect::<Vec<i32>>());
            let own = expected.iter().any(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(!notes.is_empty(), own);
            prop_assert_eq!(files.into_iter().map(|file| file.name).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn any_list_is_planned_or_refused(urls in "(.|,|https://h/)*", names in ".*") {
            let _ = planned_from(&names, &urls);
        }
    }
}
