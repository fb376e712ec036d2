//! When a worker may begin one more row.

use tokio::task::JoinSet;

use super::joined;
use crate::{
    exit::Stop,
    shard::{Shard, in_flight::Turn},
};

/// Waits until one more row, with so many bytes of text, may be under way; `None` if the process stops meanwhile.
pub(super) async fn turn(
    shard: &Shard,
    reaches_copy: bool,
    text_bytes: usize,
    under_way: &mut JoinSet<Result<(), Stop>>,
) -> Result<Option<Turn>, Stop> {
    while let Some(ended) = under_way.try_join_next() {
        joined(shard, ended)?;
    }
    let row = async {
        if reaches_copy {
            shard.breaker.admit().await;
        }
        shard.in_flight.row(text_bytes).await
    };
    tokio::pin!(row);
    let mut turn = None;
    loop {
        if shard.in_flight.rows_of_a_worker().is_none_or(|most| under_way.len() < most)
            && let Some(turn) = turn.take()
        {
            return Ok(Some(turn));
        }
        tokio::select! {
            taken = &mut row, if turn.is_none() => turn = Some(taken),
            Some(ended) = under_way.join_next() => joined(shard, ended)?,
            () = shard.stop.cancelled() => return Ok(None),
        }
    }
}
