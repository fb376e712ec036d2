//! The one statement that writes a submission. Every value travels in one JSON document and reaches its column by
//! the column's name, in the column's own type. The statement digests the rows as they were stored, and fails if that is
//! not the digest of what was sent.

use crate::{
    adapters::postgres::receipt::{digest_sql, row_sql},
    domain::form::{ENFORCEMENT, Layout, Part, TABLES, TableForm},
    rules::rows::{
        EnforcementRow, File, GradeRow, LaunchSession, Mark, MarkingAssignment, SessionRecord, Submission,
    },
};

/// Text that no integer is, cast to one if the rows differ: the error carries it.
pub(super) const ALTERED: &str = "rogo-migrate: target_altered";

/// Columns of an enforcement row that changes: its id, key and dates stay, but for `updated_at`.
pub(in crate::adapters::postgres) const CHANGED: [&str; 7] = [
    "malpractice_level_id",
    "context_title",
    "submission_id",
    "attempt_number",
    "enforced_max_attempts",
    "rule_applied_by",
    "updated_at",
];

/// Parameters: `$1` the rows as JSON by table, `$2` whether the enforcement row is to be added, `$3` the id of an older
/// enforcement row that gives way, else null, `$4` whether a launch session that stands without its submission is taken
/// over, `$5` the digest of the seven tables' rows, or null if nothing is compared, `$6` the digest of the enforcement row,
/// if one is written. It answers 1 and the transaction's id if it wrote the submission, 0 if the launch id was taken, and
/// fails with [`ALTERED`] (22P02) if the stored rows are not those of the digests.
///
/// All or nothing: every row depends on the launch session's, which is inserted only if no row with its launch id
/// stands. The conflict has no target on purpose: with one, two connections that insert the same ids at once may meet
/// on the primary key first and fail there. `returning` sees what triggers made of a row before it was stored, and
/// lacks the rows that they left out.
pub(super) fn statement(layout: &Layout) -> String {
    let form = |table: &str, alias: &str| row_sql(layout, table_form(table), alias);
    let insert = |table: &str, columns: &[&str], rows: Rows, condition: &str| {
        format!("{} {condition} returning {} as form", insert(table, columns, rows), form(table, table))
    };
    // A marker's file leaves the column to its default.
    let of_markers: Vec<&str> =
        File::COLUMNS.iter().copied().filter(|column| *column != "turnitin_status").collect();
    format!(
        "with document as materialized (select $1::text::jsonb as body), {launch},
        submission as ({submission}),
        learners_files as ({learners}), markers_files as ({markers}),
        files as (select form from learners_files union all select form from markers_files),
        marking_assignment as ({marking_assignment}), section_marks as ({marks}), grade as ({grade}),
        enforcement_added as ({added}), {enforcement} {answer}",
        launch = launch(&form, &insert),
        submission = insert(Submission::TABLE, Submission::COLUMNS, Rows::One, ""),
        learners = insert(File::TABLE, File::COLUMNS, Rows::Many, "where turnitin_status <> ''"),
        markers = insert(File::TABLE, &of_markers, Rows::Many, "where turnitin_status = ''"),
        marking_assignment = insert(MarkingAssignment::TABLE, MarkingAssignment::COLUMNS, Rows::One, ""),
        marks = insert(Mark::TABLE, Mark::COLUMNS, Rows::Many, ""),
        grade = insert(GradeRow::TABLE, GradeRow::COLUMNS, Rows::One, ""),
        added = insert(EnforcementRow::TABLE, EnforcementRow::COLUMNS, Rows::One, "where $2::boolean"),
        enforcement = enforcement(&form),
        answer = answer(layout),
    )
}

/// The launch session and the session record: added, or those that stand and are taken over.
fn launch(
    form: &impl Fn(&str, &str) -> String,
    insert: &impl Fn(&str, &[&str], Rows, &str) -> String,
) -> String {
    let (launch, record, submission) = (LaunchSession::TABLE, SessionRecord::TABLE, Submission::TABLE);
    let columns = LaunchSession::COLUMNS.join(", ");
    let is_new = format!(
        "where not exists (
            select from {record} as standing
            where $4::boolean and standing.id = document.body -> '{record}' ->> 'id'
        )"
    );
    format!(
        "added as (
            insert into {launch} ({columns})
            select {columns} from document, jsonb_populate_record(null::{launch}, document.body -> '{launch}')
            on conflict do nothing
            returning {added_form} as form
        ), alone as (
            select {standing_form} as form from document, {launch} as standing
            where $4::boolean and standing.launch_id = document.body -> '{launch}' ->> 'launch_id'
            and not exists (
                select from {submission} as held where held.id = document.body -> '{submission}' ->> 'id'
            )
        ), launch as (select form from added union all select form from alone),
        session_record_added as ({session_record}), session_record as (
            select form from session_record_added
            union all select {standing_record_form} from launch, document, {record} as standing
            where $4::boolean and standing.id = document.body -> '{record}' ->> 'id'
        )",
        added_form = form(launch, launch),
        standing_form = form(launch, "standing"),
        session_record = insert(record, SessionRecord::COLUMNS, Rows::One, &is_new),
        standing_record_form = form(record, "standing"),
    )
}

