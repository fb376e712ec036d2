//! The scripted server as another client reads it: server and driver of the program must not share a mistake.

use std::{path::Path, process::Command};

use chrono::{DateTime, NaiveDateTime};
use rogo_migrate::ports::Warehouse;
use serde_json::{Value as Json, json};

use super::{REPORTS, SCORES, attempts, ids, opened, report, report_columns, scanned, score_columns, start};
use crate::support::fetch::FetchAll;
use crate::support::{
    machine, npm, process,
    tds::{
        TdsServer,
        cells::{Cell, Type},
        data::{Data, Table},
    },
};

const VERSION: &str = "19.2.2";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/tds/tedious.mjs");

#[tokio::test]
async fn another_client_reads_every_type_as_it_was_meant() {
    let columns: Vec<(String, Type)> =
        values().iter().map(|(kind, _)| (format!("{kind:?}"), *kind)).collect();
    let names: Vec<(&str, Type)> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let values: Vec<Vec<Cell>> = values().into_iter().map(|(_, cells)| cells).collect();
    let rows = (0..3).map(|n| values.iter().map(|cells| cells[n].clone()).collect()).collect();
    let list: Vec<String> = columns.iter().map(|(name, _)| format!("[{name}] as [{name}]")).collect();
    let server = start(Data { tables: vec![Table::new("Types", &names, rows)] }).await;
    compare(&server, vec![format!("select {} from dbo.[Types];", list.join(", "))]).await;
}

#[tokio::test]
async fn another_client_reads_every_batch_that_the_program_sends() {
    let server = start(attempts(1..=5)).await;
    ask(&server).await;
    let mut columns = report_columns();
    columns[0].1 = Type::NVarChar(20);
    let mut row = report(0);
    row[0] = Cell::Text("987.00".into());
    row[9] = Cell::Units(vec![0x41, 0xd83c]);
    let reports = Table::new(REPORTS, &columns, vec![row]);
    let as_text = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
    ask(&as_text).await;
    for server in [server, as_text] {
        let batches = server.script.statements();
        assert!(batches.len() > 5, "{batches:?}");
        compare(&server, batches).await;
    }
}

async fn ask(server: &TdsServer) {
    let warehouse = opened(server).await;
    warehouse.shape().await.unwrap();
    warehouse.fetch(&ids([1, 2, 987])).await.unwrap();
    scanned(&warehouse).await.unwrap();
}

/// Runs the batches with tedious and compares all results with what the server meant.
async fn compare(server: &TdsServer, batches: Vec<String>) {
    let Some(folder) = machine::or_skipped(npm::installed("tedious", VERSION)) else { return };
    let request = json!({
        "port": server.address.port(), "user": "reader", "password": "S3cret;{}", "batches": batches,
    });
    let answer = tokio::task::spawn_blocking(move || node(&folder, &request)).await.unwrap();
    let answer: Vec<Vec<Json>> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer.len(), batches.len());
    for (batch, results) in batches.iter().zip(answer) {
        let meant = server.meant(batch);
        assert_eq!(results.len(), meant.len(), "{batch}");
        for (result, (columns, rows)) in results.iter().zip(meant) {
            let named: Vec<_> = columns.iter().map(|(name, kind)| json!([name, name_of(*kind)])).collect();
            assert_eq!(result["columns"], json!(named), "{batch}");
            assert_eq!(result["rows"].as_array().unwrap().len(), rows.len(), "{batch}");
            for (read, row) in result["rows"].as_array().unwrap().iter().zip(&rows) {
                for (at, ((name, kind), cell)) in columns.iter().zip(row).enumerate() {
                    assert!(is_equal(*kind, cell, &read[at]), "{name}: {cell:?} was read as {}", read[at]);
                }
            }
        }
    }
}

