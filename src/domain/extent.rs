//! How much the warehouse holds, so that a change during a run is noticed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much one table of the warehouse holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableExtent {
    /// `dbo.<table>`, or the location of the exported file.
    pub table: String,
    /// Rows or bytes, and when they changed last.
    #[serde(flatten)]
    pub extent: Extent,
}

/// Size of a table, or of the file that it was exported to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extent {
    /// A table of a server.
    Rows {
        /// Number of rows.
        rows: u64,
        /// Largest `DateModified` as text; `None` if the table has no such column or no value in it.
        newest_date_modified: Option<String>,
    },
    /// An exported file.
    File {
        /// Length in bytes.
        size_bytes: u64,
        /// SHA-256 of its bytes, hex.
        sha256: String,
    },
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { rows, newest_date_modified: Some(newest) } => {
                write!(f, "{rows} rows, newest DateModified {newest}")
            }
            Self::Rows { rows, newest_date_modified: None } => write!(f, "{rows} rows, no DateModified"),
            Self::File { size_bytes, sha256 } => {
                let start: String = sha256.chars().take(12).collect();
                write!(f, "{size_bytes} bytes, SHA-256 {start}")
            }
        }
    }
}

/// A sentence for each table that changed between `then` and `now`; a table that one of them lacks is not compared.
pub fn extent_changes(then: &[TableExtent], now: &[TableExtent]) -> Vec<String> {
    let changed = |then: &TableExtent| {
        let now = now.iter().find(|now| now.table == then.table)?;
        (now.extent != then.extent).then(|| format!("{}: from {} to {}", then.table, then.extent, now.extent))
    };
    then.iter().filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_rows(table: &str, rows: u64, newest: Option<&str>) -> TableExtent {
        let newest_date_modified = newest.map(str::to_owned);
        TableExtent { table: table.into(), extent: Extent::Rows { rows, newest_date_modified } }
    }

    fn of_file(size_bytes: u64, sha256: &str) -> TableExtent {
        TableExtent { table: "f".into(), extent: Extent::File { size_bytes, sha256: sha256.into() } }
    }

    #[test]
    fn every_part_of_an_extent_counts_and_the_table_is_named() {
        let then = [of_rows("a", 2, Some("2024-01-01")), of_rows("b", 3, None)];
        assert_eq!(extent_changes(&then, &then), Vec::<String>::new());
        let added = [of_rows("a", 3, Some("2024-01-01")), of_rows("b", 3, None)];
        assert_eq!(
            extent_changes(&then, &added),
            ["a: from 2 rows, newest DateModified 2024-01-01 to 3 rows, newest DateModified 2024-01-01"]
        );
        let modified = [of_rows("a", 2, Some("2024-01-01")), of_rows("b", 3, Some("2024-01-02"))];
        assert_eq!(
            extent_changes(&then, &modified),
            ["b: from 3 rows, no DateModified to 3 rows, newest DateModified 2024-01-02"]
        );
        let file = [of_file(5, "aa")];
        assert_eq!(
            extent_changes(&file, &[of_file(5, "ab")]),
            ["f: from 5 bytes, SHA-256 aa to 5 bytes, SHA-256 ab"]
        );
        assert_eq!(extent_changes(&file, &[of_file(6, "aa")]).len(), 1);
        assert_eq!(
            extent_changes(&file, &then),
            Vec::<String>::new(),
            "another kind of warehouse is another question"
        );
    }

    #[test]
    fn an_extent_reads_back_as_it_was_written() {
        for extent in [of_rows("a", 2, Some("x")), of_rows("a", 2, None), of_file(5, "aa")] {
            let json = serde_json::to_string(&extent).unwrap();
            assert_eq!(serde_json::from_str::<TableExtent>(&json).unwrap(), extent, "{json}");
        }
    }
}
