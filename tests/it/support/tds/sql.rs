//! The statements that the program sends, and no others.

use super::{
    Options,
    cells::{Cell, Type, units},
    data::{Data, Table, whole_number},
};

/// What a select answers.
pub struct Answer<'a> {
    pub columns: Vec<(String, Type)>,
    pub rows: Box<dyn Iterator<Item = Vec<Cell>> + Send + 'a>,
    /// The table and the attempts that it names.
    pub table: &'a str,
    pub ids: Vec<i64>,
}

/// An error that SQL Server answers with: number and message.
pub struct Refused(pub u32, pub String);

/// The answer to one select.
pub fn answer<'a>(select: &str, data: &'a Data, options: &Options) -> Result<Answer<'a>, Refused> {
    if select == "select convert(int, serverproperty('EngineEdition')) as edition" {
        return Ok(integer("edition", i64::from(options.engine_edition)));
    }
    if select.contains(" from INFORMATION_SCHEMA.COLUMNS where TABLE_SCHEMA = 'dbo' ") {
        return Ok(columns(data));
    }
    if select.contains(" join sys.index_columns k on ") {
        let indexed = if options.has_index { data.tables.as_slice() } else { &[] };
        let rows = indexed.iter().map(|table| vec![Cell::Text(table.name.clone())]);
        return Ok(answer_of(&["name"], Box::new(rows)));
    }
    if select.contains(" from sys.masked_columns c ") {
        let rows = options.masked.iter().map(|(table, column)| {
            [table.as_str(), column, &options.user].map(|text| Cell::Text(text.to_owned())).to_vec()
        });
        return Ok(answer_of(
            &["name", "column_name", "reader"],
            Box::new(rows.collect::<Vec<_>>().into_iter()),
        ));
    }
    if let Some(number) = select.strip_prefix("select ").and_then(|rest| rest.strip_suffix(" as batch")) {
        return number.parse().map(|number| integer("batch", number)).map_err(|_| syntax(select));
    }
    let (list, rest) = select
        .strip_prefix("select ")
        .and_then(|rest| rest.split_once(" from dbo."))
        .ok_or_else(|| syntax(select))?;
    let (name, condition) = rest.split_once(" where ").unwrap_or((rest, ""));
    let name = unquoted(name).ok_or_else(|| syntax(select))?;
    let table = data
        .tables
        .iter()
        .find(|table| table.name == name)
        .ok_or_else(|| Refused(208, format!("Invalid object name 'dbo.{name}'.")))?;
    if list.starts_with("top (5) convert(nvarchar(60), ") {
        return without_id(table, condition).ok_or_else(|| syntax(select));
    }
    let (ids, mut rows) = selected(table, condition).ok_or_else(|| syntax(select))?;
    if options.reversed {
        rows.reverse();
    }
    let count = options.claimed_rows.unwrap_or_else(|| i64::try_from(rows.len()).unwrap());
    let mut answer = if list == "count_big(*) as n" {
        integer("n", count)
    } else if let Some(expression) =
        list.strip_prefix("count_big(*) as n, max(").and_then(|rest| rest.strip_suffix(") as newest"))
    {
        extent(table, expression, &rows, count)?
    } else if list.starts_with("min(") && list.ends_with(", count_big(*) as n") {
        bounds(table, i64::try_from(rows.len()).unwrap())
    } else if let Some(list) = list.strip_prefix("top (0) ") {
        project(table, list, Vec::new())?
    } else {
        project(table, list, rows)?
    };
    (answer.table, answer.ids) = (&table.name, ids);
    Ok(answer)
}

/// `<attempt> between <low> and <high>[ and <attempt> in (<ids>)]`, or nothing.
fn selected(table: &Table, condition: &str) -> Option<(Vec<i64>, Vec<usize>)> {
    if condition.is_empty() {
        return Some((Vec::new(), (0..table.rows.len()).collect()));
    }
    let (attempt, rest) = condition.split_once(" between ")?;
    let (low, rest) = rest.split_once(" and ")?;
    let Some((high, list)) = rest.split_once(&format!(" and {attempt} in (")) else {
        return Some((Vec::new(), table.between(low.parse().ok()?, rest.parse().ok()?)));
    };
    let (low, high): (i64, i64) = (low.parse().ok()?, high.parse().ok()?);
    let ids: Vec<i64> =
        list.strip_suffix(')')?.split(',').map(|id| id.parse().ok()).collect::<Option<_>>()?;
    let rows =
        ids.iter().filter(|id| (low..=high).contains(id)).flat_map(|id| table.between(*id, *id)).collect();
    Some((ids, rows))
}

