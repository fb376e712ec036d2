//! What a migrated file is called in the target container, and what is written beside it.

use crate::{
    domain::{AttemptId, FileKind, PlannedFile},
    run::ids::{RunName, WriterId},
};

/// A name is cut to so many bytes.
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

/// The name without separators and control characters, cut before its extension where it is long.
fn blob_safe(name: &str) -> String {
    let unsafe_in_blobs = |c: char| matches!(c, '/' | '\\') || c.is_control();
    let name = name.replace(unsafe_in_blobs, "_");
    if name.len() <= NAME_BYTES {
        return name;
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
    // An "extension" as long as the whole name is none worth keeping.
    let extension = if extension.len() < NAME_BYTES { extension } else { "" };
    let end = name.floor_char_boundary(NAME_BYTES - extension.len());
    format!("{}{extension}", name.get(..end).unwrap_or_default())
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
            ("..", "..".to_owned()),
            ("", String::new()),
            (&format!("{long}.docx"), format!("{}.docx", "x".repeat(145))),
            (&long, "x".repeat(150)),
            (&format!("a.{long}"), format!("a.{}", "x".repeat(148))),
            (&format!("{}.pdf", "é".repeat(100)), format!("{}.pdf", "é".repeat(73))),
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
            let has_unsafe = safe.chars().any(|c| c == '/' || c == '\\' || c.is_control());
            prop_assert!(!has_unsafe);
            let suffix = format!(".{extension}");
            prop_assert!(safe.ends_with(&suffix));
            prop_assert_eq!(blob_safe(&safe), safe);
        }
    }
}
