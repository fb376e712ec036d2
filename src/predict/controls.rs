//! `controls.csv`: sums that a person can compare with another count of the same rows.

use std::collections::BTreeMap;

use super::{Tables, decided::MigratingRow};
use crate::ports::Fault;

/// Decimal places that a sum of marks keeps.
const PLACES: usize = 9;

/// Sums by unit version and final grade.
#[derive(Default)]
pub struct Controls(BTreeMap<(String, String), Control>);

#[derive(Default)]
struct Control {
    rows: u64,
    files: u64,
    bytes: u64,
    awarded: Marks,
    possible: Marks,
}

/// An exact sum of decimal numbers, in units of the last place.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Marks(i128);

impl Controls {
    /// Adds a row that is going to be migrated.
    pub fn add(&mut self, place: &(String, String), row: &MigratingRow, files: u64, bytes: u64) {
        if !self.0.contains_key(place) {
            self.0.insert(place.clone(), Control::default());
        }
        let Some(control) = self.0.get_mut(place) else { return };
        control.rows += 1;
        control.files += files;
        control.bytes += bytes;
        control.awarded.add(&row.awarded);
        control.possible.add(&row.possible);
    }

    /// Writes the table, by unit version and grade.
    pub fn write(&self, tables: &mut Tables) -> Result<(), Fault> {
        for ((version, grade), control) in &self.0 {
            tables.controls.row([
                version,
                grade,
                &control.rows.to_string(),
                &control.files.to_string(),
                &control.bytes.to_string(),
                &control.awarded.to_string(),
                &control.possible.to_string(),
            ])?;
        }
        Ok(())
    }
}

impl Marks {
    /// Adds a number in plain digits, as [`crate::domain::Decimal`] writes it; what is beyond [`PLACES`] is cut off.
    fn add(&mut self, number: &str) {
        let (negative, number) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.get(..PLACES).unwrap_or(fraction);
        let units: i128 = format!("{whole}{fraction:0<PLACES$}").parse().unwrap_or(i128::MAX);
        self.0 = self.0.saturating_add(if negative { -units } else { units });
    }
}

impl std::fmt::Display for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = PLACES + 1);
        let (whole, fraction) = digits.split_at(digits.len() - PLACES);
        let sign = if self.0 < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_summed_without_rounding() {
        let mut sum = Marks::default();
        for number in ["0.1", "0.2", "61.5", "-1", "0.000000001"] {
            sum.add(number);
        }
        assert_eq!(sum.to_string(), "60.800000001");
        sum.add("-60.800000001");
        assert_eq!(sum.to_string(), "0");
        sum.add("-0.25");
        assert_eq!(sum.to_string(), "-0.25");
    }
}
