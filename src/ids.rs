//! The names in a run: of the run itself, its plan, its writers and its epochs. Text becomes one of them only by
//! `FromStr`, so that a name that reaches a path, a prefix under which blobs are deleted or a lock is a name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Length of [`PlanId`] and [`WriterId`].
const HEX_DIGITS: usize = 12;
/// Longest [`RunName`] and [`Epoch`].
const RUN_NAME_LETTERS: usize = 30;
const EPOCH_LETTERS: usize = 63;

/// Text that is not a valid name; the message says what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(String);

/// Defines a name: text that its check let in.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as it was parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

name! {
    /// A plan: 12 lower-case hex digits, drawn by chance. The run's lock and its queues are named after it.
    PlanId, hex
}
name! {
    /// A process that may upload and commit: 12 lower-case hex digits, drawn by chance for each process and shard.
    WriterId, hex
}
name! {
    /// The run's name: `[a-z0-9-]{1,30}`.
    RunName, |text: &str| plain(text, RUN_NAME_LETTERS)
}
name! {
    /// One start of a run by the chart: `[a-z0-9-]{1,63}`; `0` outside of the chart.
    Epoch, |text: &str| plain(text, EPOCH_LETTERS)
}

name! {
    /// The span below which a run is traced, as `traceparent` of W3C Trace Context writes it: `00-<32 hex>-<16 hex>-<2 hex>`.
    TraceParent, trace_parent
}

impl Default for RunName {
    /// The name of a run that is given none.
    fn default() -> Self {
        Self("rogo".to_owned())
    }
}

impl PlanId {
    /// An id that no other plan has.
    pub fn fresh() -> Self {
        Self(fresh_hex())
    }
}

impl WriterId {
    /// An id that no other process has.
    pub fn fresh() -> Self {
        Self(fresh_hex())
    }
}

impl Epoch {
    /// The epoch of every process outside of the chart.
    pub fn is_outside_the_chart(&self) -> bool {
        self.0 == "0"
    }
}

fn fresh_hex() -> String {
    let mut hex = uuid::Uuid::new_v4().simple().to_string();
    hex.truncate(HEX_DIGITS);
    hex
}

fn hex(text: &str) -> Result<(), InvalidId> {
    if text.len() == HEX_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(InvalidId(format!("{HEX_DIGITS} digits of 0-9 and a-f are expected")))
}

/// Version 00 only: nothing else is known to be free of personal data.
fn trace_parent(text: &str) -> Result<(), InvalidId> {
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let mut parts = text.split('-');
    let mut next = |digits| parts.next().filter(|part| is_hex(part, digits));
    let (version, trace, span, flags) = (next(2), next(32), next(16), next(2));
    if version == Some("00")
        && trace.is_some_and(is_set)
        && span.is_some_and(is_set)
        && flags.is_some()
        && parts.next().is_none()
    {
        return Ok(());
    }
    Err(InvalidId("00-<32 hex digits>-<16 hex digits>-<2 hex digits> is expected".to_owned()))
}

fn plain(text: &str, longest: usize) -> Result<(), InvalidId> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= longest && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(InvalidId(format!("1 to {longest} characters of a-z, 0-9 and - are expected")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_lower_case_hex_digits_are_an_id() {
        assert_eq!("0123456789ab".parse::<WriterId>().unwrap().as_str(), "0123456789ab");
        for text in [
            "",
            "0123456789a",
            "0123456789abc",
            "0123456789AB",
            "0123456789ag",
            "../0123456789",
            "０123456789",
        ] {
            assert!(text.parse::<WriterId>().is_err(), "{text:?}");
            assert!(text.parse::<PlanId>().is_err(), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<PlanId>(&json).is_err(), "{text:?}: a document lets in no more");
        }
        assert!(WriterId::fresh().as_str().parse::<WriterId>().is_ok());
    }

    #[test]
    fn only_a_trace_context_is_a_trace_parent() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(good.parse::<TraceParent>().unwrap().as_str(), good);
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-mallory",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_run_and_an_epoch_are_plain_words() {
        for text in ["rogo", "a-1", &"x".repeat(30)] {
            assert_eq!(text.parse::<RunName>().unwrap().to_string(), text);
        }
        for text in ["", "Rogo", "a/b", "a.b", "ä", &"x".repeat(31)] {
            assert!(text.parse::<RunName>().is_err(), "{text:?}");
        }
        assert!("x".repeat(63).parse::<Epoch>().is_ok() && "x".repeat(64).parse::<Epoch>().is_err());
    }
}