/// How a column is asked for.
enum Expression {
    Null,
    Column(usize),
    Unicode(usize),
    Utf16(usize),
    ExactMoney(usize),
}

fn project<'a>(table: &'a Table, list: &str, rows: Vec<usize>) -> Result<Answer<'a>, Refused> {
    let mut columns = Vec::new();
    let mut expressions = Vec::new();
    for item in items(list) {
        let (expression, alias) = item.rsplit_once(" as ").ok_or_else(|| syntax(list))?;
        let (expression, kind) = expression_of(table, expression)?;
        columns.push((alias.to_owned(), kind));
        expressions.push(expression);
    }
    let rows = rows.into_iter().map(move |n| {
        expressions.iter().map(|expression| evaluate(expression, &table.rows[n])).collect::<Vec<_>>()
    });
    Ok(Answer { columns, rows: Box::new(rows), table: "", ids: Vec::new() })
}

/// Splits at commas outside parentheses.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(list[start..].trim());
    items
}

fn expression_of(table: &Table, text: &str) -> Result<(Expression, Type), Refused> {
    let column = |name: &str| {
        let name = unquoted(name).ok_or_else(|| syntax(text))?;
        table.column(&name).ok_or_else(|| Refused(207, format!("Invalid column name '{name}'.")))
    };
    let inner =
        |prefix: &str, suffix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
    Ok(if text == "null" {
        (Expression::Null, Type::Int)
    } else if let Some(name) = inner("convert(nvarchar(60), ", ")") {
        (Expression::Unicode(column(name)?), Type::NVarChar(60))
    } else if let Some(name) = inner("convert(nvarchar(max), ", ")") {
        (Expression::Unicode(column(name)?), Type::NVarCharMax)
    } else if let Some(name) = inner("convert(varbinary(max), convert(nvarchar(max), ", "))") {
        (Expression::Utf16(column(name)?), Type::VarBinaryMax)
    } else if let Some(name) = inner("convert(decimal(19, 4), ", ")") {
        (Expression::ExactMoney(column(name)?), Type::Decimal(19, 4))
    } else {
        let column = column(text)?;
        (Expression::Column(column), table.columns[column].1)
    })
}

fn evaluate(expression: &Expression, row: &[Cell]) -> Cell {
    match expression {
        Expression::Null => Cell::Null,
        Expression::Column(n) | Expression::Unicode(n) | Expression::ExactMoney(n) => row[*n].clone(),
        Expression::Utf16(n) if row[*n] == Cell::Null => Cell::Null,
        Expression::Utf16(n) => Cell::Bytes(units(&row[*n])),
    }
}

/// Rows whose attempt id is none, by the conditions that the statement names and no others: the first five, each with
/// the number of all.
fn without_id<'a>(table: &'a Table, condition: &str) -> Option<Answer<'a>> {
    let at = table.columns.iter().position(|(name, _)| name.eq_ignore_ascii_case("AttemptId")).unwrap();
    let (name, kind) = &table.columns[at];
    let tests = condition.split(" or ").map(|test| Invalid::parse(test, name)).collect::<Option<Vec<_>>>()?;
    let rows: Vec<&Cell> = table
        .rows
        .iter()
        .map(|row| &row[at])
        .filter(|cell| tests.iter().any(|test| test.holds(*kind, cell)))
        .collect();
    let count = Cell::Int(i64::try_from(rows.len()).unwrap());
    let rows = rows.into_iter().take(5).map(move |cell| {
        let id = match cell {
            Cell::Null | Cell::Text(_) => cell.clone(),
            Cell::Int(number) => Cell::Text(number.to_string()),
            Cell::Float(number) => Cell::Text(number.to_string()),
            other => Cell::Text(format!("{other:?}")),
        };
        vec![id, count.clone()]
    });
    Some(Answer {
        columns: vec![("id".to_owned(), Type::NVarChar(60)), ("n".to_owned(), Type::BigInt)],
        rows: Box::new(rows),
        table: &table.name,
        ids: Vec::new(),
    })
}

/// A condition under which an id is none.
#[derive(Clone, Copy)]
enum Invalid {
    Null,
    BelowOne,
    AboveInt,
    Fraction,
    OtherThanDigits,
}

