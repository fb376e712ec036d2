//! The name of a file's blob, stated a second time.

use super::text::is_blank_char;
use crate::domain::{AttemptId, FileKind};

/// Longest name within a blob's name, in bytes.
const LONGEST: usize = 150;

/// Whether `stored` is the blob `<folder>/<writer>/<attempt>_<order>_<name>` of the file; `None`, else the writer.
pub fn writer_of<'b>(
    stored: &'b str,
    kind: FileKind,
    attempt: AttemptId,
    order: i32,
    name: &str,
) -> Option<&'b str> {
    let folder = match kind {
        FileKind::Learner => "LTI_Uploads/",
        FileKind::Marker => "Marker_files/",
    };
    let (writer, file) = stored.strip_prefix(folder)?.split_once('/')?;
    let stored_name = file.strip_prefix(&format!("{attempt}_{order}_"))?;
    is_safe_form(stored_name, name).then_some(writer)
}

/// Whether a blob's name is what the service can keep of a file's name.
fn is_safe_form(stored: &str, name: &str) -> bool {
    let safe: String = name.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let ended = |text: &str| text.trim_end_matches(|c| c == '.' || is_blank_char(c)).to_owned();
    let safe = ended(&safe);
    if safe.is_empty() {
        return stored == "file";
    }
    if safe.len() <= LONGEST {
        return stored == safe;
    }
    let extension = safe.rfind('.').and_then(|dot| safe.get(dot..)).filter(|rest| rest.len() < LONGEST);
    let extension = extension.unwrap_or_default();
    let stem = safe.get(..safe.floor_char_boundary(LONGEST - extension.len())).unwrap_or_default();
    stored == ended(&format!("{stem}{extension}"))
}

/// Separators, control and bidirectional-format characters, private use, the replacement character, non-characters.
fn is_unsafe(c: char) -> bool {
    let code = u32::from(c);
    c == '/'
        || c == '\\'
        || c.is_control()
        || [0x61c, 0x200e, 0x200f, 0xfffd].contains(&code)
        || (0x202a..=0x202e).contains(&code)
        || (0x2066..=0x2069).contains(&code)
        || (0xe000..=0xf8ff).contains(&code)
        || (0xfdd0..=0xfdef).contains(&code)
        || code >= 0xf_0000
        || code % 0x1_0000 >= 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_folder_writer_attempt_order_and_name() {
        let attempt: AttemptId = "987".parse().unwrap();
        let of = |stored, name| writer_of(stored, FileKind::Learner, attempt, 2, name);
        assert_eq!(of("LTI_Uploads/0123456789ab/987_2_a_b.pdf", "a/b.pdf"), Some("0123456789ab"));
        assert_eq!(of("LTI_Uploads/0123456789ab/987_2_a", "a. ."), Some("0123456789ab"));
        assert_eq!(of("LTI_Uploads/0123456789ab/987_2_file", "..."), Some("0123456789ab"));
        for (stored, name) in [
            ("Marker_files/0123456789ab/987_2_a.pdf", "a.pdf"),
            ("LTI_Uploads/0123456789ab/987_1_a.pdf", "a.pdf"),
            ("LTI_Uploads/0123456789ab/986_2_a.pdf", "a.pdf"),
            ("LTI_Uploads/0123456789ab/987_2_b.pdf", "a.pdf"),
        ] {
            assert_eq!(of(stored, name), None, "{stored}");
        }
        let long = format!("{}.pdf", "é".repeat(100));
        let cut = format!("LTI_Uploads/0123456789ab/987_2_{}.pdf", "é".repeat(73));
        assert_eq!(of(&cut, &long), Some("0123456789ab"));
        let shorter = format!("LTI_Uploads/0123456789ab/987_2_{}.pdf", "é".repeat(72));
        assert_eq!(of(&shorter, &long), None, "cut too short");
    }
}
