//! Finds text that was UTF-8 and has been read as Windows-1252, as Excel does with a CSV without a byte order mark:
//! `Björn` becomes `BjÃ¶rn`. Nothing is repaired, since a name may really look like that.

use encoding_rs::WINDOWS_1252;

use super::files;
use crate::domain::{SubmissionRow, text};

/// The columns of names, e-mail addresses and titles that look misread.
pub(super) fn misread_columns(cells: &SubmissionRow) -> Vec<&'static str> {
    [
        ("First Name", is_misread(&cells.first_name)),
        ("Surname", is_misread(&cells.surname)),
        ("Learner Email", is_misread(&cells.learner_email)),
        ("Course Title", is_misread(&cells.course_title)),
        ("Rogo User Name", is_misread(&cells.rogo_user_name)),
        ("Learner File Names", files::names_by_position(cells).any(is_misread)),
    ]
    .into_iter()
    .filter_map(|(column, found)| found.then_some(column))
    .collect()
}

/// Whether the bytes that Windows-1252 has for the text are UTF-8 of something that people write. A correct text with
/// accents fails that: its letters are no UTF-8 sequences.
fn is_misread(cell: &str) -> bool {
    if cell.is_ascii() {
        return false;
    }
    // Five bytes are no characters there; some programs put a replacement character for them.
    let cell = cell.replace('\u{fffd}', "\u{9d}");
    let (bytes, _, is_beyond) = WINDOWS_1252.encode(&cell);
    !is_beyond && std::str::from_utf8(&bytes).is_ok_and(|read| read.chars().any(is_written))
}

/// Characters that people write. Characters that an accented capital and a quotation mark can yield by chance are left
/// out: phonetic letters, combining signs, scripts that no export holds.
fn is_written(c: char) -> bool {
    match c {
        '\u{a0}'..='\u{24f}' | '\u{300}'..='\u{33f}' | '\u{2000}'..='\u{2bff}' | '\u{feff}' => true,
        '\u{0}'..='\u{9f}' | '\u{250}'..='\u{2ff}' | '\u{700}'..='\u{7ff}' => false,
        c => c.is_alphabetic() || text::is_blank_char(c) || c >= '\u{1f000}',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader that takes bytes for Windows-1252 makes of UTF-8.
    fn misread(text: &str) -> String {
        WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn text_that_was_misread_is_found() {
        for text in [
            "Björn",
            "Zoë O’Hara",
            "“Bridge” unit",
            "Ñandú",
            "Łukasz",
            "Иван",
            "李雷",
            "🎓",
            "\u{feff}Ann",
            "n\u{303}",
        ] {
            assert!(is_misread(&misread(text)), "{text}");
        }
        assert!(is_misread("Certificate â€œBridgeâ€\u{fffd}"), "a byte that is no character there");
    }

    #[test]
    fn text_that_was_read_well_is_not() {
        for text in [
            "",
            "Ann",
            "Björn",
            "JOÃO",
            "José",
            "ÉCOLE",
            "“CAFÉ”",
            "CAFÉ’S",
            "Zoë–Ann",
            "Łukasz",
            "Иван",
            "李雷",
            "🎓",
            "Reflexi\u{fffd}n",
            "Â",
            "naïve café",
            "Ñandú’s",
        ] {
            assert!(!is_misread(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_misread_and_never_as_it_is(name in "[A-Z][a-zàâçéèêëîïôöûüùñäåøæß]{2,12}") {
            prop_assert!(!is_misread(&name));
            prop_assert_eq!(is_misread(&misread(&name)), !name.is_ascii());
        }
    }
}
