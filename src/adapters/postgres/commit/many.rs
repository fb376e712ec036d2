//! The statement that writes several submissions in one round trip, each as [`super::statement`] writes one.

use std::fmt::Write;

use crate::{
    adapters::postgres::{
        commit::statement::{ALTERED, TablesSql},
        receipt::header_sql,
    },
    domain::form::{Layout, Part},
    rules::rows::{File, GradeRow, LaunchSession, Mark, MarkingAssignment, SessionRecord, Submission},
};

/// Parameters: `$1` the rows of each submission as JSON by table, `$2` the digest of each submission's rows. The order is
/// that in which launch ids are inserted: two statements that share some wait for each other in one order only, and so
/// never in a circle. It answers a row for each submission: its place from 1, whether it was written (1) or its launch id
/// was taken (0), the transaction's id, and fails with [`ALTERED`] (22P02) if the stored rows of any of them are not those
/// of its digest.
///
/// Rows are told apart by the ids that they have after all triggers ran: one whose id was changed is missing from its
/// submission's digest. A launch session whose launch id was changed would be missed as a whole: so their number is
/// compared too.
pub(super) fn statement(layout: &Layout) -> String {
    let sql = TablesSql { layout, from: "added" };
    let launch = LaunchSession::COLUMNS.join(", ");
    let (session, submission) = (LaunchSession::TABLE, Submission::TABLE);
    // A marker's file leaves the column to its default.
    let of_markers: Vec<&str> =
        File::COLUMNS.iter().copied().filter(|column| *column != "turnitin_status").collect();
    let one = |table: &str, columns: &[&str], key: &str| sql.insert_one(table, columns, key);
    let many = |table: &str, columns: &[&str], condition: &str| {
        sql.insert_many(table, columns, condition, "submission_id")
    };
    format!(
        "with document as materialized (
            select given.place, given.body, given.digest, given.body -> '{session}' ->> 'launch_id' as of_launch,
                given.body -> '{submission}' ->> 'id' as of_submission
            from (
                select sent.place, sent.body::jsonb as body, sent.digest
                from unnest($1::text[], $2::bytea[]) with ordinality as sent(body, digest, place)
            ) as given
        ), launch as (
            insert into {session} ({launch})
            select {launch} from document, jsonb_populate_record(null::{session}, document.body -> '{session}')
            order by document.place
            on conflict do nothing
            returning {session}.launch_id::text as of, {launch_form} as form
        ), added as materialized (
            select document.* from document join launch on launch.of = document.of_launch
        ),
        session_record as ({session_record}),
        submission as ({submissions}),
        learners_files as ({learners}), markers_files as ({markers}),
        files as (select of, form from learners_files union all select of, form from markers_files),
        marking_assignment as ({marking_assignment}), section_marks as ({marks}), grade as ({grade})
        {answer}",
        launch_form = sql.form(session, session),
        session_record = one(SessionRecord::TABLE, SessionRecord::COLUMNS, "launch_id"),
        submissions = one(submission, Submission::COLUMNS, "id"),
        learners = many(File::TABLE, File::COLUMNS, "where turnitin_status <> ''"),
        markers = many(File::TABLE, &of_markers, "where turnitin_status = ''"),
        marking_assignment = one(MarkingAssignment::TABLE, MarkingAssignment::COLUMNS, "submission_id"),
        marks = many(Mark::TABLE, Mark::COLUMNS, ""),
        grade = one(GradeRow::TABLE, GradeRow::COLUMNS, "submission_id"),
        answer = answer(layout),
    )
}

/// Compares the digest of what was stored of each submission with that of what was sent.
fn answer(layout: &Layout) -> String {
    let mut joins = String::new();
    let mut parts = vec![header_sql(layout, Part::Submission)];
    for table in Part::Submission.tables() {
        let relation = super::statement::relation(table.name);
        let of = if [LaunchSession::TABLE, SessionRecord::TABLE].contains(&table.name) {
            "of_launch"
        } else {
            "of_submission"
        };
        let _ = write!(
            joins,
            " left join (
                select of, int4send(count(*)::integer) || string_agg(form, ''::bytea order by form) as part
                from {relation} group by of
            ) as {relation}_part on {relation}_part.of = document.{of}"
        );
        parts.push(format!("coalesce({relation}_part.part, int4send(0))"));
    }
    format!(
        "select written.place, written.submissions,
            case when written.submissions > 0 then pg_current_xact_id()::text end as transaction,
            case when written.launches = written.all_added
                and (written.submissions = 0 or written.rows_digest = written.digest)
            then '1' else '{ALTERED}' end::integer as proof
        from (
            select document.place, document.digest, (added.place is not null)::integer::bigint as submissions,
                sha256({digest}) as rows_digest, (select count(*) from launch) as launches,
                (select count(*) from added) as all_added
            from document left join added on added.place = document.place{joins}
            offset 0
        ) as written",
        digest = parts.join(" || "),
    )
}
