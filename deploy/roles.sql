-- Least rights in the target database: one role for each duty, none of which may do another's. Run it once as the owner
-- of the application's tables (or the server's administrator), and again after the application changed its schema:
--
--     psql "$ADMIN_URL" --set ON_ERROR_STOP=1 --file deploy/roles.sql
--
-- The roles cannot log in. Give each duty a login of its own, and no login two duties:
--
--     create role move_today login password '…' in role rogo_move;          -- or with Microsoft Entra: deploy/aks/README.md
--
-- All tables are found by the login's search_path, as the application's are. None of the roles may create or alter
-- anything. `verify --self-test` also needs the right to create temporary tables, which PUBLIC has by default.

do $$ begin create role rogo_move nologin; exception when duplicate_object then null; end $$;
do $$ begin create role rogo_verify nologin; exception when duplicate_object then null; end $$;
do $$ begin create role rogo_rollback nologin; exception when duplicate_object then null; end $$;

-- move: plan, shard, finalize, run, resume, orphans, status. Reads the catalogue, of users no column but these (no password,
-- no address); inserts submissions; changes a malpractice rule, in these columns, if a newer attempt calls for it.
grant select (id, username, role, created_at) on users to rogo_move;
grant select on assessments, assessment_sections, malpractice_levels to rogo_move;
grant select, insert on lti_launch_sessions, lti_session_records, assignment_submissions, submission_files, submission_marking_assignments, submission_section_marks, submission_grades to rogo_move;
grant select, insert on malpractice_enforcements to rogo_move;
grant update (malpractice_level_id, context_title, submission_id, attempt_number, enforced_max_attempts, rule_applied_by, updated_at) on malpractice_enforcements to rogo_move;

-- With --target-guard on the run also sees the transactions of other roles and the lag of replicas if an administrator
-- grants this; without it the guard goes on with the other signs, and says so once:
--     grant pg_read_all_stats to rogo_move;

-- verify: verify, explain --attempt. Reads, and could have written nothing that it vouches for.
grant select (id, username, role, created_at) on users to rogo_verify;
grant select on assessments, assessment_sections, malpractice_levels to rogo_verify;
grant select on lti_launch_sessions, lti_session_records, assignment_submissions, submission_files, submission_marking_assignments, submission_section_marks, submission_grades, malpractice_enforcements to rogo_verify;

-- rollback: rollback. Deletes, inserts nothing, and gives a malpractice rule its earlier values back. Tables of the
-- application that refer to these need select as well; the command names them.
grant select, delete on lti_launch_sessions, lti_session_records, assignment_submissions, submission_files, submission_marking_assignments, submission_section_marks, submission_grades, malpractice_enforcements to rogo_rollback;
grant update (malpractice_level_id, context_title, submission_id, attempt_number, enforced_max_attempts, rule_applied_by, updated_at) on malpractice_enforcements to rogo_rollback;
