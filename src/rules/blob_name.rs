//! Name of a migrated file in the target container, and the metadata that is stored with it.

use crate::{
    domain::{AttemptId, FileKind, PlannedFile, text::is_blank_char},
    ids::{RunName, WriterId},
};

/// Longest file name in bytes; a longer one is truncated.
const NAME_BYTES: usize = 150;

/// `<folder>/<writer>/<attempt>_<upload order>_<name>`: no other process can ever write it, and one prefix
/// lists all that a killed process left.
pub fn blob_name(attempt: AttemptId, file: &PlannedFile, writer: &WriterId) -> String {
    let (order, name) = (file.upload_order, blob_safe(&file.name));
    format!("{}/{writer}/{attempt}_{order}_{name}", file.kind.folder())
}

/// The blob's metadata; names are identifiers without dashes.
pub fn metadata(
    attempt: AttemptId,
    kind: FileKind,
    run: &RunName,
    writer: &WriterId,
) -> Vec<(String, String)> {
    let mut metadata = vec![
        ("attemptId".to_owned(), attempt.to_string()),
        ("migratedFrom".to_owned(), "rogo_warehouse".to_owned()),
        ("run".to_owned(), run.to_string()),
        ("writer".to_owned(), writer.to_string()),
    ];
    if kind == FileKind::Marker {
        metadata.push(("fileType".to_owned(), "marker_feedback".to_owned()));
    }
    metadata
}

/// The name as the storage service keeps it: characters that it refuses replaced, no dot or blank at the end (it drops
/// dots there without a word, and a listing would then show another name than the database holds), cut before its
/// extension if it is long. Never empty.
fn blob_safe(name: &str) -> String {
    let name = name.replace(is_refused, "_");
    let Some(name) = ended(&name) else { return "file".to_owned() };
    if name.len() <= NAME_BYTES {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
    // An "extension" that is as long as the whole name is not kept.
    let extension = if extension.len() < NAME_BYTES { extension } else { "" };
    let end = name.floor_char_boundary(NAME_BYTES - extension.len());
    let cut = format!("{}{extension}", name.get(..end).unwrap_or_default());
    ended(&cut).unwrap_or("file").to_owned()
}

/// The name without trailing dots and blanks; `None` if nothing is left.
fn ended(name: &str) -> Option<&str> {
    Some(name.trim_end_matches(|c: char| c == '.' || is_blank_char(c))).filter(|name| !name.is_empty())
}

/// Separators, control and bidirectional-format characters, private use, the replacement character, non-characters.
fn is_refused(c: char) -> bool {
    matches!(
        c,
        '/' | '\\'
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{f0000}'..='\u{10ffff}'
            | '\u{fffd}'
            | '\u{fdd0}'..='\u{fdef}'
    ) || c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_loses_separators_and_control_characters_and_keeps_its_extension() {
        let long = "x".repeat(300);
        for (name, expected) in [
            ("My essay, v2.docx", "My essay, v2.docx".to_owned()),
            ("../a\\b\u{0}\u{7f}\u{85}\nc.pdf", ".._a_b____c.pdf".to_owned()),
            ("..", "file".to_owned()),
            ("", "file".to_owned()),
            (" \u{a0}\u{200b}", "file".to_owned()),
            ("essay.", "essay".to_owned()),
            ("essay.docx. .\u{a0}", "essay.docx".to_owned()),
            ("v1...", "v1".to_owned()),
            (".docx", ".docx".to_owned()),
            ("a\u{202e}b\u{2069}\u{61c}c", "a_b__c".to_owned()),
            ("a\u{e000}\u{f8ff}\u{f0000}\u{10fffd}", "a____".to_owned()),
            ("a\u{fffd}\u{fdd0}\u{fffe}\u{1ffff}.pdf", "a____.pdf".to_owned()),
            ("a\u{fffc}\u{fdcf}\u{fdf0}\u{200d}b", "a\u{fffc}\u{fdcf}\u{fdf0}\u{200d}b".to_owned()),
            (&format!("{}. {}", "x".repeat(149), "y".repeat(160)), "x".repeat(149)),
            (&format!("{}z", " ".repeat(160)), "file".to_owned()),
            (&format!("{long}.docx"), format!("{}.docx", "x".repeat(145))),
            (&long, "x".repeat(150)),
            (&format!("a.{long}"), format!("a.{}", "x".repeat(148))),
            (&format!("{}.pdf", "é".repeat(100)), format!("{}.pdf", "é".repeat(73))),
            (&format!("{long}.{}", "y".repeat(148)), format!("x.{}", "y".repeat(148))),
            (&"😀".repeat(60), "😀".repeat(37)),
        ] {
            assert_eq!(blob_safe(name), expected, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_blob_safe_name_has_no_separator_fits_and_keeps_a_short_extension(
            stem in ".{0,200}",
            extension in "[a-z]{1,5}",
        ) {
            let name = format!("{stem}.{extension}");
            let safe = blob_safe(&name);
            prop_assert!(safe.len() <= NAME_BYTES);
            let has_unsafe = safe.chars().any(|c| c == '/' || c == '\\' || c.is_control() || c == '\u{fffd}');
            prop_assert!(!has_unsafe);
            let suffix = format!(".{extension}");
            prop_assert!(safe.ends_with(&suffix));
            prop_assert_eq!(blob_safe(&safe), safe);
        }

        #[test]
        fn a_listing_shows_the_name_that_was_given(
            name in "([a-z]|[. \u{a0}\u{200b}\u{feff}]|[\u{202e}\u{e001}\u{fffd}\u{ffff}/\\\\]){0,200}",
        ) {
            let safe = blob_safe(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= NAME_BYTES, "{safe:?}");
            prop_assert!(!safe.ends_with(|c: char| c == '.' || is_blank_char(c)), "{safe:?}");
            prop_assert!(!safe.contains(is_refused), "{safe:?}");
            prop_assert_eq!(blob_safe(&safe), safe);
        }
    }
}
