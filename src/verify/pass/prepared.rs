//! Some rows with what is expected of them, read once and compared as often as needed.

use std::collections::BTreeSet;

use super::{
    Item, Passed, World,
    chunk::{compare, prepare},
    items,
};
use crate::{
    domain::AttemptId,
    exit::Stop,
    verify::{expect::Expected, findings::Found, surplus::OtherSubmissions},
};

/// Rows that are prepared.
pub struct Prepared(Vec<(Item, Option<Expected>)>);

impl Prepared {
    /// Reads inputs and facts of these attempts.
    pub async fn read(world: &World<'_>, attempts: &BTreeSet<AttemptId>) -> Result<Self, Stop> {
        let mut prepared = Vec::new();
        let mut rows = match world.inputs {
            Some((inputs, _)) => Some(inputs.submissions().await?),
            None => None,
        };
        for bucket in 0..world.outcomes.buckets() {
            let mut items = items(world, bucket, rows.as_mut(), None).await?;
            items.retain(|item| item.attempt.is_some_and(|attempt| attempts.contains(&attempt)));
            if !items.is_empty() {
                let split = world.facts.of_range(bucket).await?;
                prepared.extend(prepare(world, &split, items).await?);
            }
        }
        // A row that a newer one of the attempt replaced was skipped, and is not in question.
        prepared.retain(|(_, expected)| expected.is_some());
        Ok(Self(prepared))
    }

    /// Compares them with what is stored now; hands each difference to `found`.
    pub async fn compare(
        &self,
        world: &World<'_>,
        others: &OtherSubmissions,
        found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<Passed, Stop> {
        let mut passed = Passed::default();
        for one in compare(world, others, self.0.clone()).await? {
            passed.take(world, one, found);
        }
        passed.known.finish();
        passed.failed.finish();
        Ok(passed)
    }
}
