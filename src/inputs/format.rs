//! How a file is to be read, and which settings its messages name.

use encoding_rs::Encoding;

use crate::domain::Dialect;

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Format {
    /// Encoding of a file without a byte order mark; UTF-8 if not set.
    pub encoding: Option<&'static Encoding>,
    /// Conventions of the tool that wrote the file.
    pub dialect: Dialect,
    /// Which file it is.
    pub role: Role,
}

/// Which kind of file is read: what may be said about it on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// One of the two CSVs: RFC 4180, in any encoding that `--encoding` names.
    #[default]
    Input,
    /// A table of the warehouse: in UTF-8 or UTF-16; names of its columns in any case, as SQL Server compares them.
    WarehouseTable,
}

impl Format {
    /// Whether a backslash escapes.
    pub(super) fn backslash_escapes(&self) -> bool {
        self.role == Role::WarehouseTable && self.dialect.escape == Some(crate::domain::Escape::Backslash)
    }
}

/// Which columns of a file matter, by index.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The attempt's id.
    pub id: usize,
    /// Columns that are read: no row may lack them.
    pub used: Vec<usize>,
    /// Columns that hold a number of files, or nothing.
    pub counts: Vec<usize>,
    /// Columns that hold a list of URLs, or nothing.
    pub urls: Vec<usize>,
    /// The column that an earlier run's failure CSV gives the reason in.
    pub error: Option<usize>,
    /// How a row without a valid id is handled.
    pub strange_ids: StrangeIds,
}

/// How a row without a valid id is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StrangeIds {
    /// The row fails by itself (`attempt_id_invalid`); the file is refused only if a spreadsheet has spoilt the column.
    #[default]
    FailTheirRow,
    /// No submission could meet the row: the file is refused.
    RefuseTheFile,
}