impl Invalid {
    fn parse(test: &str, name: &str) -> Option<Self> {
        let name = format!("[{name}]");
        if test == format!("{name} <> floor({name})") {
            return Some(Self::Fraction);
        }
        if test == format!("{name} collate Latin1_General_BIN2 like '%[^0-9. ]%'") {
            return Some(Self::OtherThanDigits);
        }
        let (number, invalid) =
            [(" is null", Self::Null), (" < 1", Self::BelowOne), (" > 2147483647", Self::AboveInt)]
                .into_iter()
                .find_map(|(suffix, invalid)| Some((test.strip_suffix(suffix)?, invalid)))?;
        (number == name || number.starts_with(&format!("try_convert(int, case when {name} like ")))
            .then_some(invalid)
    }

    fn holds(self, kind: Type, cell: &Cell) -> bool {
        let number = number(kind, cell);
        match self {
            Self::Null => number.is_none(),
            Self::BelowOne => number.is_some_and(|number| number < 1.0),
            Self::AboveInt => number.is_some_and(|number| number > f64::from(i32::MAX)),
            Self::Fraction => number.is_some_and(|number| number.fract() != 0.0),
            Self::OtherThanDigits => {
                matches!(cell, Cell::Text(text) if text.contains(|c: char| !c.is_ascii_digit() && c != '.' && c != ' '))
            }
        }
    }
}

/// The value of an id for comparisons.
#[expect(clippy::cast_precision_loss, reason = "an id of the tests is small")]
fn number(kind: Type, cell: &Cell) -> Option<f64> {
    match (kind, cell) {
        (_, Cell::Float(number)) => Some(*number),
        (Type::Decimal(_, scale), Cell::Decimal(number)) => Some(*number as f64 / 10_f64.powi(scale.into())),
        _ => whole_number(kind, cell).map(|id| id as f64),
    }
}

fn columns(data: &Data) -> Answer<'_> {
    let rows = data.tables.iter().flat_map(|table| {
        table.columns.iter().map(|(name, kind)| {
            [&table.name, name, kind.name()].map(|text| Cell::Text(text.to_owned())).to_vec()
        })
    });
    answer_of(&["TABLE_NAME", "COLUMN_NAME", "DATA_TYPE"], Box::new(rows))
}

/// The number of rows and the largest value of a column of dates or of text.
fn extent<'a>(table: &'a Table, column: &str, rows: &[usize], count: i64) -> Result<Answer<'a>, Refused> {
    let (expression, kind) = expression_of(table, column)?;
    let largest =
        rows.iter().map(|row| evaluate(&expression, &table.rows[*row])).fold(Cell::Null, |most, cell| {
            let is_larger = match (&most, &cell) {
                (Cell::Null, _) => true,
                (Cell::Local(most), Cell::Local(cell)) => most < cell,
                (Cell::Instant(most), Cell::Instant(cell)) => most < cell,
                (Cell::Text(most), Cell::Text(cell)) => most < cell,
                _ => false,
            };
            if is_larger { cell } else { most }
        });
    Ok(Answer {
        columns: vec![("n".to_owned(), Type::BigInt), ("newest".to_owned(), kind)],
        rows: Box::new(std::iter::once(vec![Cell::Int(count), largest])),
        table: "",
        ids: Vec::new(),
    })
}

fn bounds(table: &Table, rows: i64) -> Answer<'_> {
    let (low, high) =
        table.bounds().map_or((Cell::Null, Cell::Null), |(low, high)| (Cell::Int(low), Cell::Int(high)));
    Answer {
        columns: ["lo", "hi", "n"].map(|name| (name.to_owned(), Type::BigInt)).to_vec(),
        rows: Box::new(std::iter::once(vec![low, high, Cell::Int(rows)])),
        table: "",
        ids: Vec::new(),
    }
}

fn integer<'a>(name: &str, number: i64) -> Answer<'a> {
    Answer {
        columns: vec![(name.to_owned(), Type::BigInt)],
        rows: Box::new(std::iter::once(vec![Cell::Int(number)])),
        table: "",
        ids: Vec::new(),
    }
}

fn answer_of<'a>(names: &[&str], rows: Box<dyn Iterator<Item = Vec<Cell>> + Send + 'a>) -> Answer<'a> {
    let columns = names.iter().map(|name| ((*name).to_owned(), Type::NVarChar(128))).collect();
    Answer { columns, rows, table: "", ids: Vec::new() }
}

fn unquoted(name: &str) -> Option<String> {
    Some(name.strip_prefix('[')?.strip_suffix(']')?.replace("]]", "]"))
}

fn syntax(near: &str) -> Refused {
    let near: String = near.chars().take(60).collect();
    Refused(102, format!("Incorrect syntax near '{near}'."))
}
