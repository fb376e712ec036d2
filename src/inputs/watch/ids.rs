//! Ids as spreadsheets spoil them.

use super::Places;

/// One spoilt id in so many rows refuses the file: a spreadsheet spoils every id that it shows too narrow or too long, and seldom
/// those of all rows. Fewer are what people typed, and each fails its row.
const SPOILT_ONE_IN: u64 = 20;
/// A single one is a stray, unless it is one in so many rows.
const STRAY_ONE_IN: u64 = 2;

/// What the id column holds.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) rows: u64,
    /// What is no id.
    pub(super) strange: Places,
    /// Ids as spreadsheets spoil them.
    pub(super) spoilt: Places,
}

impl Ids {
    /// Whether a program has spoilt the column, and not a person a row.
    pub(super) fn are_spoilt(&self) -> bool {
        let spoilt = self.spoilt.count;
        let one_in = if spoilt > 1 { SPOILT_ONE_IN } else { STRAY_ONE_IN };
        spoilt > 0 && spoilt.saturating_mul(one_in) >= self.rows
    }
}

/// Whether a spreadsheet made this of an id: `1.0E+07`, `10,000,006`, `########`.
pub(super) fn is_spoilt(cell: &str) -> bool {
    // Nearly every id.
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_scientific = || {
        cell.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
            let mantissa = mantissa.replace(['.', ','], "");
            digits(&mantissa) && digits(exponent.trim_start_matches('+'))
        })
    };
    let is_grouped = || {
        let mut groups = cell.split([',', '.', ' ', '\'', '’', '\u{a0}', '\u{202f}']);
        let first = groups.next().unwrap_or_default();
        let rest: Vec<&str> = groups.collect();
        digits(first)
            && first.len() <= 3
            && !rest.is_empty()
            && rest.iter().all(|group| digits(group) && group.len() == 3)
    };
    let is_hidden = || cell.len() >= 2 && cell.bytes().all(|byte| byte == b'#');
    is_scientific() || is_grouped() || is_hidden()
}
