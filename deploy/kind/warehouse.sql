-- The sample's two warehouse tables, from their CSVs; for deploy/kind/run.sh. May be run again.
if db_id('dw') is null create database dw;
go
use dw;
drop table if exists loaded, report_text, score_text, Rogo_AssessmentReport, Rogo_AssessmentReportScores;
go
create table report_text (
    AttemptId nvarchar(max), TIUserId nvarchar(max), TISectionId nvarchar(max), Exercise nvarchar(max), MarksAchieved nvarchar(max),
    MarksAwarded nvarchar(max), MarksAvailable nvarchar(max), GradePercent nvarchar(max), Grade nvarchar(max), MarkerNotes nvarchar(max),
    ResultsApproved nvarchar(max), DateInserted nvarchar(max), DateModified nvarchar(max));
create table score_text (
    AttemptId nvarchar(max), ScoreLabelCorrected nvarchar(max), Score nvarchar(max), MarkerComment nvarchar(max),
    DateInserted nvarchar(max), DateModified nvarchar(max));
bulk insert report_text from '/work/sample/warehouse/Rogo_AssessmentReport.csv'
    with (format = 'csv', firstrow = 2, codepage = '65001', rowterminator = '0x0a');
bulk insert score_text from '/work/sample/warehouse/Rogo_AssessmentReportScores.csv'
    with (format = 'csv', firstrow = 2, codepage = '65001', rowterminator = '0x0a');
go
-- \N and an empty field are null.
select try_cast(AttemptId as int) AttemptId, cast(nullif(nullif(TIUserId, '\N'), '') as nvarchar(36)) TIUserId,
    cast(nullif(nullif(TISectionId, '\N'), '') as nvarchar(36)) TISectionId, cast(nullif(nullif(Exercise, '\N'), '') as nvarchar(400)) Exercise,
    try_cast(nullif(nullif(MarksAchieved, '\N'), '') as float) MarksAchieved,
    try_cast(nullif(nullif(MarksAwarded, '\N'), '') as decimal(18, 4)) MarksAwarded,
    try_cast(nullif(nullif(MarksAvailable, '\N'), '') as decimal(18, 4)) MarksAvailable,
    try_cast(nullif(nullif(GradePercent, '\N'), '') as decimal(18, 4)) GradePercent,
    cast(nullif(nullif(Grade, '\N'), '') as nvarchar(200)) Grade, nullif(nullif(MarkerNotes, '\N'), '') MarkerNotes,
    try_cast(nullif(nullif(ResultsApproved, '\N'), '') as datetime2(7)) ResultsApproved,
    try_cast(nullif(nullif(DateInserted, '\N'), '') as datetime2(7)) DateInserted,
    try_cast(nullif(nullif(DateModified, '\N'), '') as datetime2(7)) DateModified
into Rogo_AssessmentReport from report_text;
select try_cast(AttemptId as int) AttemptId, cast(nullif(nullif(ScoreLabelCorrected, '\N'), '') as nvarchar(400)) ScoreLabelCorrected,
    try_cast(nullif(nullif(Score, '\N'), '') as float) Score, nullif(nullif(MarkerComment, '\N'), '') MarkerComment,
    try_cast(nullif(nullif(DateInserted, '\N'), '') as datetime2(7)) DateInserted,
    try_cast(nullif(nullif(DateModified, '\N'), '') as datetime2(7)) DateModified
into Rogo_AssessmentReportScores from score_text;
create clustered index by_attempt on Rogo_AssessmentReport (AttemptId);
create clustered index by_attempt on Rogo_AssessmentReportScores (AttemptId);
drop table report_text, score_text;
select 1 as done into loaded;
go
