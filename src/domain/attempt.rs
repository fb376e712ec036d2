//! An attempt: the identity of one submission in the old system, and the ids that are derived from it.

use std::{fmt, num::NonZeroI32, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::text;

/// This project's namespace for every identifier that is derived from an attempt (UUIDv5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_0c1e_98f3_5d5b_9e0b_52d0_8a1a_7c41);

/// An attempt id of the old system: 1…2147483647, compared as a number everywhere. An `Option` of it is no larger: a plan holds
/// one for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct AttemptId(NonZeroI32);

/// The text is not an attempt id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number from 1 to 2147483647")]
pub struct InvalidAttemptId;

impl AttemptId {
    /// The number as SQL Server and the queue files hold it.
    pub fn get(self) -> i32 {
        self.0.get()
    }

    /// The id in a column of numbers, as exports and text columns of the warehouse hold it: `987`, `00987` and
    /// `987.00` are one. An Attempt ID of `submission_files.csv` is digits only ([`FromStr`]).
    pub fn from_number(text: &str) -> Result<Self, InvalidAttemptId> {
        match text.split_once('.') {
            Some((whole, fraction)) if is_zero_fraction(fraction) => whole.parse(),
            _ => text.parse(),
        }
    }
}

fn is_zero_fraction(fraction: &str) -> bool {
    let digits = text::trim(fraction);
    !digits.is_empty() && digits.bytes().all(|digit| digit == b'0')
}

impl TryFrom<i32> for AttemptId {
    type Error = InvalidAttemptId;

    fn try_from(number: i32) -> Result<Self, InvalidAttemptId> {
        NonZeroI32::new(number).filter(|number| number.is_positive()).map(Self).ok_or(InvalidAttemptId)
    }
}

impl From<AttemptId> for i32 {
    fn from(attempt: AttemptId) -> Self {
        attempt.0.get()
    }
}

impl FromStr for AttemptId {
    type Err = InvalidAttemptId;

    /// Accepts digits only, surrounded by blanks of any kind.
    fn from_str(cell: &str) -> Result<Self, InvalidAttemptId> {
        let digits = text::trim(cell);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidAttemptId);
        }
        digits.parse::<i32>().map_err(|_| InvalidAttemptId)?.try_into()
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identifiers of one migrated submission: the same for the same attempt of the same
/// LMS instance, in every process and every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmissionIds {
    attempt: AttemptId,
    root: Uuid,
}

impl SubmissionIds {
    /// `lms_instance` is the LMS instance's guid as configured; its letter case does not matter.
    pub fn new(lms_instance: &str, attempt: AttemptId) -> Self {
        let name = format!("{}/{attempt}", lms_instance.to_lowercase());
        Self { attempt, root: Uuid::new_v5(&NAMESPACE, name.as_bytes()) }
    }

    /// The identifiers behind a launch id that this program wrote; `None` for another program's.
    pub fn of_launch_id(launch_id: &str) -> Option<Self> {
        let root = Uuid::parse_str(launch_id.rsplit_once('_')?.1).ok()?;
        let ids = Self { attempt: attempt_of_launch_id(launch_id)?, root };
        (root.get_version_num() == 5 && ids.launch_id() == launch_id).then_some(ids)
    }

    /// The attempt that the ids are derived from.
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// `rogo_<attempt>_<32 hex>`: unique in the target, the guard against a second migration.
    pub fn launch_id(&self) -> String {
        format!("rogo_{}_{}", self.attempt, self.root.simple())
    }

    /// The id of row `n` (from 1) that this submission adds to `table`.
    pub fn row(&self, table: &str, n: usize) -> String {
        Uuid::new_v5(&self.root, format!("{table}/{n}").as_bytes()).to_string()
    }
}

/// The id of the enforcement row for one lms user, assessment code and context.
pub fn enforcement_id(lms_user_id: &str, assessment_code: &str, context_id: &str) -> String {
    let name = format!("malpractice_enforcements/{lms_user_id}\n{assessment_code}\n{context_id}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// The attempt named by a launch id `rogo_<attempt>_…`, written by this or any other program.
pub fn attempt_of_launch_id(launch_id: &str) -> Option<AttemptId> {
    let (digits, _rest) = launch_id.strip_prefix("rogo_")?.split_once('_')?;
    digits.parse().ok()
}

/// The attempt in a blob's name `<folder>/<writer>/<attempt>_<upload order>_<name>`.
pub fn attempt_of_blob(name: &str) -> Option<AttemptId> {
    name.splitn(3, '/').nth(2)?.split_once('_')?.0.parse().ok()
}

/// Attempt and upload order in a blob's name `<folder>/<writer>/<attempt>_<upload order>_<name>`.
pub fn place_of_blob(name: &str) -> Option<(AttemptId, usize)> {
    let order = name.splitn(3, '/').nth(2)?.split('_').nth(1)?;
    Some((attempt_of_blob(name)?, order.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_in_range_are_an_attempt_id() {
        for (text, expected) in [
            ("987", Some(987)),
            (" 987\t", Some(987)),
            ("\u{feff}987\u{a0}\u{200b}", Some(987)),
            ("9\u{a0}87", None),
            ("0987", Some(987)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("0", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("123abc", None),
            ("1.0", None),
            ("٣", None),
            ("999999999999999999999999999999", None),
        ] {
            assert_eq!(text.parse::<AttemptId>().ok().map(AttemptId::get), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_without_a_fraction_is_the_id() {
        for (text, expected) in [
            ("987", Some(987)),
            (" 00987.00\u{a0}", Some(987)),
            ("987.0", Some(987)),
            ("987.", None),
            ("987.5", None),
            ("987 .0", Some(987)),
            (".0", None),
            ("9.87E2", None),
            ("987.0.0", None),
            ("-987.0", None),
            ("0.0", None),
        ] {
            assert_eq!(AttemptId::from_number(text).ok().map(AttemptId::get), expected, "{text:?}");
        }
    }

    #[test]
    fn a_launch_id_names_its_attempt_exactly() {
        let attempt: AttemptId = "987".parse().unwrap();
        assert_eq!(attempt_of_launch_id(&SubmissionIds::new("X", attempt).launch_id()), Some(attempt));
        assert_eq!(attempt_of_launch_id("rogo_987_1700000000abc"), Some(attempt));
        assert_eq!(attempt_of_launch_id("rogo_9876_x"), "9876".parse().ok());
        assert_eq!(attempt_of_launch_id("rogo_x_987"), None);
        assert_eq!(attempt_of_launch_id("launch_987_x"), None);
    }

    #[test]
    fn only_a_launch_id_of_this_program_gives_its_identifiers_back() {
        let ids = SubmissionIds::new("X", "987".parse().unwrap());
        assert_eq!(SubmissionIds::of_launch_id(&ids.launch_id()), Some(ids));
        for other in ["rogo_987_1700000000abc", "rogo_987_00000000000000000000000000000000", "rogo_987", "x"]
        {
            assert_eq!(SubmissionIds::of_launch_id(other), None, "{other}");
        }
    }

    #[test]
    fn identifiers_depend_on_instance_attempt_and_table_only() {
        let attempt: AttemptId = "987".parse().unwrap();
        let ids = SubmissionIds::new("3F2504E0-4F89-11D3-9A0C-0305E82C3301", attempt);
        assert_eq!(ids, SubmissionIds::new("3f2504e0-4f89-11d3-9a0c-0305e82c3301", attempt));
        assert_ne!(ids.row("submission_files", 1), ids.row("submission_files", 2));
        assert_ne!(ids.row("submission_files", 1), ids.row("submission_grades", 1));
    }
}
