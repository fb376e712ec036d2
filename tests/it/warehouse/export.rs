//! The exported folder, read as strictly as the inputs are.

use std::sync::Arc;

use rogo_migrate::{
    adapters::warehouse::Export,
    domain::{Dialect, Value, extent_changes},
    ports::{FaultKind, Service, Warehouse},
};

use super::{attempts, ids, opened, scanned, start, temporary_folder, text};
use crate::support::fetch::FetchAll;
use crate::support::{
    fakes::{InMemoryBlobs, Journal},
    tds::{Options, TdsServer, data::Data},
};

const REPORT_HEADER: &str = "AttemptId,TIUserId,TISectionId,Exercise,MarksAchieved,MarksAwarded,MarksAvailable,\
                             GradePercent,Grade,MarkerNotes,ResultsApproved,DateInserted,DateModified";
const SCORE_HEADER: &str = "AttemptId,ScoreLabelCorrected,Score,MarkerComment,DateInserted,DateModified";

/// A folder in memory that is read so many bytes at a time.
fn folder(blobs: &[(&str, &[u8])], chunk: usize) -> InMemoryBlobs {
    let folder = InMemoryBlobs::new("export", Service::RunStore, Journal::default());
    for (name, bytes) in blobs {
        folder.insert(name, bytes.to_vec());
    }
    folder.read_by(chunk);
    folder
}

fn exported(reports: &[u8], scores: &[u8], chunk: usize) -> Export {
    let blobs = [("Rogo_AssessmentReport.csv", reports), ("Rogo_AssessmentReportScores.csv", scores)];
    Export::new(Arc::new(folder(&blobs, chunk)), Dialect::default())
}

fn scores(rows: &str) -> Export {
    exported(format!("{REPORT_HEADER}\n").as_bytes(), format!("{SCORE_HEADER}\n{rows}").as_bytes(), 3)
}

#[tokio::test]
async fn fields_arrive_as_text_and_nulls_as_null_however_the_bytes_are_cut() {
    let reports = format!(
        "{REPORT_HEADER}\r\n00987,u,s,\"5HR03, \"\"PQ\"\"\nAttempt 2\",71.5,,100,\\N,Pass,🎓,2024-02-29,d,\r\n"
    );
    let scores = format!("{SCORE_HEADER}\n987,Question 1,12.50,\\N,d,d\n , ,\t,,,\n987,Question 2,3,c,d,d");
    for chunk in [1, 2, 7, 1_000] {
        let export = exported(reports.as_bytes(), scores.as_bytes(), chunk);
        let facts = export.fetch(&ids([5, 987])).await.unwrap();
        assert!(facts[0].reports.is_empty() && facts[0].scores.is_empty());
        let report = &facts[1].reports[0];
        assert_eq!(report.exercise, text("5HR03, \"PQ\"\nAttempt 2"));
        assert_eq!(report.marks_achieved, text("71.5"));
        assert_eq!((&report.marks_awarded, &report.grade_percent), (&Value::Null, &Value::Null));
        assert_eq!((&report.marker_notes, &report.date_modified), (&text("🎓"), &Value::Null));
        let labels: Vec<_> = facts[1].scores.iter().map(|score| score.label.clone()).collect();
        assert_eq!(labels, [text("Question 1"), text("Question 2")]);
    }
}

#[tokio::test]
async fn utf_8_and_utf_16_are_told_by_their_byte_order_marks() {
    let table = format!("{SCORE_HEADER}\n7,Zoë 🎓,1,,,\n");
    let marked = format!("\u{feff}{table}");
    let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [table.into_bytes(), marked.into_bytes(), little, big] {
        let export = exported(format!("{REPORT_HEADER}\n").as_bytes(), &bytes, 5);
        assert_eq!(export.fetch(&ids([7])).await.unwrap()[0].scores[0].label, text("Zoë 🎓"));
    }
}

#[tokio::test]
async fn the_shape_looks_at_the_headers_only_and_lists_all_that_is_missing() {
    let shape = scores("broken \"").shape().await.unwrap();
    assert_eq!((shape.lookups_are_cheap, shape.rows), (false, None));
    let header = REPORT_HEADER.replace("MarksAchieved,", "");
    exported(format!("{header}\n").as_bytes(), format!("{SCORE_HEADER}\n").as_bytes(), 9)
        .shape()
        .await
        .unwrap();
    let header = header.replace("MarksAwarded,", "").replace("Grade,", "");
    let fault = exported(header.as_bytes(), b"AttemptId,Score\n", 9).shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    for says in [
        "Rogo_AssessmentReport.csv lacks the columns MarksAchieved, MarksAwarded, Grade",
        "Rogo_AssessmentReportScores.csv lacks the columns ScoreLabelCorrected, MarkerComment",
    ] {
        assert!(fault.what.contains(says), "{fault}");
    }
    let nowhere = Export::new(Arc::new(folder(&[], 1)), Dialect::default());
    let says = "memory://export/Rogo_AssessmentReport.csv is missing";
    assert!(nowhere.shape().await.unwrap_err().what.contains(says));
}

#[tokio::test]
async fn an_export_is_as_large_as_it_was_when_it_was_scanned() {
    let read = scores("1,a,1,,,\n");
    let before = read.extent().await.unwrap();
    assert_eq!(before.len(), 2);
    scanned(&read).await.unwrap();
    assert_eq!(read.extent().await.unwrap(), before, "the digest of a scan is that of the bytes");
    let longer = scores("1,a,12,,,\n").extent().await.unwrap();
    assert_eq!(extent_changes(&before, &longer).len(), 1, "{longer:?}");
}

