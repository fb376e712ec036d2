//! Commas inside URLs, which commas separate.

use crate::domain::text::trim;

/// Whether an item behind a URL is no URL itself, and goes on where that one broke off at a comma: it has the end of a
/// file's name or a folder in it. Items between them may be parts of the name too.
pub(super) fn has_comma_in_url(cell: &str) -> bool {
    let is_url = |item: &&str| item.contains("://");
    let behind_a_url = cell.split(',').map(trim).skip_while(|item| !is_url(item));
    behind_a_url.filter(|item| !is_url(item)).any(goes_on)
}

/// Whether this is the end of a URL, a query left aside.
fn goes_on(item: &str) -> bool {
    let path = trim(item.split('?').next().unwrap_or_default());
    path.contains('/')
        || path.rsplit_once('.').is_some_and(|(_, end)| {
            (1..=5).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}
