//! Looks at every row for what tools write that are not asked for RFC 4180, so that the file is refused once instead
//! of row by row, and no value is taken for another.

mod backslashes;
mod ids;
mod urls;

use backslashes::Backslashes;
use ids::{Ids, is_spoilt};
use urls::has_comma_in_url;

use super::{Format, Layout, Record, Role, StrangeIds, header, problem::Problem};
use crate::domain::{
    AttemptId, FailCode, is_null_word,
    text::{code_of_error, is_blank, trim},
};

/// Lines that a message names.
const NAMED: usize = 5;
/// Characters of a value that a message shows.
const SHOWN: usize = 24;

/// What was seen of a file's rows so far.
#[derive(Debug)]
pub(super) struct Watch {
    layout: Layout,
    backslashes: Backslashes,
    ids: Ids,
    commas_in_urls: Places,
}

/// Why a row makes the file unreadable: where, and what to do.
pub(super) enum Refusal {
    /// At this row, in the column of this index if it is one column's matter.
    Here(Option<usize>, String),
    /// The row is cut.
    Malformed(Problem),
}

/// Places of one kind: all counted, the first named.
#[derive(Debug, Default)]
struct Places {
    count: u64,
    named: Vec<String>,
}

impl Places {
    fn add(&mut self, line: u64, value: Option<&str>) {
        self.count += 1;
        if self.named.len() < NAMED {
            let value = value.map(|value| format!(" {}", shown(value))).unwrap_or_default();
            self.named.push(format!("line {line}{value}"));
        }
    }

    fn list(&self) -> String {
        let more = if self.count > NAMED as u64 { ", …" } else { "" };
        format!("{}{more}", self.named.join(", "))
    }
}

impl Watch {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            backslashes: Backslashes::default(),
            ids: Ids::default(),
            commas_in_urls: Places::default(),
        }
    }

    /// Looks at the row of this number, from 1.
    pub(super) fn row(
        &mut self,
        number: u64,
        record: &Record,
        names: &[String],
        format: &Format,
    ) -> Result<(), Refusal> {
        if number == 1
            && let Some(what) = header::strange_row(record.iter())
        {
            return Err(Refusal::Here(None, sqlcmd(what)));
        }
        let id = record.get(self.layout.id);
        if is_name(id, names, self.layout.id) && header::repeats(names, record.iter()) {
            let reason = "the header stands here again, as if two exports were joined; delete the line";
            return Err(Refusal::Here(None, reason.into()));
        }
        if record.found() < record.len() && !self.is_whole(record) {
            let (found, expected) = (record.found(), record.len());
            return Err(Refusal::Malformed(Problem::TooFew { found, expected }));
        }
        if format.dialect.null.is_none()
            && let Some(index) = self.null_word(record)
        {
            return Err(Refusal::Here(Some(index), null_word(trim(record.get(index)))));
        }
        if record.text().contains('\\') {
            self.backslashes.look(record);
        }
        self.look_at_id(id, record);
        self.look_at_urls(record);
        Ok(())
    }

    /// Whether a row that lacks cells at its end still has every other cell in its own column.
    fn is_whole(&self, record: &Record) -> bool {
        let cell = |index: &usize| trim(record.get(*index));
        AttemptId::from_number(cell(&self.layout.id)).is_ok()
            && self.layout.counts.iter().all(|index| cell(index).bytes().all(|byte| byte.is_ascii_digit()))
            && self.layout.urls.iter().all(|index| cell(index).is_empty() || cell(index).contains("://"))
    }

    fn null_word(&self, record: &Record) -> Option<usize> {
        let is_word = |index: &usize| !record.is_quoted(*index) && is_null_word(trim(record.get(*index)));
        self.layout.used.iter().copied().find(is_word)
    }

    fn look_at_id(&mut self, id: &str, record: &Record) {
        self.ids.rows += 1;
        let line = || record.line(self.layout.id);
        if is_spoilt(trim(id)) && !self.has_failed(record) {
            self.ids.spoilt.add(line(), Some(id));
        }
        if AttemptId::from_number(id).is_err() && !record.iter().all(is_blank) {
            self.ids.strange.add(line(), Some(id));
        }
    }

    /// Whether an earlier run has failed the row for its id, as a row of its failure CSV says: it was a stray one there.
    fn has_failed(&self, record: &Record) -> bool {
        let error = self.layout.error.map(|index| record.get(index)).unwrap_or_default();
        code_of_error(error) == FailCode::AttemptIdInvalid.code()
    }

    fn look_at_urls(&mut self, record: &Record) {
        for index in &self.layout.urls {
            let cell = record.get(*index);
            if cell.contains(',') && has_comma_in_url(cell) {
                self.commas_in_urls.add(record.line(*index), None);
            }
        }
    }

    /// The file is at its end: why it is refused all the same.
    pub(super) fn end(&self, names: &[String], format: &Format) -> Result<(), String> {
        let column = names.get(self.layout.id).map(String::as_str).unwrap_or_default();
        let ids = match self.layout.strange_ids {
            StrangeIds::RefuseTheFile if self.ids.strange.count > 0 => Some(&self.ids.strange),
            StrangeIds::FailTheirRow if self.ids.are_spoilt() => Some(&self.ids.spoilt),
            _ => None,
        };
        if let Some(places) = ids {
            return Err(format!(
                "{} of {} rows have something else than an id in the column \"{column}\": {}; a spreadsheet or an editor \
                 has changed the file: export it again and do not save it with such a program",
                places.count,
                self.ids.rows,
                places.list()
            ));
        }
        if self.commas_in_urls.count > 0 {
            return Err(format!(
                "a comma stands inside a URL, where commas separate URLs, in {} cells: {}; write that comma as %2C",
                self.commas_in_urls.count,
                self.commas_in_urls.list()
            ));
        }
        if format.dialect.escape.is_none() && self.backslashes.may_escape() {
            return Err(backslashes(self.backslashes.line, format.role));
        }
        Ok(())
    }
}

