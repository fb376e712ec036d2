//! What the guard says of the target.

use std::time::Duration;

use crate::{
    ports::{LoadSign, TargetLoad},
    run::State,
};

pub(super) fn state(share: f64, because: LoadSign) -> State {
    State::Slowed(format!("target guard, {} of full speed: {because}", per_cent(share)))
}

/// As people read it, in few different words.
fn per_cent(share: f64) -> String {
    let per_cent = share * 100.0;
    if per_cent < 1.0 { format!("{per_cent:.1} %") } else { format!("{:.0} %", per_cent.round()) }
}

/// What was measured, for the log.
pub(super) fn figures(load: Option<&TargetLoad>, slower: Option<f64>) -> Vec<String> {
    let mut figures = Vec::new();
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    if let Some(load) = load {
        figures.push(format!(
            "sessions that wait for a lock: {} ({} of them for this run), the longest for {}",
            load.waiting,
            load.waiting_for_us,
            seconds(load.longest_wait)
        ));
        figures.extend(load.longest_transaction.map(|age| format!("longest transaction: {}", seconds(age))));
        figures.extend(load.replication_lag.map(|lag| format!("replication lag: {}", seconds(lag))));
    }
    figures.extend(slower.map(|slower| format!("commits take {slower:.1} times as long as at best")));
    figures
}

pub(super) fn tell_unmeasured(why: &str) {
    tracing::warn!(
        why,
        "the target guard could not measure how late the target's server wakes up; it goes on with the other signs. If the login of \
         DATABASE_URL lacks the right: grant execute on function pg_sleep(double precision) to it"
    );
}

pub(super) fn tell_hidden(load: &TargetLoad) {
    tracing::warn!(
        sessions = load.hidden_sessions,
        replicas = load.hidden_replicas,
        "the target guard does not see the transactions of other roles' sessions, or the lag of replicas; it goes on with \
         the other signs. To let it see them: grant pg_read_all_stats to the login of DATABASE_URL"
    );
}
