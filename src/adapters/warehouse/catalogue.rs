//! Reads the warehouse's catalogue views: engine, columns, indexes.

use crate::domain::{REPORT_TABLE, SCORE_TABLE};

/// The queries that come before all others: engine, columns, indexes whose first column is AttemptId.
pub(super) fn selects() -> [String; 3] {
    let names = names();
    [
        "select convert(int, serverproperty('EngineEdition')) as edition".into(),
        format!(
            "select TABLE_NAME, COLUMN_NAME, DATA_TYPE from INFORMATION_SCHEMA.COLUMNS \
             where TABLE_SCHEMA = 'dbo' and lower(TABLE_NAME) in {names}"
        ),
        format!(
            "select distinct o.name from sys.objects o \
             join sys.schemas s on s.schema_id = o.schema_id \
             join sys.indexes i on i.object_id = o.object_id \
             join sys.index_columns k on k.object_id = i.object_id and k.index_id = i.index_id \
             join sys.columns c on c.object_id = k.object_id and c.column_id = k.column_id \
             where s.name = 'dbo' and lower(o.name) in {names} and lower(c.name) = 'attemptid' \
             and k.key_ordinal = 1 and i.type in (1, 2) and i.is_disabled = 0 and i.has_filter = 0"
        ),
    ]
}

/// Columns whose values this login sees masked: table, column, and the database user to grant the right to. Servers
/// before 2016 lack the view.
pub(super) fn masked() -> String {
    format!(
        "select o.name, c.name as column_name, user_name() as reader from sys.masked_columns c \
         join sys.objects o on o.object_id = c.object_id join sys.schemas s on s.schema_id = o.schema_id \
         where s.name = 'dbo' and lower(o.name) in {} and c.is_masked = 1 \
         and coalesce(has_perms_by_name('dbo.' + quotename(o.name), 'OBJECT', 'UNMASK', c.name, 'COLUMN'), 0) = 0 \
         and coalesce(has_perms_by_name(db_name(), 'DATABASE', 'UNMASK'), 0) = 0",
        names()
    )
}

fn names() -> String {
    format!("('{}', '{}')", REPORT_TABLE.to_lowercase(), SCORE_TABLE.to_lowercase())
}

/// What the catalogue answered.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) edition: i64,
    /// Table, column, type.
    pub(super) columns: Vec<(String, String, String)>,
    pub(super) indexed: Vec<String>,
}

/// Kind of server, from `SERVERPROPERTY('EngineEdition')`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    SqlServer,
    AzureSqlDatabase,
    SynapseDedicated,
    SynapseServerless,
}

impl Engine {
    /// Where a handful of connections is all there is.
    pub(super) fn is_synapse(self) -> bool {
        matches!(self, Self::SynapseDedicated | Self::SynapseServerless)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SqlServer => "SQL Server",
            Self::AzureSqlDatabase => "Azure SQL Database",
            Self::SynapseDedicated => "Azure Synapse (dedicated)",
            Self::SynapseServerless => "Azure Synapse (serverless)",
        }
    }
}