/// Advice for a backslash that stands before a quote or may be an escape.
pub(super) fn escape_remedy(role: Role) -> &'static str {
    match role {
        Role::Input => "export it again with quotes inside cells doubled (\"\"), or correct the cell",
        Role::WarehouseTable => {
            "say --warehouse-escape backslash (ROGO_WAREHOUSE_ESCAPE) if it is, as Data Factory, Synapse and Spark write, \
             or export it again with quotes inside cells doubled (\"\")"
        }
    }
}

fn backslashes(line: u64, role: Role) -> String {
    let remedy = match role {
        Role::Input => {
            "export it again with quotes doubled and backslashes single, or say --warehouse-escape none"
        }
        Role::WarehouseTable => "say --warehouse-escape backslash, or --warehouse-escape none",
    };
    format!(
        "from line {line} on backslashes stand only before each other or before quotes, as if they were an escape \
         character (Data Factory, Synapse, Spark); {remedy} (ROGO_WAREHOUSE_ESCAPE) if every backslash is meant as it stands"
    )
}

fn null_word(word: &str) -> String {
    format!(
        "the word {word} stands without quotes, as SSMS, Azure Data Studio and VS Code write it for null; say \
         --warehouse-null NULL (ROGO_WAREHOUSE_NULL) if it means null, or --warehouse-null '\\N' if it is a text"
    )
}

/// Advice for the text output of sqlcmd.
pub(super) fn sqlcmd(what: &str) -> String {
    format!(
        "{what}: its text output quotes nothing, so that cells with commas cannot be told apart; export with a tool that \
         writes CSV (RFC 4180), for example Azure Data Studio or bcp through a query that quotes"
    )
}

fn is_name(cell: &str, names: &[String], index: usize) -> bool {
    names.get(index).is_some_and(|name| name == trim(cell))
}

/// A value as a message shows it: what cannot be seen is made visible.
fn shown(value: &str) -> String {
    let cut: String = value.chars().take(SHOWN).collect();
    let more = if cut.len() < value.len() { "…" } else { "" };
    let visible: String = cut
        .chars()
        .map(|c| {
            if c == ' ' || !crate::domain::text::is_blank_char(c) {
                c.escape_debug().to_string()
            } else {
                c.escape_unicode().to_string()
            }
        })
        .collect();
    format!("\"{visible}{more}\"")
}
