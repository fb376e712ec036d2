//! The line that runs shards again, as it is typed.

use std::fmt::Write;

use crate::{domain::ShardIndex, settings::HelmRelease};

/// How this run's shards are run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// By the program itself, told where the run is kept.
    ByHand {
        /// The run store.
        run_store: String,
    },
    /// By the chart: an additional Job, with a finalizer of its own.
    Helm(HelmRelease),
}

impl Rerun {
    /// The way of the release, where there is one.
    pub fn of(release: Option<&HelmRelease>, run_store: &str) -> Self {
        let by_hand = || Self::ByHand { run_store: run_store.to_owned() };
        release.cloned().map_or_else(by_hand, Self::Helm)
    }

    /// The line that runs these shards of `run` again, and finalizes.
    pub fn command(&self, run: &str, shards: &[ShardIndex]) -> String {
        match self {
            Self::ByHand { run_store } => by_hand("resume", run, run_store),
            Self::Helm(HelmRelease { name, namespace, chart, values_prefix }) => format!(
                "helm upgrade {} {} --namespace {} --reset-then-reuse-values --set-literal {}shards.only={}",
                quoted(name),
                quoted(chart),
                quoted(namespace),
                values_prefix,
                list(shards)
            ),
        }
    }
}

/// The line that does something with `run` from wherever the run store can be reached.
pub fn by_hand(command: &str, run: &str, run_store: &str) -> String {
    format!("rogo-migrate {command} --run {run} --run-store {}", quoted(run_store))
}

/// Shards in ascending order, joined: `3,7-9`.
pub fn list(shards: &[ShardIndex]) -> String {
    let mut sorted: Vec<u32> = shards.iter().map(|shard| shard.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for shard in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == shard => *last = shard,
            _ => ranges.push((shard, shard)),
        }
    }
    let mut text = String::new();
    for (first, last) in ranges {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match last - first {
            0 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+=".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_runs_as_it_stands() {
        let release = |chart: &str| HelmRelease {
            name: "r".into(),
            namespace: "ns".into(),
            chart: chart.into(),
            values_prefix: String::new(),
        };
        let shards = [9, 3, 8, 7, 3].map(ShardIndex);
        assert_eq!(
            Rerun::of(Some(&release("oci://a.example/charts/rogo-migrate")), "").command("rogo", &shards),
            "helm upgrade r oci://a.example/charts/rogo-migrate --namespace ns --reset-then-reuse-values \
             --set-literal shards.only=3,7-9"
        );
        let subchart = HelmRelease { values_prefix: "mover.".into(), ..release("parent") };
        let line = Rerun::of(Some(&subchart), "").command("rogo", &shards);
        assert!(line.ends_with(" --set-literal mover.shards.only=3,7-9"), "{line}");
        let odd = Rerun::of(Some(&release("/home/o'neil/my charts")), "");
        assert!(odd.command("rogo", &shards).contains(r" '/home/o'\''neil/my charts' --namespace"));
        assert_eq!(
            Rerun::of(None, "file:///my runs").command("rogo", &shards),
            "rogo-migrate resume --run rogo --run-store 'file:///my runs'"
        );
    }

    #[test]
    fn neighbours_are_joined() {
        let of = |shards: &[u32]| list(&shards.iter().copied().map(ShardIndex).collect::<Vec<_>>());
        assert_eq!(of(&[0]), "0");
        assert_eq!(of(&[0, 1]), "0-1");
        assert_eq!(of(&[5, 1, 2, 4]), "1-2,4-5");
        assert_eq!(of(&[]), "");
    }
}