fn node(folder: &Path, request: &Json) -> String {
    let mut node = Command::new("node");
    let output = process::blocking_given(&request.to_string(), node.args([Path::new(SCRIPT), folder]));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tedious failed (node (18 or later) is needed for it): {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// As tedious names a type.
fn name_of(kind: Type) -> &'static str {
    match kind {
        Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt => "IntN",
        Type::Bit => "BitN",
        Type::Real | Type::Float => "FloatN",
        Type::Decimal(..) => "DecimalN",
        Type::Money | Type::SmallMoney => "MoneyN",
        Type::Date => "Date",
        Type::Time(_) => "Time",
        Type::DateTime | Type::SmallDateTime => "DateTimeN",
        Type::DateTime2(_) => "DateTime2",
        Type::DateTimeOffset(_) => "DateTimeOffset",
        Type::Guid => "UniqueIdentifier",
        Type::NVarChar(_) | Type::NVarCharMax => "NVarChar",
        Type::VarChar(_) | Type::VarCharMax => "VarChar",
        Type::VarBinaryMax => "VarBinary",
        Type::Named(name) => panic!("a column of type {name} was read"),
    }
}

/// tedious reads decimals as floats: 15 digits count.
fn is_equal(kind: Type, cell: &Cell, read: &Json) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "15 digits are compared")]
    let decimal = |number: i128, scale: u8| {
        let meant = number as f64 / 10_f64.powi(scale.into());
        read.as_f64().is_some_and(|read| format!("{read:.14e}") == format!("{meant:.14e}"))
    };
    let instant = |meant: NaiveDateTime| {
        let meant = meant.and_utc().timestamp_nanos_opt().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "below a millisecond")]
        let delta = (read["delta"].as_f64().unwrap_or_default() * 1e9).round() as i64;
        read["ms"].as_i64().map(|ms| ms * 1_000_000 + delta) == Some(meant)
    };
    match (kind, cell) {
        (_, Cell::Null) => read.is_null(),
        (Type::BigInt, Cell::Int(number)) => read.as_str() == Some(&number.to_string()),
        (_, Cell::Int(number)) => read.as_i64() == Some(*number),
        (_, Cell::Bit(bit)) => read.as_bool() == Some(*bit),
        #[expect(clippy::cast_possible_truncation, reason = "a real has that precision")]
        (Type::Real, Cell::Float(number)) => read.as_f64() == Some(f64::from(*number as f32)),
        (_, Cell::Float(number)) => read.as_f64() == Some(*number),
        (Type::Decimal(_, scale), Cell::Decimal(number)) => decimal(*number, scale),
        (_, Cell::Decimal(number)) => decimal(*number, 4),
        (_, Cell::Text(text)) => read.as_str() == Some(text),
        (_, Cell::Units(units)) => read["units"] == json!(units),
        (_, Cell::Bytes(bytes)) => {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            read["hex"] == json!(hex.concat())
        }
        (_, Cell::Guid(guid)) => {
            read.as_str().is_some_and(|read| read.eq_ignore_ascii_case(&guid.to_string()))
        }
        (_, Cell::Local(time)) => instant(*time),
        (_, Cell::Instant(time)) => instant(time.naive_utc()),
    }
}

/// Three values of every type, the second of them null.
fn values() -> Vec<(Type, Vec<Cell>)> {
    let three = |one: Cell, other: Cell| vec![one, Cell::Null, other];
    let integers = |low: i64, high: i64| three(Cell::Int(low), Cell::Int(high));
    let decimals = |low: i128, high: i128| three(Cell::Decimal(low), Cell::Decimal(high));
    let texts = |one: &str, other: &str| three(Cell::Text(one.into()), Cell::Text(other.into()));
    let local = |text: &str| Cell::Local(text.parse().unwrap());
    let instant = |text: &str| Cell::Instant(DateTime::parse_from_rfc3339(text).unwrap());
    let long = "Zürich 🎓 ".repeat(3_000);
    vec![
        (Type::TinyInt, integers(0, 255)),
        (Type::SmallInt, integers(-32_768, 32_767)),
        (Type::Int, integers(i32::MIN.into(), i32::MAX.into())),
        (Type::BigInt, integers(i64::MIN, i64::MAX)),
        (Type::Bit, three(Cell::Bit(true), Cell::Bit(false))),
        (Type::Real, three(Cell::Float(71.3), Cell::Float(-0.007_812_5))),
        (Type::Float, three(Cell::Float(71.3), Cell::Float(-1.0e-300))),
        (Type::Decimal(18, 2), decimals(7_130, -5)),
        (Type::Decimal(18, 4), decimals(12_345_678_901_234_567, 0)),
        (Type::Decimal(38, 0), decimals(170_141_183_460_469_231_731, -1)),
        (Type::Money, decimals(713_000, -92_233_720_368_547)),
        (Type::SmallMoney, decimals(713_000, -1)),
        (Type::Date, three(local("2024-02-29T00:00:00"), local("1753-01-01T00:00:00"))),
        (Type::Time(7), three(local("1970-01-01T23:59:59.1234567"), local("1970-01-01T00:00:00"))),
        (Type::Time(0), three(local("1970-01-01T23:59:59"), local("1970-01-01T00:00:01"))),
        (Type::DateTime, three(local("2024-02-29T12:34:56.123"), local("1753-01-01T00:00:00"))),
        (Type::SmallDateTime, three(local("2024-02-29T12:34:00"), local("1900-01-01T00:00:00"))),
        (Type::DateTime2(7), three(local("2024-02-29T12:34:56.1234567"), local("1753-01-01T00:00:00"))),
        (Type::DateTime2(3), three(local("2024-02-29T12:34:56.123"), local("2199-12-31T23:59:59.999"))),
        (
            Type::DateTimeOffset(7),
            three(instant("2024-02-29T00:30:00.1234567+05:30"), instant("2024-01-01T00:00:00-08:00")),
        ),
        (
            Type::Guid,
            three(
                Cell::Guid(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
                Cell::Guid(uuid::Uuid::nil()),
            ),
        ),
        (Type::NVarChar(40), texts("Zürich 🎓", "")),
        (Type::NVarCharMax, three(Cell::Text(long), Cell::Units(vec![0x41, 0xd83c]))),
        (Type::VarChar(40), texts("Zürich €", "")),
        (Type::VarCharMax, texts("naïve", " ")),
        (Type::VarBinaryMax, three(Cell::Bytes(vec![0, 255, 13]), Cell::Bytes(vec![]))),
    ]
}
