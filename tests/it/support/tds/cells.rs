//! Column types and values as TDS writes them.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, Timelike};
use uuid::Uuid;

use super::wire::{COLLATION, utf16};

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Bit,
    Real,
    Float,
    Decimal(u8, u8),
    Money,
    SmallMoney,
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    Guid,
    NVarChar(u16),
    NVarCharMax,
    VarChar(u16),
    VarCharMax,
    VarBinaryMax,
    /// Only the catalogue tells of it; no statement selects such a column.
    Named(&'static str),
}

/// A value; its column's type says how it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Bit(bool),
    Float(f64),
    /// Without its decimal point (money: ten-thousandths).
    Decimal(i128),
    Text(String),
    /// UTF-16 that may be none.
    Units(Vec<u16>),
    Bytes(Vec<u8>),
    Local(NaiveDateTime),
    Instant(DateTime<FixedOffset>),
    Guid(Uuid),
}

impl Type {
    /// As INFORMATION_SCHEMA.COLUMNS names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Bit => "bit",
            Self::Real => "real",
            Self::Float => "float",
            Self::Decimal(..) => "decimal",
            Self::Money => "money",
            Self::SmallMoney => "smallmoney",
            Self::Date => "date",
            Self::Time(_) => "time",
            Self::DateTime => "datetime",
            Self::SmallDateTime => "smalldatetime",
            Self::DateTime2(_) => "datetime2",
            Self::DateTimeOffset(_) => "datetimeoffset",
            Self::Guid => "uniqueidentifier",
            Self::NVarChar(_) | Self::NVarCharMax => "nvarchar",
            Self::VarChar(_) | Self::VarCharMax => "varchar",
            Self::VarBinaryMax => "varbinary",
            Self::Named(name) => name,
        }
    }

    /// TYPE_INFO of a column.
    pub fn write_info(self, out: &mut Vec<u8>) {
        match self {
            Self::TinyInt => out.extend([0x26, 1]),
            Self::SmallInt => out.extend([0x26, 2]),
            Self::Int => out.extend([0x26, 4]),
            Self::BigInt => out.extend([0x26, 8]),
            Self::Bit => out.extend([0x68, 1]),
            Self::Real => out.extend([0x6d, 4]),
            Self::Float => out.extend([0x6d, 8]),
            Self::Decimal(precision, scale) => out.extend([0x6a, 17, precision, scale]),
            Self::Money => out.extend([0x6e, 8]),
            Self::SmallMoney => out.extend([0x6e, 4]),
            Self::Date => out.push(0x28),
            Self::Time(scale) => out.extend([0x29, scale]),
            Self::DateTime => out.extend([0x6f, 8]),
            Self::SmallDateTime => out.extend([0x6f, 4]),
            Self::DateTime2(scale) => out.extend([0x2a, scale]),
            Self::DateTimeOffset(scale) => out.extend([0x2b, scale]),
            Self::Guid => out.extend([0x24, 16]),
            Self::NVarChar(length) => text_info(out, 0xe7, length * 2),
            Self::NVarCharMax => text_info(out, 0xe7, 0xffff),
            Self::VarChar(length) => text_info(out, 0xa7, length),
            Self::VarCharMax => text_info(out, 0xa7, 0xffff),
            Self::VarBinaryMax => out.extend([0xa5, 0xff, 0xff]),
            Self::Named(name) => panic!("a column of type {name} was selected"),
        }
    }

    /// A value of this type.
    pub fn write(self, out: &mut Vec<u8>, cell: &Cell) {
        match (self, cell) {
            (Self::NVarChar(_) | Self::VarChar(_), Cell::Null) => out.extend([0xff; 2]),
            (Self::NVarCharMax | Self::VarCharMax | Self::VarBinaryMax, Cell::Null) => out.extend([0xff; 8]),
            (_, Cell::Null) => out.push(0),
            (Self::TinyInt, Cell::Int(n)) => sized(out, &n.to_le_bytes()[..1]),
            (Self::SmallInt, Cell::Int(n)) => sized(out, &n.to_le_bytes()[..2]),
            (Self::Int, Cell::Int(n)) => sized(out, &n.to_le_bytes()[..4]),
            (Self::BigInt, Cell::Int(n)) => sized(out, &n.to_le_bytes()),
            (Self::Bit, Cell::Bit(bit)) => sized(out, &[u8::from(*bit)]),
            #[expect(clippy::cast_possible_truncation, reason = "a real has that precision")]
            (Self::Real, Cell::Float(n)) => sized(out, &(*n as f32).to_le_bytes()),
            (Self::Float, Cell::Float(n)) => sized(out, &n.to_le_bytes()),
            (Self::Decimal(..), Cell::Decimal(n)) => {
                let mut bytes = vec![u8::from(*n >= 0)];
                bytes.extend(n.unsigned_abs().to_le_bytes());
                sized(out, &bytes);
            }
            (Self::Money, Cell::Decimal(n)) => {
                let bytes = i64::try_from(*n).unwrap().to_le_bytes();
                sized(out, &[&bytes[4..], &bytes[..4]].concat());
            }
            (Self::SmallMoney, Cell::Decimal(n)) => sized(out, &i32::try_from(*n).unwrap().to_le_bytes()),
            (Self::Guid, Cell::Guid(guid)) => sized(out, &guid.to_bytes_le()),
            (Self::NVarChar(_), _) => long(out, &units(cell)),
            (Self::VarChar(_), Cell::Text(text)) => long(out, &windows_1252(text)),
            (Self::NVarCharMax, _) => chunked(out, &units(cell)),
            (Self::VarCharMax, Cell::Text(text)) => chunked(out, &windows_1252(text)),
            (Self::VarBinaryMax, Cell::Bytes(bytes)) => chunked(out, bytes),
            (_, Cell::Local(time)) => sized(out, &self.local(*time)),
            (Self::DateTimeOffset(scale), Cell::Instant(time)) => {
                let minutes = i16::try_from(time.offset().local_minus_utc() / 60).unwrap();
                let mut bytes = Self::DateTime2(scale).local(time.naive_utc());
                bytes.extend(minutes.to_le_bytes());
                sized(out, &bytes);
            }
            _ => panic!("{cell:?} is no {self:?}"),
        }
    }

    fn local(self, time: NaiveDateTime) -> Vec<u8> {
        let since_year_1 = (time.num_days_from_ce() - 1).to_le_bytes();
        let since_1900 = (time.date() - NaiveDate::from_ymd_opt(1900, 1, 1).unwrap()).num_days();
        let nanoseconds =
            u64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + u64::from(time.nanosecond());
        let clock = |scale: u8| {
            let length = match scale {
                0..=2 => 3,
                3..=4 => 4,
                _ => 5,
            };
            (nanoseconds / 10_u64.pow(9 - u32::from(scale))).to_le_bytes()[..length].to_vec()
        };
        match self {
            Self::Date => since_year_1[..3].to_vec(),
            Self::Time(scale) => clock(scale),
            Self::DateTime2(scale) => [&clock(scale), &since_year_1[..3]].concat(),
            Self::DateTime => {
                let fragments = u32::try_from((nanoseconds * 3 + 5_000_000) / 10_000_000).unwrap();
                [i32::try_from(since_1900).unwrap().to_le_bytes(), fragments.to_le_bytes()].concat()
            }
            Self::SmallDateTime => {
                let minutes = u16::try_from(time.num_seconds_from_midnight() / 60).unwrap();
                [u16::try_from(since_1900).unwrap().to_le_bytes(), minutes.to_le_bytes()].concat()
            }
            other => panic!("{time} is no {other:?}"),
        }
    }
}

/// The UTF-16 of a text, as bytes.
pub fn units(cell: &Cell) -> Vec<u8> {
    match cell {
        Cell::Text(text) => utf16(text),
        Cell::Units(units) => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        other => panic!("{other:?} is no text"),
    }
}

fn text_info(out: &mut Vec<u8>, kind: u8, length: u16) {
    out.push(kind);
    out.extend(length.to_le_bytes());
    out.extend(COLLATION);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).unwrap());
    out.extend(bytes);
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend(bytes);
}

fn chunked(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    for chunk in bytes.chunks(8_000) {
        out.extend(u32::try_from(chunk.len()).unwrap().to_le_bytes());
        out.extend(chunk);
    }
    out.extend([0; 4]);
}

fn windows_1252(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
}
