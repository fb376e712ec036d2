//! Values that are swapped or changed, in columns that look right.

use super::{ANY, C, Line, MALPRACTICE};

/// Values of two submissions, each in the place of the other's.
pub(super) const SWAPPED: &[Line] = &[
    ("marks of two learners swapped", "submission_section_marks",
        "exists (select from submission_section_marks a join submission_section_marks b
            on b.section_id = a.section_id and b.marks_awarded <> a.marks_awarded
            where a.submission_id = s.id and b.submission_id = o.id)",
        "update pg_temp.submission_section_marks m set marks_awarded = b.marks_awarded from self_test_submission_section_marks b
         where b.section_id = m.section_id and b.submission_id <> m.submission_id
         and m.submission_id in ('{s}', '{o}') and b.submission_id in ('{s}', '{o}')", &[C::MarksValues]),
    ("total marks of two learners swapped", "submission_grades",
        "(select total_marks_awarded from submission_grades where submission_id = s.id)
            <> (select total_marks_awarded from submission_grades where submission_id = o.id)",
        "update pg_temp.submission_grades g set total_marks_awarded = b.total_marks_awarded from self_test_submission_grades b
         where b.submission_id <> g.submission_id and g.submission_id in ('{s}', '{o}') and b.submission_id in ('{s}', '{o}')",
        &[C::GradeMarks]),
    ("names of two learners swapped", "assignment_submissions", "s.full_name <> o.full_name",
        "update pg_temp.assignment_submissions g set full_name = b.full_name from self_test_assignment_submissions b
         where b.id <> g.id and g.id in ('{s}', '{o}') and b.id in ('{s}', '{o}')", &[C::SubmissionLearner]),
    ("blobs of two learners swapped", "submission_files",
        "(select count(*) from submission_files f where f.submission_id in (s.id, o.id) and f.upload_order = 1) = 2",
        "update pg_temp.submission_files g set azure_blob_name = b.azure_blob_name, file_url = b.file_url,
            azure_blob_url = b.azure_blob_url from self_test_submission_files b
         where b.submission_id <> g.submission_id and g.submission_id in ('{s}', '{o}') and b.submission_id in ('{s}', '{o}')
         and g.upload_order = 1 and b.upload_order = 1", &[C::FileBlobNames]),
];

/// Rows of two submissions, each as if it were the other's: every value is right, but for what it belongs to.
pub(super) const EXCHANGED: &[Line] = &[
    ("launch sessions of two submissions exchanged", "lti_launch_sessions", "s.lti_launch_id <> o.lti_launch_id",
        "update pg_temp.lti_launch_sessions g set launch_id = b.launch_id from self_test_lti_launch_sessions b
         where b.launch_id <> g.launch_id
         and g.launch_id in (select lti_launch_id from assignment_submissions where id in ('{s}', '{o}'))
         and b.launch_id in (select lti_launch_id from assignment_submissions where id in ('{s}', '{o}'))",
        &[C::LaunchSessionPresent]),
    ("session records of two submissions exchanged", "lti_session_records", "s.lti_launch_id <> o.lti_launch_id",
        "update pg_temp.lti_session_records g set launch_id = b.launch_id from self_test_lti_session_records b
         where b.launch_id <> g.launch_id
         and g.launch_id in (select lti_launch_id from assignment_submissions where id in ('{s}', '{o}'))
         and b.launch_id in (select lti_launch_id from assignment_submissions where id in ('{s}', '{o}'))",
        &[C::SessionRecordPresent]),
    ("launch ids of two submissions exchanged", "assignment_submissions", "s.lti_launch_id <> o.lti_launch_id",
        "update pg_temp.assignment_submissions g set lti_launch_id = b.lti_launch_id
         from self_test_assignment_submissions b
         where b.id <> g.id and g.id in ('{s}', '{o}') and b.id in ('{s}', '{o}')", &[C::SubmissionPresent, C::SubmissionSingle]),
    ("two submissions under each other's session record", "assignment_submissions", "s.lti_launch_id <> o.lti_launch_id",
        "update pg_temp.assignment_submissions g set lti_session_record_id = b.lti_session_record_id
         from self_test_assignment_submissions b
         where b.id <> g.id and g.id in ('{s}', '{o}') and b.id in ('{s}', '{o}')", &[C::SubmissionPresent]),
    ("files of two submissions exchanged", "submission_files",
        "(select count(distinct f.submission_id) from submission_files f where f.submission_id in (s.id, o.id)) = 2",
        "update pg_temp.submission_files set submission_id = case submission_id when '{s}' then '{o}' else '{s}' end
         where submission_id in ('{s}', '{o}')", &[C::FilesPresent]),
    ("marking assignments of two submissions exchanged", "submission_marking_assignments", "true",
        "update pg_temp.submission_marking_assignments set submission_id = case submission_id when '{s}' then '{o}' else '{s}' end
         where submission_id in ('{s}', '{o}')", &[C::MarkingAssignmentPresent]),
    ("section marks of two submissions exchanged", "submission_section_marks",
        "(select count(distinct m.submission_id) from submission_section_marks m where m.submission_id in (s.id, o.id)) = 2",
        "update pg_temp.submission_section_marks set submission_id = case submission_id when '{s}' then '{o}' else '{s}' end
         where submission_id in ('{s}', '{o}')", &[C::MarksPresent]),
    ("grades of two submissions exchanged", "submission_grades", "true",
        "update pg_temp.submission_grades set submission_id = case submission_id when '{s}' then '{o}' else '{s}' end
         where submission_id in ('{s}', '{o}')", &[C::GradePresent]),
    ("enforcements of two submissions exchanged", "malpractice_enforcements",
        "(select count(distinct e.submission_id) from malpractice_enforcements e where e.submission_id in (s.id, o.id)) = 2",
        "update pg_temp.malpractice_enforcements set submission_id = case submission_id when '{s}' then '{o}' else '{s}' end
         where submission_id in ('{s}', '{o}')", &[C::EnforcementNewest]),
];

/// Values that look right, and are another row's, another time's or none.
pub(super) const VALUES: &[Line] = &[
    ("a gap in the order", "submission_files", ANY,
        "update pg_temp.submission_files set upload_order = upload_order + 1 where submission_id = '{s}' and upload_order >= 2",
        &[C::FilesPresent]),
    ("files in each other's place", "submission_files", ANY,
        "update pg_temp.submission_files set upload_order = 3 - upload_order
         where submission_id = '{s}' and upload_order in (1, 2)", &[C::FilesPresent]),
    ("a text cut short", "assignment_submissions", "length(s.context_title) > 2",
        "update pg_temp.assignment_submissions set context_title = left(context_title, -1) where id = '{s}'",
        &[C::SubmissionCourse]),
    ("a text in upper case", "assignment_submissions", "upper(s.full_name) <> s.full_name",
        "update pg_temp.assignment_submissions set full_name = upper(full_name) where id = '{s}'", &[C::SubmissionLearner]),
    ("a text with a space behind it", "assignment_submissions", "s.first_name is not null",
        "update pg_temp.assignment_submissions set first_name = first_name || ' ' where id = '{s}'", &[C::SubmissionLearner]),
    ("a text that was emptied", "assignment_submissions", "s.email <> ''",
        "update pg_temp.assignment_submissions set email = '' where id = '{s}'", &[C::SubmissionLearner]),
    ("a null in the place of a text", "lti_launch_sessions", ANY,
        "update pg_temp.lti_launch_sessions set user_name = null where launch_id = '{l}'", &[C::LaunchSessionLearner]),
    ("a mark of another sign", "submission_section_marks",
        "exists (select from submission_section_marks m where m.submission_id = s.id and m.marks_awarded > 0)",
        "update pg_temp.submission_section_marks set marks_awarded = -marks_awarded
         where submission_id = '{s}' and marks_awarded > 0", &[C::MarksValues]),
    ("a mark that was lost", "submission_section_marks", ANY,
        "update pg_temp.submission_section_marks set marks_awarded = null where submission_id = '{s}'", &[C::MarksValues]),
    ("a date an hour later", "assignment_submissions", ANY,
        "update pg_temp.assignment_submissions set submitted_at = submitted_at + interval '1 hour' where id = '{s}'",
        &[C::SubmissionDates]),
    ("all dates an hour earlier", "four tables", ANY,
        "update pg_temp.assignment_submissions set submitted_at = submitted_at - interval '1 hour',
            created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour' where id = '{s}';
         update pg_temp.submission_files set uploaded_at = uploaded_at - interval '1 hour' where submission_id = '{s}';
         update pg_temp.submission_marking_assignments set status_updated_at = status_updated_at - interval '1 hour',
            created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour' where submission_id = '{s}';
         update pg_temp.submission_grades set completed_at = completed_at - interval '1 hour' where submission_id = '{s}'",
        &[C::SubmissionDates, C::FileDates, C::MarkingAssignmentDates, C::GradeComplete]),
    ("a date without its time zone's day", "submission_grades", ANY,
        "update pg_temp.submission_grades set completed_at = completed_at - interval '1 day' where submission_id = '{s}'",
        &[C::GradeComplete]),
    ("an expiry that is infinite", "lti_session_records", ANY,
        "update pg_temp.lti_session_records set session_expiry = 'infinity' where launch_id = '{l}'", &[C::SessionRecordExpiry]),
    ("files that are all the marker's", "submission_files", ANY,
        "update pg_temp.submission_files set submission_file_type = 'feedback' where submission_id = '{s}'",
        &[C::FileTypes, C::LearnerFilePresent]),
    ("a blob of an unknown writer", "submission_files", ANY,
        "update pg_temp.submission_files set azure_blob_name = regexp_replace(azure_blob_name, '/[0-9a-f]+/', '/ffffffffffff/')
         where submission_id = '{s}' and upload_order = 1", &[C::FileBlobNames, C::FileUrls]),
    ("one learner's ids without their instance", "three tables", ANY,
        "update pg_temp.lti_launch_sessions set user_id = split_part(user_id, '::', 2) where launch_id = '{l}';
         update pg_temp.lti_session_records set lms_user_id = split_part(lms_user_id, '::', 2) where launch_id = '{l}';
         update pg_temp.assignment_submissions set lms_user_id = split_part(lms_user_id, '::', 2) where id = '{s}'",
        &[C::LaunchSessionLearner, C::SessionRecordLearner, C::SubmissionLearner, C::SubmissionIds]),
    ("marks awarded above those possible", "submission_grades", ANY,
        "update pg_temp.submission_grades set total_marks_awarded = total_marks_possible + 1 where submission_id = '{s}'",
        &[C::GradeMarks]),
    ("another level of malpractice", "submission_grades", MALPRACTICE,
        "update pg_temp.submission_grades set malpractice_level_id = (select l.id from malpractice_levels l
            where l.id <> submission_grades.malpractice_level_id limit 1) where submission_id = '{s}'", &[C::MalpracticeNotes]),
    ("the enforcement of an older attempt", "malpractice_enforcements",
        "s.created_at > o.created_at and exists (select from malpractice_enforcements e where e.submission_id = s.id)
         and not exists (select from malpractice_enforcements e where e.submission_id = o.id)",
        "update pg_temp.malpractice_enforcements set submission_id = '{o}' where submission_id = '{s}'", &[C::EnforcementNewest]),
    ("the enforcement of no attempt", "malpractice_enforcements", MALPRACTICE,
        "update pg_temp.malpractice_enforcements set submission_id = null, rule_applied_at = '2000-01-01'
         where submission_id = '{s}'", &[C::EnforcementNewest]),
];
