//! The one statement that writes a submission. Every value travels in one JSON document and reaches its column by
//! the column's name, in the column's own type.

use std::sync::LazyLock;

use crate::rules::rows::{
    EnforcementRow, File, GradeRow, LaunchSession, Mark, MarkingAssignment, SessionRecord, Submission,
};

/// Parameters: `$1` the rows as JSON by table, `$2` whether the enforcement row is to be added, `$3` the id of an older
/// enforcement row that gives way, else null, `$4` whether a launch session that stands without its submission is taken
/// over. It answers 1 if it wrote the submission, 0 if the launch id was taken.
pub(super) static SQL: LazyLock<String> = LazyLock::new(statement);

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

/// All or nothing: every row depends on the launch session's, which is inserted only if no row with its launch id
/// stands. The conflict has no target on purpose: with one, two connections that insert the same ids at once may meet
/// on the primary key first and fail there.
fn statement() -> String {
    let launch_columns = LaunchSession::COLUMNS.join(", ");
    let launch = LaunchSession::TABLE;
    // A marker's file leaves the column to its default.
    let of_markers: Vec<&str> =
        File::COLUMNS.iter().copied().filter(|column| *column != "turnitin_status").collect();
    let enforcement = EnforcementRow::TABLE;
    let change = |column: &str| match column {
        "updated_at" => "updated_at = now()".to_owned(),
        column => format!("{column} = new.{column}"),
    };
    let changes = CHANGED.map(change).join(", ");
    format!(
        "with document as materialized (select $1::text::jsonb as body), added as (
            insert into {launch} ({launch_columns})
            select {launch_columns} from document, jsonb_populate_record(null::{launch}, document.body -> '{launch}')
            on conflict do nothing
            returning 1 as inserted
        ), alone as (
            select 1 as inserted from document, {launch} as standing
            where $4::boolean and standing.launch_id = document.body -> '{launch}' ->> 'launch_id'
            and not exists (
                select from {submission_table} as held where held.id = document.body -> '{submission_table}' ->> 'id'
            )
        ), launch as (select inserted from added union all select inserted from alone),
        session_record as (
            {session_record} where not exists (
                select from {record_table} as standing
                where $4::boolean and standing.id = document.body -> '{record_table}' ->> 'id'
            )
        ), submission as ({submission}),
        learners_files as ({learners} where turnitin_status <> ''),
        markers_files as ({markers} where turnitin_status = ''),
        marking_assignment as ({marking_assignment}), section_marks as ({marks}), grade as ({grade}),
        enforcement_added as ({added} where $2::boolean),
        enforcement_changed as (
            update {enforcement} as old set {changes}
            from launch, document, jsonb_populate_record(null::{enforcement}, document.body -> '{enforcement}') as new
            where old.id = $3::text
        )
        select count(*) from launch",
        submission_table = Submission::TABLE,
        record_table = SessionRecord::TABLE,
        session_record = insert(SessionRecord::TABLE, SessionRecord::COLUMNS, Rows::One),
        submission = insert(Submission::TABLE, Submission::COLUMNS, Rows::One),
        learners = insert(File::TABLE, File::COLUMNS, Rows::Many),
        markers = insert(File::TABLE, &of_markers, Rows::Many),
        marking_assignment = insert(MarkingAssignment::TABLE, MarkingAssignment::COLUMNS, Rows::One),
        marks = insert(Mark::TABLE, Mark::COLUMNS, Rows::Many),
        grade = insert(GradeRow::TABLE, GradeRow::COLUMNS, Rows::One),
        added = insert(enforcement, EnforcementRow::COLUMNS, Rows::One),
    )
}

/// The document's rows of one table.
#[derive(Clone, Copy)]
enum Rows {
    One,
    Many,
}

/// Inserts a table's rows of the document if the launch session was inserted.
fn insert(table: &str, columns: &[&str], rows: Rows) -> String {
    let columns = columns.join(", ");
    let populate = match rows {
        Rows::One => "jsonb_populate_record",
        Rows::Many => "jsonb_populate_recordset",
    };
    format!(
        "insert into {table} ({columns})
        select {columns} from launch, document, {populate}(null::{table}, document.body -> '{table}')"
    )
}
