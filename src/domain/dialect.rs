//! What an export writes where RFC 4180 leaves a choice.

/// Conventions of the tool that wrote an export; `None`: not set, and a file in which the setting matters is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dialect {
    /// What an unquoted cell holds for null, beside nothing at all (`--warehouse-null`).
    pub null: Option<String>,
    /// How quotes inside cells are written (`--warehouse-escape`).
    pub escape: Option<Escape>,
}

/// Escape rule of the warehouse export (`--warehouse-escape`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Quotes are doubled, and a backslash is a character like any other.
    None,
    /// `\"` is a quote and `\\` a backslash.
    Backslash,
}

impl Dialect {
    /// Whether the settings make the cell a null; a quoted cell never is.
    pub fn is_null(&self, cell: &str, quoted: bool) -> bool {
        let Some(null) = self.null.as_deref().filter(|_| !quoted) else { return false };
        let cell = super::text::trim(cell);
        cell == null || (is_null_word(null) && is_null_word(cell))
    }
}

/// `NULL` or `null`, as tools write it that print a grid.
pub fn is_null_word(text: &str) -> bool {
    matches!(text, "NULL" | "null")
}
