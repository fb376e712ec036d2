-- What the writers of this run stored, by unit version (the last word of the assessment's name) and grade.
with files as (
    select submission_id, count(*) as files
    from submission_files
    where split_part(azure_blob_name, '/', 2) in ('{writers}')
    group by submission_id
)
select substring(btrim(a.name) from '\S+$') as "Unit Code Version",
    g.final_grade as "Grade",
    count(*)::text as "Rows",
    sum(f.files)::text as "Files",
    sum(case when s.total_file_size ~ '^\d+(\.\d+)? MB$' then split_part(s.total_file_size, ' ', 1)::numeric end)::text as "Megabytes",
    trim_scale(sum(g.total_marks_awarded::numeric))::text as "Marks Awarded",
    trim_scale(sum(g.total_marks_possible::numeric))::text as "Marks Possible"
from files f
join assignment_submissions s on s.id = f.submission_id
join submission_grades g on g.submission_id = s.id
join assessments a on a.id = g.assessment_id
group by 1, 2
order by 1, 2
