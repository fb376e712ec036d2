//! Below the verdict: each shard's rows and state, and each Job.

use chrono::{DateTime, Utc};

use super::{Facts, is_alive, is_stopped, last_sign};
use crate::{
    domain::ShardIndex,
    ports::{JobEnd, RunJob},
    report::{
        grid::{count, rows_f64, span},
        limits::of_shards,
        standing::{Rows, RunState, ShardPhase, ShardStanding, Verified, Verifying},
    },
    run::{
        Heartbeat, Limit, Plan, Summary, Verification,
        clocks::{is_ahead, may_be_at_work},
        verifying::UnderWay,
    },
};

/// Every shard of the plan, in order.
pub(super) fn shards(plan: &Plan, facts: &Facts) -> Vec<ShardStanding> {
    let planned = (0..).map(ShardIndex).zip(&plan.shards);
    planned.map(|(shard, planned)| standing_of(shard, planned.rows, facts)).collect()
}

/// The rows of all shards and, if they are the books of its last result, when that was made. Done markers stand from before
/// rows were lost, accepted or rolled back, so that a result with every row outweighs them.
pub(super) fn rows(facts: &Facts, shards: &[ShardStanding]) -> (Rows, Option<DateTime<Utc>>) {
    let counted = shards.iter().fold(Rows::default(), |sum, ShardStanding { rows, .. }| Rows {
        total: sum.total + rows.total,
        migrated: sum.migrated + rows.migrated,
        failed: sum.failed + rows.failed,
        skipped: sum.skipped + rows.skipped,
        lost: 0,
    });
    let result = facts.plan.as_ref().zip(facts.summary.as_ref());
    let Some((plan, summary)) = result.filter(|(plan, summary)| summary.plan == plan.id) else {
        return (counted, None);
    };
    if summary.missing.rows == 0 || summary.at > last_sign(plan, facts) {
        return (Rows::of(summary), Some(summary.at));
    }
    // Which rows were lost, the shards do not say: until the next result none of them is back.
    let lost = summary.lost.rows.min(counted.migrated);
    (Rows { migrated: counted.migrated - lost, lost, ..counted }, None)
}

fn standing_of(shard: ShardIndex, total: u64, facts: &Facts) -> ShardStanding {
    let marker = facts.done.get(&shard);
    let beat = facts.beats.get(&shard);
    let known = [beat.map(|beat| &beat.books), facts.recorded.get(&shard)];
    let most = known.into_iter().flatten().max_by_key(|books| books.rows());
    let books = marker.map(|marker| &marker.books).or(most);
    let rows = books.map_or(Rows { total, ..Rows::default() }, |books| Rows {
        total,
        migrated: books.migrated,
        failed: books.rows_failed(),
        skipped: books.rows_skipped(),
        lost: 0,
    });
    let (phase, state, rows_per_second) = match (marker, beat) {
        (Some(_), _) => (ShardPhase::Done, "done".to_owned(), 0.0),
        (None, Some(beat)) => life(beat, facts.at),
        (None, None) if books.is_some() => (ShardPhase::Silent, "no heartbeat".to_owned(), 0.0),
        (None, None) => (ShardPhase::NotBegun, "not begun".to_owned(), 0.0),
    };
    ShardStanding { shard, rows, done: marker.is_some(), phase, state, rows_per_second }
}

fn life(beat: &Heartbeat, at: DateTime<Utc>) -> (ShardPhase, String, f64) {
    let silence = at - beat.at;
    let silent_for = span(silence.to_std().unwrap_or_default());
    if is_stopped(beat) {
        (ShardPhase::EndedEarly, beat.state.to_string(), 0.0)
    } else if is_alive(beat, at) {
        (ShardPhase::AtWork, beat.state.to_string(), beat.rows_per_second)
    } else if is_ahead(beat.at, at) {
        let ahead = span((-silence).to_std().unwrap_or_default());
        (ShardPhase::Silent, format!("unknown: its heartbeat is of a clock that is {ahead} ahead"), 0.0)
    } else if may_be_at_work(beat.at, at) {
        (ShardPhase::Silent, format!("no heartbeat for {silent_for}"), 0.0)
    } else {
        (ShardPhase::Silent, format!("stalled (no heartbeat for {silent_for})"), 0.0)
    }
}

/// What limits a run that is under way, or limited one that has a result.
pub(super) fn limits(facts: &Facts, state: RunState) -> Vec<Limit> {
    let Some(plan) = &facts.plan else { return Vec::new() };
    if let (RunState::Complete | RunState::Incomplete, Some(summary)) = (state, &facts.summary) {
        return summary.limits.clone();
    }
    let alive = facts.beats.values().filter(|beat| is_alive(beat, facts.at));
    of_shards(alive.filter_map(|beat| {
        let rows = plan.shard(beat.shard)?.rows;
        Some((beat.shard, rows, &beat.work))
    }))
}

