//! A column's type in this warehouse, and the SQL that reads it.

/// In which form text is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The column is read as text.
    Text,
    /// Select text as UTF-16 bytes, so that a lone surrogate can be told from a replacement character.
    Bytes,
}

/// A column of one of the two tables.
#[derive(Debug)]
pub(super) struct Column {
    /// As the catalogue spells it.
    pub(super) name: String,
    /// As INFORMATION_SCHEMA names it, in lower case.
    pub(super) data_type: String,
}

const UNICODE: [&str; 2] = ["nvarchar", "nchar"];
/// Text in a code page, or of a type that the driver reads differently: the server converts it to Unicode.
const OTHER_TEXT: [&str; 5] = ["varchar", "char", "text", "ntext", "xml"];
/// The driver would make floats of these.
const MONEY: [&str; 2] = ["money", "smallmoney"];
const READABLE: [&str; 25] = [
    "nvarchar",
    "nchar",
    "varchar",
    "char",
    "text",
    "ntext",
    "xml",
    "money",
    "smallmoney",
    "int",
    "bigint",
    "smallint",
    "tinyint",
    "bit",
    "real",
    "float",
    "decimal",
    "numeric",
    "date",
    "time",
    "datetime",
    "datetime2",
    "smalldatetime",
    "datetimeoffset",
    "uniqueidentifier",
];
const DATES: [&str; 5] = ["date", "datetime", "datetime2", "smalldatetime", "datetimeoffset"];
const WHOLE: [&str; 4] = ["int", "bigint", "smallint", "tinyint"];
const FRACTIONAL: [&str; 6] = ["decimal", "numeric", "float", "real", "money", "smallmoney"];
/// Whether SQL Server compares and converts the text like varchar; it does not for text, ntext and xml.
const ID_TEXT: [&str; 4] = ["nvarchar", "nchar", "varchar", "char"];

impl Column {
    pub(super) fn is_text(&self) -> bool {
        self.is_one_of(&UNICODE) || self.is_one_of(&OTHER_TEXT)
    }

    /// Whether it can be read as text, number or date.
    pub(super) fn is_readable(&self) -> bool {
        self.is_one_of(&READABLE)
    }

    /// Whether it can hold attempt ids.
    pub(super) fn can_be_an_id(&self) -> bool {
        self.is_one_of(&WHOLE) || self.is_one_of(&FRACTIONAL) || self.is_one_of(&ID_TEXT)
    }

    /// Whether the largest of its values is the newest.
    pub(super) fn can_be_a_date(&self) -> bool {
        self.is_one_of(&DATES) || self.is_text()
    }

    fn is_one_of(&self, types: &[&str]) -> bool {
        types.contains(&self.data_type.as_str())
    }

    pub(super) fn expression(&self, form: Form) -> String {
        let name = quoted(&self.name);
        match self.data_type.as_str() {
            _ if self.is_text() && form == Form::Bytes => {
                format!("convert(varbinary(max), convert(nvarchar(max), {name}))")
            }
            kind if OTHER_TEXT.contains(&kind) => format!("convert(nvarchar(max), {name})"),
            kind if MONEY.contains(&kind) => format!("convert(decimal(19, 4), {name})"),
            _ => name,
        }
    }

    /// As an attempt id that the domain reads: never cut, rounded or nulled on the way.
    pub(super) fn as_id(&self) -> String {
        if self.is_text() {
            format!("convert(nvarchar(60), {})", quoted(&self.name))
        } else {
            quoted(&self.name)
        }
    }

    /// As a number, for comparisons: 987.00 is 987 in text too, as it is in an exported file and in a decimal.
    pub(super) fn as_number(&self) -> String {
        let name = quoted(&self.name);
        if self.is_text() {
            format!(
                "try_convert(int, case when {name} like '%.0%' and rtrim({name}) not like '%.%[^0]%' then left({name}, \
                 charindex('.', {name}) - 1) else {name} end)"
            )
        } else {
            name
        }
    }

    /// SQL condition that is true for rows without a valid attempt id.
    pub(super) fn is_no_id(&self) -> String {
        let (name, number) = (quoted(&self.name), self.as_number());
        let also = if self.is_text() {
            format!(" or {name} collate Latin1_General_BIN2 like '%[^0-9. ]%'")
        } else if self.is_one_of(&FRACTIONAL) {
            format!(" or {name} <> floor({name})")
        } else {
            String::new()
        };
        format!("{number} is null or {number} < 1 or {number} > {}{also}", i32::MAX)
    }
}

/// A name as a statement spells it.
pub(super) fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}
