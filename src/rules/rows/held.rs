//! What a column will hold of each type of value that is sent.

use super::{Exact, Moment, Turnitin};
use crate::domain::form::StoredValue;

/// A value that is sent, as its column will hold it.
pub(super) trait WillHold {
    /// The value in the column's own type.
    fn will_hold(&self) -> StoredValue<'_>;
}

impl WillHold for &str {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Text((*self).into())
    }
}

impl WillHold for String {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Text(self.as_str().into())
    }
}

impl WillHold for i32 {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Int(i64::from(*self))
    }
}

impl WillHold for usize {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl WillHold for bool {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Bool(*self)
    }
}

impl WillHold for Moment {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Time(self.0)
    }
}

impl WillHold for Exact<'_> {
    fn will_hold(&self) -> StoredValue<'_> {
        StoredValue::Decimal(self.0)
    }
}

impl WillHold for Turnitin {
    fn will_hold(&self) -> StoredValue<'_> {
        match self {
            Self::Complete => StoredValue::Text("complete".into()),
            Self::ColumnDefault => StoredValue::Null,
        }
    }
}

impl<T: WillHold> WillHold for Option<T> {
    fn will_hold(&self) -> StoredValue<'_> {
        self.as_ref().map_or(StoredValue::Null, T::will_hold)
    }
}
