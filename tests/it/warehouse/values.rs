//! Each type of SQL Server arrives exactly.

use chrono::{DateTime, NaiveDateTime};
use rogo_migrate::{domain::Value, ports::Warehouse};

use super::{REPORTS, SCORES, ids, opened, report_columns, scanned, score_columns, start, text};
use crate::support::fetch::FetchAll;
use crate::support::tds::{
    cells::{Cell, Type},
    data::{Data, Table},
};

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// The value of a column of this type that holds the cell, fetched and scanned.
async fn arrives(kind: Type, cells: &[Cell]) -> Vec<Value> {
    let mut columns = score_columns();
    columns[2].1 = kind;
    let row = |(id, cell): (i64, &Cell)| {
        vec![Cell::Int(id), Cell::Text("Q".into()), cell.clone(), Cell::Null, Cell::Null, Cell::Null]
    };
    let scores = Table::new(SCORES, &columns, (1..).zip(cells).map(row).collect());
    let server = start(Data::new(Table::new(REPORTS, &report_columns(), vec![]), scores)).await;
    let warehouse = opened(&server).await;
    let asked = ids(1..=i32::try_from(cells.len()).unwrap());
    let fetched: Vec<Value> =
        warehouse.fetch(&asked).await.unwrap().iter().map(|facts| facts.scores[0].score.clone()).collect();
    let mut scanned = vec![Value::Null; cells.len()];
    warehouse
        .scan(&mut |rows| {
            for row in rows {
                if let rogo_migrate::domain::FactRow::Score(id, score) = row {
                    scanned[usize::try_from(id.get()).unwrap() - 1] = score.score;
                }
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(fetched, scanned, "{kind:?}: a scan yields what a lookup yields");
    fetched
}

#[tokio::test]
async fn every_number_arrives_exactly() {
    for (kind, cell, expected) in [
        (Type::TinyInt, Cell::Int(255), Value::Number(255.0)),
        (Type::SmallInt, Cell::Int(-32_768), Value::Number(-32_768.0)),
        (Type::Int, Cell::Int(-2_147_483_648), Value::Number(-2_147_483_648.0)),
        (Type::BigInt, Cell::Int(1 << 40), Value::Number(1_099_511_627_776.0)),
        (Type::BigInt, Cell::Int(i64::MAX), text("9223372036854775807")),
        (Type::Bit, Cell::Bit(true), Value::Bool(true)),
        (Type::Real, Cell::Float(0.1), Value::Number(0.1)),
        (Type::Float, Cell::Float(1e39), Value::Number(1e39)),
        (Type::Float, Cell::Float(71.35), Value::Number(71.35)),
        (Type::Decimal(18, 4), Cell::Decimal(-1_234_560), text("-123.4560")),
        (Type::Decimal(38, 0), Cell::Decimal(10_i128.pow(37)), text(&format!("1{}", "0".repeat(37)))),
        (Type::Decimal(38, 38), Cell::Decimal(5), text(&format!("0.{}5", "0".repeat(37)))),
    ] {
        assert_eq!(arrives(kind, &[cell, Cell::Null]).await, [expected, Value::Null], "{kind:?}");
    }
}

#[tokio::test]
async fn money_arrives_with_every_digit() {
    for kind in [Type::Money, Type::SmallMoney] {
        let mut columns = score_columns();
        columns[2].1 = kind;
        // The adapter has the server turn money into decimal.
        let statement = arrives_money(&columns).await;
        assert_eq!(statement, [text("-12.3456")]);
    }
}

async fn arrives_money(columns: &[(&str, Type)]) -> Vec<Value> {
    let row = vec![Cell::Int(1), Cell::Null, Cell::Decimal(-123_456), Cell::Null, Cell::Null, Cell::Null];
    let scores = Table::new(SCORES, columns, vec![row]);
    let server = start(Data::new(Table::new(REPORTS, &report_columns(), vec![]), scores)).await;
    let facts = opened(&server).await.fetch(&ids([1])).await.unwrap();
    facts[0].scores.iter().map(|score| score.score.clone()).collect()
}

#[tokio::test]
async fn every_date_arrives_exactly() {
    for (kind, cell, expected) in [
        (Type::DateTime, "2024-02-29T23:59:59.997", "2024-02-29T23:59:59.997"),
        (Type::DateTime, "1753-01-01T00:00:00", "1753-01-01T00:00:00"),
        (Type::DateTime, "1900-01-01T00:00:00.003", "1900-01-01T00:00:00.003"),
        (Type::SmallDateTime, "2024-02-29T23:59:00", "2024-02-29T23:59:00"),
        (Type::DateTime2(7), "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999"),
        (Type::DateTime2(3), "0001-01-01T00:00:00.123", "0001-01-01T00:00:00.123"),
        (Type::DateTime2(0), "2024-02-29T12:34:56", "2024-02-29T12:34:56"),
        (Type::Date, "2024-02-29T00:00:00", "2024-02-29T00:00:00"),
    ] {
        let values = arrives(kind, &[Cell::Local(local(cell)), Cell::Null]).await;
        assert_eq!(values, [Value::Local(local(expected)), Value::Null], "{kind:?} {cell}");
    }
    let instant = DateTime::parse_from_rfc3339("2024-02-29T23:30:00.5-05:30").unwrap();
    let values = arrives(Type::DateTimeOffset(7), &[Cell::Instant(instant), Cell::Null]).await;
    assert_eq!(values, [Value::Instant(instant), Value::Null]);
    let values = arrives(Type::Time(3), &[Cell::Local(local("2024-01-01T12:34:56.789"))]).await;
    assert_eq!(values, [text("12:34:56.789")]);
}

#[tokio::test]
async fn every_text_arrives_exactly() {
    let long = "réponse 🎓 ".repeat(3_000);
    for kind in [Type::NVarChar(4_000), Type::NVarCharMax] {
        let some = ["", " ", "a\0b", "🎓 Zoë", "\u{fffd}"].map(|text| Cell::Text(text.into()));
        let values = arrives(kind, &some).await;
        assert_eq!(values, ["", " ", "a\0b", "🎓 Zoë", "\u{fffd}"].map(text), "{kind:?}");
    }
    assert_eq!(arrives(Type::NVarCharMax, &[Cell::Text(long.clone())]).await, [text(&long)]);
    for kind in [Type::VarChar(100), Type::VarCharMax] {
        assert_eq!(
            arrives(kind, &[Cell::Text("Zoë €".into()), Cell::Null]).await,
            [text("Zoë €"), Value::Null]
        );
    }
    let guid = uuid::Uuid::from_u128(0x3f25_04e0_4f89_11d3_9a0c_0305_e82c_3301);
    let values = arrives(Type::Guid, &[Cell::Guid(guid)]).await;
    assert_eq!(values, [text("3F2504E0-4F89-11D3-9A0C-0305E82C3301")]);
}

#[tokio::test]
async fn a_lone_surrogate_is_invalid_and_its_neighbours_are_not() {
    let cells = [
        Cell::Text("before".into()),
        Cell::Units(vec![0x41, 0xd83c]),
        Cell::Text("a \u{fffd} that is stored so".into()),
        Cell::Text("after".into()),
    ];
    let values = arrives(Type::NVarCharMax, &cells).await;
    assert!(matches!(&values[1], Value::Invalid(why) if why.contains("D83C")), "{values:?}");
    assert_eq!(values[2], text("a \u{fffd} that is stored so"));
    assert_eq!((&values[0], &values[3]), (&text("before"), &text("after")));
}

#[tokio::test]
async fn rows_span_packets_of_any_size() {
    let mut columns = report_columns();
    columns.swap(9, 12);
    let rows: Vec<Vec<Cell>> = (1..=300)
        .map(|id| {
            let mut row = vec![Cell::Null; 13];
            row[0] = Cell::Int(id);
            row[3] = Cell::Text(format!("{id} {}", "x".repeat(usize::try_from(id).unwrap() % 97)));
            row[11] = Cell::Local(local("2024-02-29T12:34:56.7654321"));
            row[12] = Cell::Text("n".repeat(usize::try_from(id * 7).unwrap()));
            row
        })
        .collect();
    let reports = Table::new(REPORTS, &columns, rows);
    let server = start(Data::new(reports, Table::new(SCORES, &score_columns(), vec![]))).await;
    for size in [512, 513, 4_096, 32_767] {
        let warehouse = super::open(format!("{};Packet Size={size}", server.connection_string()));
        let facts = warehouse.fetch(&ids(1..=300)).await.unwrap();
        for (facts, id) in facts.iter().zip(1..) {
            let report = &facts.reports[0];
            assert_eq!(report.exercise, text(&format!("{id} {}", "x".repeat(id % 97))));
            assert_eq!(report.date_inserted, Value::Local(local("2024-02-29T12:34:56.7654321")));
            assert_eq!(report.marker_notes, text(&"n".repeat(id * 7)));
        }
        assert_eq!(scanned(&warehouse).await.unwrap().len(), 300);
    }
}

/// Fetched as it is, scanned through a temporary file: [`arrives`] compares the two.
#[tokio::test]
async fn every_float_arrives_to_the_last_bit() {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let mut marks = Vec::new();
    while marks.len() < 2_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        marks.extend([f64::from_bits(bits)].into_iter().filter(|mark| mark.is_finite()));
    }
    let cells: Vec<Cell> = marks.iter().copied().map(Cell::Float).collect();
    let expected: Vec<Value> = marks.into_iter().map(Value::Number).collect();
    assert_eq!(arrives(Type::Float, &cells).await, expected);
}