/// Rates added up. Not `sum`, which makes -0.0 of no rates, and status prints that.
pub(super) fn sum_of_rates(rates: impl Iterator<Item = f64>) -> f64 {
    rates.fold(0.0, |sum, rate| sum + rate)
}

/// Seconds left; `None` where nothing moves or nothing is left.
pub(super) fn eta_s(rows: Rows, rows_per_second: f64) -> Option<u64> {
    let left = rows.total.saturating_sub(rows.done());
    if left == 0 || rows_per_second <= 0.0 {
        return None;
    }
    std::time::Duration::try_from_secs_f64(rows_f64(left) / rows_per_second).ok().map(|left| left.as_secs())
}

/// A verification that is not over.
pub(super) fn verifying(under_way: &UnderWay) -> Verifying {
    let UnderWay { subject, rows_written, beats, .. } = under_way;
    let unwritten: u64 = beats.iter().map(|beat| beat.rows_unwritten).sum();
    let rows_done = (rows_written + unwritten).min(subject.rows);
    let rows_per_second = sum_of_rates(beats.iter().map(|beat| beat.rows_per_second));
    let so_far = Rows { total: subject.rows, migrated: rows_done, ..Rows::default() };
    Verifying {
        level: subject.level,
        rows: subject.rows,
        rows_done,
        rows_per_second,
        eta_s: eta_s(so_far, rows_per_second),
        processes: beats
            .iter()
            .map(|beat| {
                format!("part {} on {}: {} rows, {}", beat.shard, beat.host, count(beat.rows), beat.state)
            })
            .collect(),
    }
}

/// The result of a verification.
pub(super) fn verified(verification: &Verification, summary: Option<&Summary>) -> Verified {
    let verdict = verification.verdict_beside(summary);
    let of_these_results = summary.is_none_or(|summary| verification.covers(summary));
    Verified { result: verification.result, verdict, of_these_results, at: verification.at }
}

/// A Job in a line: its end or its pods, and what keeps them from starting.
pub(super) fn job_line(job: &RunJob) -> String {
    let RunJob { name, component, state, .. } = job;
    let what = match &state.end {
        Some(JobEnd::Complete) => "complete".to_owned(),
        Some(JobEnd::Failed(words)) => format!("failed: {words}"),
        None if state.suspended => "suspended".to_owned(),
        None => format!("{} active, {} ready", state.active, state.ready),
    };
    // Of an additional Job they are places in its list, not shards.
    let failed = match state.failed_indexes.as_str() {
        indexes if component == "shards" && !indexes.is_empty() => format!("; shards failed: {indexes}"),
        _ => String::new(),
    };
    let waits = job.obstacles.first().map_or_else(String::new, |obstacle| {
        let pod = obstacle.pod.as_ref().map_or_else(String::new, |pod| format!(" of pod {pod}"));
        format!("; {}{pod}: {}", obstacle.kind.name(), obstacle.what)
    });
    format!("Job {name}: {what}; {} of {} succeeded{failed}{waits}", state.succeeded, state.completions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Level,
        run::verifying::{Subject, VerifyBeat},
    };

    #[test]
    fn a_verification_under_way_says_how_far_it_is_and_how_long_it_still_takes() {
        let subject = Subject {
            plan: "0123456789ab".parse().unwrap(),
            result: String::new(),
            rows: 1_000,
            level: Level::Rows,
            content: String::new(),
            settings: Vec::new(),
            lacks: Vec::new(),
            program: String::new(),
            job: String::new(),
        };
        let beat = |shard: &str, rows, rows_unwritten| VerifyBeat {
            shard: shard.to_owned(),
            host: "node-1".to_owned(),
            at: DateTime::UNIX_EPOCH,
            rows,
            rows_unwritten,
            rows_per_second: 20.0,
            state: "comparing rows".to_owned(),
        };
        let told = |rows_written, beats| {
            let subject = subject.clone();
            let told = verifying(&UnderWay { subject, rows_written, beats, signed_at: None });
            (told.rows_done, told.eta_s, told.processes)
        };
        // Rows of partitions that are not written yet count; both processes go on at 20 rows a second.
        let (done, eta_s, processes) = told(150, vec![beat("0/2", 130, 30), beat("1/2", 70, 20)]);
        assert_eq!((done, eta_s), (200, Some(20)));
        assert_eq!(processes[0], "part 0/2 on node-1: 130 rows, comparing rows");
        assert_eq!(told(150, Vec::new()), (150, None, Vec::new()), "no process is at work");
        assert_eq!(told(1_000, vec![beat("0/1", 1_000, 50)]).1, None, "nothing is left");
    }
}
