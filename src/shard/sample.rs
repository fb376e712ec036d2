//! Figures of the process itself, once a second.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    ports::processors,
    report::events::{Sample, now},
};

/// One tick of the processor times that Linux shows: its clock has had 100 a second on all platforms for twenty years.
const TICK: Duration = Duration::from_millis(10);

/// Measures what the process uses between two samples.
pub(super) struct Sampler {
    cores: usize,
    last: (Instant, Option<Duration>),
}

impl Sampler {
    /// The first sample is of the time from now on.
    pub(super) fn begin() -> Self {
        Self { cores: processors(), last: (now(), cpu()) }
    }

    /// What was used since the last sample; without cores if it cannot be known.
    pub(super) fn sample(&mut self) -> Sample {
        let now = (now(), cpu());
        let (before, used_before) = std::mem::replace(&mut self.last, now);
        let took = now.0.saturating_duration_since(before);
        match (used_before, now.1) {
            (Some(before), Some(used)) => {
                Sample { took, cpu: used.saturating_sub(before), cores: self.cores }
            }
            _ => Sample { took, ..Sample::default() },
        }
    }
}

/// Processor time of this process since it began; `None` where the system does not say.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |field: usize| fields.split_whitespace().nth(field)?.parse::<u32>().ok();
    // Fields 14 and 15 of proc(5), utime and stime; the first two are cut off.
    Some(TICK * ticks(11)?.checked_add(ticks(12)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::events::since;

    #[test]
    fn work_of_this_process_is_seen() {
        let mut sampler = Sampler::begin();
        let began = now();
        // Until it had two ticks of a core: on a busy machine that takes its time.
        let used_before = cpu().unwrap();
        while cpu().unwrap() < used_before + 2 * TICK {
            assert!(since(began) < Duration::from_mins(1), "no work is seen");
        }
        let worked = since(began);
        let sample = sampler.sample();
        assert!(sample.cpu >= 2 * TICK && sample.cores >= 1, "{sample:?}");
        assert!(sample.took >= worked, "{sample:?}");
    }
}
