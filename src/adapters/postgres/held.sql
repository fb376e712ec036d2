-- Submissions, and of the malpractice among them whether the rule that stands for the same
-- learner, assessment and context (the newest) was written by no migration.
select
    submission.id, submission.lti_launch_id as launch_id, submission.file_count,
    submission.lti_session_record_id as session_record_id, submission.lms_user_id, submission.context_id,
    coalesce(not standing.is_migrated, false) as foreign_enforcement
from assignment_submissions submission
left join submission_grades grade
    on grade.submission_id = submission.id and grade.malpractice_level_id is not null
left join lateral (
    select coalesce(other.lti_launch_id ~ '^rogo_[0-9]+_', false) as is_migrated
    from malpractice_enforcements rule
    left join assignment_submissions other on other.id = rule.submission_id
    where grade.id is not null and rule.lms_user_id = submission.lms_user_id
        and rule.custom_assessment_code = submission.custom_assessment_code
        and rule.context_id = submission.context_id
    order by coalesce(other.created_at, rule.rule_applied_at) desc nulls first, is_migrated, rule.id desc
    limit 1
) standing on true
