//! Commas inside URLs, which commas separate.

use crate::domain::text::trim;

/// Whether an item behind a URL is no URL itself, and goes on where that one broke off at a comma: it has the end of a
/// file's name or a folder in it, or that one has no such end. Items between them may be parts of the name too. Behind a
/// whole URL a word may be a remark: such an item fails its row.
pub(super) fn has_comma_in_url(cell: &str) -> bool {
    let mut is_whole = None;
    cell.split(',').map(trim).any(|item| {
        if item.contains("://") {
            is_whole = Some(ends_in_a_name(item));
            return false;
        }
        is_whole.is_some_and(|is_whole| goes_on(item) || !is_whole && !item.is_empty())
    })
}

/// Whether the last segment of a URL has a dot in it, a query left aside.
fn ends_in_a_name(url: &str) -> bool {
    path(url).rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Whether this is the end of a URL.
fn goes_on(item: &str) -> bool {
    let path = path(item);
    path.contains('/')
        || path.rsplit_once('.').is_some_and(|(_, end)| {
            (1..=5).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The item without its query.
fn path(item: &str) -> &str {
    trim(item.split('?').next().unwrap_or_default())
}