#[tokio::test]
async fn what_is_malformed_is_refused_with_file_and_line() {
    for (rows, says) in [
        ("1,a,1,,,\n2,b,1\n", "line 3, column \"MarkerComment\": the row has 3 cells where the header has 6"),
        ("1,\"a\n\n\",1,,,\n2,b\n", "line 5, column \"Score\": the row has 2 cells"),
        (
            "1,a,1,,,\n2,\"open,1,,,\n3,c,1,,,\n",
            "line 3, column \"ScoreLabelCorrected\": a quote opens the cell",
        ),
        ("1,a\"b,1,,,\n", "line 2, column \"ScoreLabelCorrected\": a quote stands inside"),
        ("1,\"a\"b,1,,,\n", "line 2, column \"ScoreLabelCorrected\": text follows"),
    ] {
        let fault = scanned(&scores(rows)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Misconfigured, "{rows:?}");
        assert!(fault.what.contains(says) && fault.what.contains("Scores.csv"), "{rows:?}: {fault}");
    }
    let latin = exported(
        format!("{REPORT_HEADER}\n").as_bytes(),
        &[SCORE_HEADER.as_bytes(), b"\n1,Zo\xeb,"].concat(),
        4,
    );
    let fault = scanned(&latin).await.unwrap_err();
    let says = "line 2, column \"ScoreLabelCorrected\": bytes that are not UTF-8; export the table as UTF-8";
    assert!(fault.what.contains(says), "{fault}");
    assert!(scanned(&exported(b"", b"", 1)).await.unwrap_err().what.contains("is empty"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tables_at_fault_the_reports_are_named_every_time() {
    let many = |row: &str| row.repeat(5_000);
    let (report, score) = (many("1,u,s,e,1,1,1,1,Pass,n,,,\n"), many("1,a,1,,,\n"));
    let early = |rows: &str| format!("1,b\n{rows}");
    let late = |rows: &str| format!("{rows}1,b\n");
    for (reports, scores, says) in [
        (late(&report), early(&score), "Rogo_AssessmentReport.csv, line 5002"),
        (early(&report), late(&score), "Rogo_AssessmentReport.csv, line 2"),
        (late(&report), late(&score), "Rogo_AssessmentReport.csv, line 5002"),
        (report.clone(), early(&score), "Rogo_AssessmentReportScores.csv, line 2"),
        (report.clone(), late(&score), "Rogo_AssessmentReportScores.csv, line 5002"),
    ] {
        let reports = format!("{REPORT_HEADER}\n{reports}");
        let scores = format!("{SCORE_HEADER}\n{scores}");
        let export = exported(reports.as_bytes(), scores.as_bytes(), 4_096);
        for _ in 0..5 {
            let fault = scanned(&export).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Misconfigured);
            assert!(fault.what.contains(says), "{says}: {fault}");
        }
    }
}

#[tokio::test]
async fn a_broken_stream_is_a_fault_of_the_warehouse() {
    let reports = format!("{REPORT_HEADER}\n");
    let folder = folder(&[("Rogo_AssessmentReport.csv", reports.as_bytes())], 9);
    folder.break_reads(FaultKind::Unavailable);
    let broken = Export::new(Arc::new(folder), Dialect::default());
    let fault = scanned(&broken).await.unwrap_err();
    assert_eq!((fault.service, fault.kind), (Service::Warehouse, FaultKind::Unavailable));
}

#[tokio::test]
async fn the_tds_server_serves_an_exported_folder_with_the_types_of_life() {
    let (_folder, path) = temporary_folder();
    let reports = format!(
        "{REPORT_HEADER}\n7,u,s,5HR03 PQ,71.5,71.50,100,71.5,Pass,n,2024-02-29 10:00:00,2024-02-29T10:00:00.5,\n"
    );
    std::fs::write(path.join("Rogo_AssessmentReport.csv"), reports).unwrap();
    let scores = format!("{SCORE_HEADER}\n7,Question 1,\"12,5\",,,\n7,Question 2,3,,,\n");
    std::fs::write(path.join("Rogo_AssessmentReportScores.csv"), scores).unwrap();
    let server = TdsServer::start(Data::load(&path).unwrap(), Options::default()).await.unwrap();
    let facts = opened(&server).await.fetch(&ids([7])).await.unwrap();
    let report = &facts[0].reports[0];
    assert_eq!(report.marks_achieved, Value::Number(71.5));
    assert_eq!(report.marks_awarded, text("71.5000"));
    assert_eq!(report.results_approved, Value::Local("2024-02-29T10:00:00".parse().unwrap()));
    assert_eq!(report.date_modified, Value::Null);
    assert_eq!(facts[0].scores[0].score, text("12,5"), "a column with other values stays text");
}

#[tokio::test]
async fn the_script_obeys_its_control_lines() {
    use crate::support::tds::control::apply;
    let server = start(attempts(1..=2)).await;
    let warehouse = opened(&server).await;
    apply(&server.script, "refuse-ids 2,3 1205").unwrap();
    assert!(warehouse.fetch(&ids([2])).await.unwrap_err().what.contains("1205"));
    apply(&server.script, "refuse-ids").unwrap();
    for line in ["login-error 40613", "error 40197 1", "drop 1", "end 0", "slow 1"] {
        apply(&server.script, line).unwrap();
    }
    assert_eq!(warehouse.fetch(&ids([2])).await.unwrap()[0].scores.len(), 2);
    assert!(apply(&server.script, "counts").unwrap().split(' ').count() == 3);
    for line in ["", "explode", "error x", "drop", "refuse-ids a"] {
        assert!(apply(&server.script, line).is_err(), "{line:?}");
    }
}
