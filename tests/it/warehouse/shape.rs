//! What is found out about the tables, and how many questions it takes.

use rogo_migrate::ports::{FaultKind, Warehouse};

use super::{
    REPORTS, SCORES, attempts, ids, open, opened, report, report_columns, scanned, score, score_columns,
    start, tables, text,
};
use crate::support::fetch::FetchAll;
use crate::support::tds::{
    Options, TdsServer,
    cells::{Cell, Type},
    data::{Data, Table},
    script::BatchFault,
};

#[tokio::test]
async fn the_facts_come_in_the_order_asked_and_absent_attempts_are_empty() {
    let mut reports: Vec<_> = (1..=3).map(report).collect();
    reports.push(report(2));
    let server = start(tables(reports, vec![score(3, "Question 1")])).await;
    let facts = opened(&server).await.fetch(&ids([3, 9, 2, 3, 1])).await.unwrap();
    let counts: Vec<_> = facts.iter().map(|facts| (facts.reports.len(), facts.scores.len())).collect();
    assert_eq!(counts, [(1, 1), (0, 0), (2, 0), (1, 1), (1, 0)]);
}

#[tokio::test]
async fn a_thousand_attempts_take_one_round_trip_on_one_login() {
    let server = start(attempts(1..=3_000)).await;
    let warehouse = opened(&server).await;
    warehouse.shape().await.unwrap();
    let before = server.script.batches();
    let facts = warehouse.fetch(&ids((1..=3_000).rev())).await.unwrap();
    assert!(facts.iter().all(|facts| facts.reports.len() == 1 && facts.scores.len() == 2));
    assert_eq!((server.script.batches() - before, server.script.logins()), (3, 1));
    assert!(warehouse.another_pool().unwrap().fetch(&ids([1])).await.unwrap()[0].reports.len() == 1);
    assert_eq!(server.script.batches() - before, 4, "what is known of the tables is shared");
}

#[tokio::test]
async fn the_shape_tells_engine_rows_and_whether_lookups_are_cheap() {
    let mut data = attempts(1..=3);
    for (row, modified) in data.tables[0].rows.iter_mut().zip(["2024-01-02T00:00:00", "2024-02-01T00:00:00"])
    {
        row[12] = Cell::Local(modified.parse().unwrap());
    }
    let server = start(data).await;
    let shape = opened(&server).await.shape().await.unwrap();
    assert_eq!(shape.rows, Some((3, 6)));
    assert_eq!(
        shape.extent.iter().map(|table| format!("{}: {}", table.table, table.extent)).collect::<Vec<_>>(),
        [
            "dbo.Rogo_AssessmentReport: 3 rows, newest DateModified 2024-02-01 00:00:00",
            "dbo.Rogo_AssessmentReportScores: 6 rows, no DateModified"
        ]
    );
    assert_eq!(opened(&server).await.extent().await.unwrap(), shape.extent);
    assert!(shape.lookups_are_cheap);
    assert_eq!((shape.max_connections, shape.connections_per_process), (None, None));
    assert!(shape.description.starts_with("Azure SQL Database at localhost,"), "{}", shape.description);
}

