//! Plain tables: columns as wide as their widest cell, numbers to the right.

/// How a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text: padded on the right.
    Left,
    /// Numbers: padded on the left.
    Right,
}

/// A table of texts.
#[derive(Debug, Clone)]
pub struct Grid<const N: usize> {
    align: [Align; N],
    head: [String; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Grid<N> {
    /// A table with these headings.
    pub fn new(columns: [(&str, Align); N]) -> Self {
        Self {
            align: columns.map(|(_, align)| align),
            head: columns.map(|(head, _)| head.to_owned()),
            rows: Vec::new(),
        }
    }

    /// Adds a row below the others.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The table as text: the heading, a rule, the rows; no line ends in a blank.
    pub fn render(&self) -> String {
        let mut widths = [0; N];
        for row in self.rows.iter().chain([&self.head]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let rule = widths.map(|width| "─".repeat(width));
        let lines = [&self.head, &rule].into_iter().chain(&self.rows);
        lines.map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String; N], widths: &[usize; N]) -> String {
        let cells = row.iter().zip(widths).zip(&self.align).map(|((cell, width), align)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

/// A count with separated thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that leaves one to four digits before the point.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut tenths, mut unit) = (u128::from(number) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

/// Tenths of a per cent, half a tenth rounded up, but 1000 only if `part` is all of `whole`.
pub fn permille(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 1000;
    }
    let rounded = (u128::from(part) * 2000 + u128::from(whole)) / (u128::from(whole) * 2);
    let most = if part < whole { 999 } else { 1000 };
    u64::try_from(rounded).map_or(most, |permille| permille.min(most))
}

/// [`permille`] as people read it.
pub fn percent(permille: u64) -> String {
    format!("{}.{}%", permille / 10, permille % 10)
}

/// Rows per second, 0 if no time has passed.
pub fn per_second(rows: u64, time: std::time::Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { rows_f64(rows) / seconds } else { 0.0 }
}

/// A number of rows to calculate with.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 rows a rate may be off in its last digit")]
pub fn rows_f64(rows: u64) -> f64 {
    rows as f64
}

/// A time span as people say it: `42s`, `3m 07s`, `2h 05m`, `3d 04h`.
pub fn span(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut grid = Grid::new([("code", Align::Left), ("rows", Align::Right), ("what", Align::Left)]);
        grid.row(["é".into(), "12,345".into(), String::new()]);
        grid.row(["long_code".into(), "1".into(), "x".into()]);
        assert_eq!(
            grid.render(),
            "code         rows  what\n─────────  ──────  ────\né          12,345\nlong_code       1  x\n"
        );
    }

    #[test]
    fn figures_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [(0, 8), (5, 300), (1, 2), (1, 800), (1, 801), (29_999, 30_000), (3, 3), (0, 0)]
                .map(|(part, whole)| percent(permille(part, whole))),
            ["0.0%", "1.7%", "50.0%", "0.1%", "0.1%", "99.9%", "100.0%", "100.0%"]
        );
        assert_eq!(
            [0, 1023, 1024, 1536, 1_073_741_823, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 MiB", "16383.9 PiB"]
        );
        assert_eq!(
            [59, 187, 7500, 273_600].map(|s| span(Duration::from_secs(s))),
            ["59s", "3m 07s", "2h 05m", "3d 04h"]
        );
    }
}