/// An older enforcement row gives way; of it and one that is added at most one is there.
fn enforcement(form: &impl Fn(&str, &str) -> String) -> String {
    let table = EnforcementRow::TABLE;
    let change = |column: &str| match column {
        "updated_at" => "updated_at = now()".to_owned(),
        column => format!("{column} = new.{column}"),
    };
    format!(
        "enforcement_changed as (
            update {table} as old set {changes}
            from launch, document, jsonb_populate_record(null::{table}, document.body -> '{table}') as new
            where old.id = $3::text
            returning {changed_form} as form
        ), enforcement as (select form from enforcement_added union all select form from enforcement_changed)",
        changes = CHANGED.map(change).join(", "),
        changed_form = form(table, "old"),
    )
}

/// Compares the digests of what was stored with those of what was sent.
fn answer(layout: &Layout) -> String {
    format!(
        "select written.submissions,
            case when written.submissions > 0 then pg_current_xact_id()::text end as transaction,
            case when written.submissions = 0 or $5::bytea is null
                or (written.rows_digest = $5::bytea and written.enforcement_digest is not distinct from $6::bytea)
            then '1' else '{ALTERED}' end::integer as proof
        from (
            select (select count(*) from launch) as submissions, {rows_digest} as rows_digest,
                case when exists (select from enforcement) then {enforcement_digest} end as enforcement_digest
            offset 0
        ) as written",
        rows_digest = digest_sql(layout, Part::Submission, relation),
        enforcement_digest = digest_sql(layout, Part::Enforcement, |_| "enforcement"),
    )
}

/// The statement's relation of a table's forms.
pub(super) fn relation(table: &str) -> &'static str {
    match table {
        LaunchSession::TABLE => "launch",
        SessionRecord::TABLE => "session_record",
        Submission::TABLE => "submission",
        File::TABLE => "files",
        MarkingAssignment::TABLE => "marking_assignment",
        Mark::TABLE => "section_marks",
        _ => "grade",
    }
}

fn table_form(table: &str) -> &'static TableForm {
    TABLES.iter().find(|form| form.name == table).unwrap_or(&ENFORCEMENT)
}

/// The document's rows of one table.
#[derive(Clone, Copy)]
enum Rows {
    One,
    Many,
}

impl Rows {
    /// SQL for the rows of a table in `body`.
    fn populate(self, table: &str, body: &str) -> String {
        let function = match self {
            Self::One => "jsonb_populate_record",
            Self::Many => "jsonb_populate_recordset",
        };
        format!("{function}(null::{table}, {body} -> '{table}')")
    }
}

/// Inserts a table's rows of the document if the launch session was inserted.
fn insert(table: &str, columns: &[&str], rows: Rows) -> String {
    let (columns, populated) = (columns.join(", "), rows.populate(table, "document.body"));
    format!("insert into {table} ({columns}) select {columns} from launch, document, {populated}")
}

/// Inserts for many submissions: the documents of the relation `from`.
pub(super) struct TablesSql<'l> {
    pub layout: &'l Layout,
    pub from: &'static str,
}

impl TablesSql<'_> {
    /// The form of one row of the table that `alias` names.
    pub fn form(&self, table: &str, alias: &str) -> String {
        row_sql(self.layout, table_form(table), alias)
    }

    /// Inserts the one row that each submission has in a table; answers the column `key` and the form of each.
    pub fn insert_one(&self, table: &str, columns: &[&str], key: &str) -> String {
        self.insert(table, columns, Rows::One, "", key)
    }

    /// Inserts the rows of each submission that meet the condition.
    pub fn insert_many(&self, table: &str, columns: &[&str], condition: &str, key: &str) -> String {
        self.insert(table, columns, Rows::Many, condition, key)
    }

    fn insert(&self, table: &str, columns: &[&str], rows: Rows, condition: &str, key: &str) -> String {
        let (columns, from) = (columns.join(", "), self.from);
        let (populated, form) = (rows.populate(table, &format!("{from}.body")), self.form(table, table));
        format!(
            "insert into {table} ({columns}) select {columns} from {from}, {populated} {condition}
            returning {table}.{key}::text as of, {form} as form"
        )
    }
}