#[tokio::test]
async fn many_rows_without_an_index_are_scanned_window_by_window() {
    let scores = (1..=5_005).map(|id| score(id, "Question 1")).collect();
    let options = Options { has_index: false, claimed_rows: Some(100_000_000), ..Options::default() };
    let server = TdsServer::start(tables(vec![report(7)], scores), options).await.unwrap();
    let warehouse = open(server.connection_string()).with_window_rows(2_000);
    assert!(!warehouse.shape().await.unwrap().lookups_are_cheap);
    let before = server.script.batches();
    let (mut seen, mut largest) = (0, 0);
    warehouse
        .scan(&mut |batch| {
            seen += batch.len();
            largest = largest.max(batch.len());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((seen, largest), (5_006, 1_000));
    assert_eq!(server.script.batches() - before, 2 + 1 + 3, "bounds twice, one window, three windows");
}

/// What a plan asks, and then its prediction, where each question reads a whole table.
#[tokio::test]
async fn a_table_without_an_index_is_read_at_most_8_times_by_a_plan_and_twice_more_by_its_prediction() {
    let (mut reports, mut scores): (Vec<_>, Vec<_>) =
        (1..=4_000).map(|id| (report(id), score(id, "Question 1"))).unzip();
    // Damaged text is asked for once more.
    reports[70][3] = Cell::Text("5HR03 \u{fffd}".into());
    scores[70][1] = Cell::Text("Question \u{fffd}".into());
    let options = Options { has_index: false, ..Options::default() };
    let server = TdsServer::start(tables(reports, scores), options).await.unwrap();
    let warehouse = open(server.connection_string()).with_window_rows(500);
    let reads = |table: &str| {
        let from = format!(" from dbo.[{table}]");
        let statements = server.script.statements();
        let selects = statements.iter().flat_map(|batch| batch.split(";\n"));
        selects.filter(|select| select.contains(&from) && !select.contains("top (0)")).count()
    };
    warehouse.shape().await.unwrap();
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 8_000);
    assert_eq!((reads(REPORTS), reads(SCORES)), (8, 8));
    let mut reported = Vec::new();
    warehouse.reported(&mut |attempts| reported.extend(attempts)).await.unwrap();
    reported.sort_unstable();
    assert_eq!(reported, ids(1..=4_000));
    warehouse.shape().await.unwrap();
    assert_eq!((reads(REPORTS), reads(SCORES)), (10, 10));
    // A prediction of a plan that stands has scanned nothing.
    let mut again = Vec::new();
    warehouse.reported(&mut |attempts| again.extend(attempts)).await.unwrap();
    again.sort_unstable();
    assert_eq!(again, reported);
}

#[tokio::test]
async fn either_marks_column_may_be_absent() {
    for absent in ["MarksAchieved", "MarksAwarded"] {
        let mut columns = report_columns();
        let at = columns.iter().position(|(name, _)| *name == absent).unwrap();
        columns.remove(at);
        let mut row = vec![Cell::Null; 12];
        row[0] = Cell::Int(5);
        row[4] = if absent == "MarksAchieved" { Cell::Decimal(7150) } else { Cell::Float(71.5) };
        let reports = Table::new(REPORTS, &columns, vec![row]);
        let server = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
        let facts = opened(&server).await.fetch(&ids([5])).await.unwrap();
        let report = &facts[0].reports[0];
        assert_eq!(report.marks_achieved == rogo_migrate::domain::Value::Null, absent == "MarksAchieved");
        assert_eq!(report.marks_awarded == rogo_migrate::domain::Value::Null, absent == "MarksAwarded");
    }
}

#[tokio::test]
async fn attempt_ids_stored_as_text_are_compared_as_numbers() {
    for kind in [Type::NVarChar(20), Type::VarChar(20)] {
        let mut columns = report_columns();
        columns[0].1 = kind;
        let rows = ["00987", " 987 ", "986", "9870", "987.00"].map(|id| {
            let mut row = report(0);
            row[0] = Cell::Text(id.into());
            row[3] = Cell::Text(id.into());
            row
        });
        let reports = Table::new(REPORTS, &columns, rows.to_vec());
        let server = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
        let warehouse = opened(&server).await;
        let facts = warehouse.fetch(&ids([987, 9870])).await.unwrap();
        let found: Vec<_> = facts[0].reports.iter().map(|report| report.exercise.clone()).collect();
        assert_eq!(found, [text("00987"), text(" 987 "), text("987.00")]);
        assert_eq!(facts[1].reports.len(), 1);
        let all: Vec<_> = scanned(&warehouse).await.unwrap().into_iter().map(|(id, ..)| id).collect();
        assert_eq!(all.len(), 5, "{all:?}");
    }
}

#[tokio::test]
async fn rows_whose_id_is_none_are_refused_with_examples() {
    let ids: [(Type, Vec<Cell>, &[&str]); 4] = [
        (
            Type::NVarChar(20),
            ["987", "x987", "", "-1", "987.50", "2147483648", "9 87", "987."]
                .map(|id| Cell::Text(id.into()))
                .to_vec(),
            &[
                "7 rows of dbo.Rogo_AssessmentReport have an AttemptId",
                "\"x987\", \"\", \"-1\", \"987.50\", \"2147483648\"",
            ],
        ),
        (Type::Int, vec![Cell::Int(0), Cell::Null, Cell::Int(5)], &["2 rows of", "\"0\", null"]),
        (Type::Float, vec![Cell::Float(987.5), Cell::Float(987.0)], &["1 rows of", "\"987.5\""]),
        (Type::Decimal(18, 2), vec![Cell::Decimal(98_750), Cell::Decimal(98_700)], &["1 rows of"]),
    ];
    for (kind, ids, says) in ids {
        let mut columns = report_columns();
        columns[0].1 = kind;
        let rows = ids.into_iter().map(|id| [vec![id], report(0).split_off(1)].concat()).collect();
        let reports = Table::new(REPORTS, &columns, rows);
        let server = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
        let fault = opened(&server).await.shape().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Misconfigured);
        for says in says {
            assert!(fault.what.contains(says), "{kind:?}: {fault}");
        }
    }
}

#[tokio::test]
async fn an_id_means_the_same_in_every_type() {
    for (kind, id) in [
        (Type::Int, Cell::Int(987)),
        (Type::BigInt, Cell::Int(987)),
        (Type::Float, Cell::Float(987.0)),
        (Type::Decimal(18, 2), Cell::Decimal(98_700)),
        (Type::NVarChar(20), Cell::Text("987.00".into())),
        (Type::VarChar(20), Cell::Text("0987".into())),
    ] {
        let mut columns = report_columns();
        columns[0].1 = kind;
        let row = [vec![id], report(987).split_off(1)].concat();
        let reports = Table::new(REPORTS, &columns, vec![row]);
        let server = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
        let warehouse = opened(&server).await;
        warehouse.shape().await.unwrap();
        assert_eq!(warehouse.fetch(&ids([987])).await.unwrap()[0].reports.len(), 1, "{kind:?}");
        assert_eq!(scanned(&warehouse).await.unwrap().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_id_of_a_type_that_is_no_number_and_no_short_text_is_refused_by_name() {
    for kind in [Type::Named("text"), Type::Named("ntext"), Type::Named("xml"), Type::Guid] {
        let (mut of_reports, mut of_scores) = (report_columns(), score_columns());
        for columns in [&mut of_reports, &mut of_scores] {
            let id = columns.iter_mut().find(|(name, _)| *name == "AttemptId").unwrap();
            id.1 = kind;
        }
        let reports = Table::new(REPORTS, &of_reports, vec![]);
        let server = start(Data::new(reports, Table::new(SCORES, &of_scores, vec![]))).await;
        let fault = opened(&server).await.shape().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotFound);
        for table in [REPORTS, SCORES] {
            let says = format!(
                "dbo.{table}.AttemptId is of type {}, and an attempt id is a number or char, varchar, nchar, nvarchar: \
                 make a view of that name with a column of type int",
                kind.name()
            );
            assert!(fault.what.contains(&says), "{says}: {}", fault.what);
        }
    }
}

#[tokio::test]
async fn a_table_that_may_be_a_synonym_is_told_with_what_to_make_instead() {
    let reports = Table::new(REPORTS, &report_columns(), vec![]);
    let server = start(Data::new(reports, Table::new("Other", &[], vec![]))).await;
    let fault = opened(&server).await.shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    let says = format!(
        "table dbo.{SCORES} is missing, or the login lacks the right to select from it (a synonym is not looked through: \
         make a view of that name)"
    );
    assert!(fault.what.contains(&says), "{}", fault.what);
}

#[tokio::test]
async fn masked_columns_are_refused_with_the_right_to_ask_for() {
    let masked = |table: &str, column: &str| (table.to_owned(), column.to_owned());
    let options = Options {
        masked: vec![
            masked(SCORES, "Score"),
            masked("ROGO_ASSESSMENTREPORT", "gradepercent"),
            masked(REPORTS, "Unused"),
        ],
        ..Options::default()
    };
    let server = TdsServer::start(attempts(1..=1), options).await.unwrap();
    let fault = opened(&server).await.shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    for says in [format!("dbo.{SCORES}.Score"), "gradepercent; ask for: grant unmask to [reader]".into()] {
        assert!(fault.what.contains(&says), "{fault}");
    }
    assert!(!fault.what.contains("Unused"), "{fault}");
}

#[tokio::test]
async fn a_server_that_is_older_than_masks_has_none() {
    let server = start(attempts(1..=1)).await;
    let warehouse = opened(&server).await;
    // Catalogue, then shape, then ids; then the masks, whose view is missing.
    for _ in 0..3 {
        server.script.fail_batch(BatchFault::Slow(std::time::Duration::ZERO));
    }
    server.script.fail_batch(BatchFault::Error { number: 208, after_rows: 0 });
    warehouse.shape().await.unwrap();
    assert_eq!(server.script.pending(), 0);
}

#[tokio::test]
async fn an_empty_warehouse_scans_to_nothing() {
    let server = start(attempts([])).await;
    assert_eq!(scanned(&opened(&server).await).await.unwrap(), []);
}

#[tokio::test]
async fn everything_missing_is_listed_at_once() {
    let reports = Table::new(REPORTS, &[("AttemptId", Type::Int), ("Grade", Type::VarBinaryMax)], vec![]);
    let server = start(Data::new(reports, Table::new("Other", &[], vec![]))).await;
    let fault = opened(&server).await.shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    for says in [
        "dbo.Rogo_AssessmentReport lacks column TIUserId, column TISectionId",
        "column MarksAchieved, column MarksAwarded",
        "Grade is of type varbinary",
        "table dbo.Rogo_AssessmentReportScores is missing, or the login lacks the right",
    ] {
        assert!(fault.what.contains(says), "{says}: {}", fault.what);
    }
}

#[tokio::test]
async fn a_missing_right_is_named_with_its_table() {
    for number in [229, 230] {
        let server = start(attempts(1..=1)).await;
        server.script.deny_table(SCORES, number);
        let fault = opened(&server).await.shape().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.what.contains("grant it select"), "{fault}");
        assert!(fault.chain().contains(SCORES), "{}", fault.chain());
    }
}

#[tokio::test]
async fn synapse_is_asked_over_two_connections_and_without_parameters() {
    let options = Options { engine_edition: 6, ..Options::default() };
    let server = TdsServer::start(attempts(1..=10), options).await.unwrap();
    let warehouse = opened(&server).await;
    let shape = warehouse.shape().await.unwrap();
    assert_eq!((shape.max_connections, shape.connections_per_process), (None, Some(2)));
    assert!(shape.description.contains("Synapse"));
    let mut asked = tokio::task::JoinSet::new();
    for n in 1..=10 {
        let another = warehouse.another_pool().unwrap();
        asked.spawn(async move { another.fetch(&ids([n])).await.unwrap()[0].reports.len() });
    }
    assert_eq!(asked.join_all().await, [1; 10]);
    assert!(server.script.logins() <= 3, "one to learn the engine, then the process's two");
    assert_eq!(scanned(&warehouse).await.unwrap().len(), 30);
}

#[tokio::test]
async fn the_server_refuses_what_synapse_refuses_and_serves_it_elsewhere() {
    use tokio_util::compat::TokioAsyncWriteCompatExt;
    for (engine_edition, refused_with) in [(6, Some(103_010)), (5, None)] {
        let options = Options { engine_edition, ..Options::default() };
        let server = TdsServer::start(attempts(1..=1), options).await.unwrap();
        let mut config = tiberius::Config::new();
        config.host("localhost");
        config.port(server.address.port());
        config.authentication(tiberius::AuthMethod::sql_server("reader", "S3cret;{}"));
        config.encryption(tiberius::EncryptionLevel::Off);
        config.trust_cert();
        let tcp = tokio::net::TcpStream::connect(config.get_addr()).await.unwrap();
        let mut client = Box::pin(tiberius::Client::connect(config, tcp.compat_write())).await.unwrap();
        let answer = async { client.query("select 7 as batch", &[]).await?.into_first_result().await };
        match answer.await {
            Ok(rows) => assert_eq!((rows[0].get::<i64, _>(0), refused_with), (Some(7), None)),
            Err(error) => assert_eq!(error.code(), refused_with),
        }
    }
}
