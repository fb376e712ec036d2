//! The line that runs shards again, as it is typed.

use std::path::Path;

use crate::{
    domain::{ShardIndex, shard_list},
    run::{Plan, RunName, names},
    settings::HelmRelease,
};

/// How this run's shards are run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// With the program itself and the run store's location.
    ByHand {
        /// The run store.
        run_store: String,
        /// [`away_from_inputs`].
        flags: String,
    },
    /// By the chart: an additional Job, with a finalizer of its own.
    Helm(HelmRelease),
}

impl Rerun {
    /// With the Helm release, if there is one.
    pub fn of(release: Option<&HelmRelease>, run_store: &str, flags: &str) -> Self {
        let by_hand = || Self::ByHand { run_store: run_store.to_owned(), flags: flags.to_owned() };
        release.cloned().map_or_else(by_hand, Self::Helm)
    }

    /// The line that runs these shards of `run` again, and finalizes.
    pub fn command(&self, run: &RunName, shards: &[ShardIndex]) -> String {
        match self {
            Self::ByHand { run_store, flags } => by_hand("resume", run, run_store) + flags,
            Self::Helm(release) => upgrade(release, shards, ""),
        }
    }

    /// The line that moves the rows of these shards again that the target lost, and finalizes.
    pub fn redo(&self, run: &RunName, shards: &[ShardIndex]) -> String {
        match self {
            Self::ByHand { run_store, flags } => {
                by_hand("resume --redo lost --reason '<why>'", run, run_store) + flags
            }
            Self::Helm(release) => {
                let prefix = &release.values_prefix;
                let more =
                    format!(" --set {prefix}shards.redo=lost --set-literal {prefix}shards.reason='<why>'");
                upgrade(release, shards, &more)
            }
        }
    }
}

fn upgrade(release: &HelmRelease, shards: &[ShardIndex], more: &str) -> String {
    let HelmRelease { name, namespace, chart, values_prefix } = release;
    format!(
        "helm upgrade {} {} --namespace {} --reset-then-reuse-values{more} --set-literal {values_prefix}shards.only={}",
        quoted(name),
        quoted(chart),
        quoted(namespace),
        shard_list(shards)
    )
}

/// The line that changes one value of the release.
pub fn release_with(release: &HelmRelease, value: &str) -> String {
    let HelmRelease { name, namespace, chart, values_prefix } = release;
    format!(
        "helm upgrade {} {} --namespace {} --reset-then-reuse-values --set {values_prefix}{value}",
        quoted(name),
        quoted(chart),
        quoted(namespace)
    )
}

/// The line that does something with `run` from wherever the run store can be reached.
pub fn by_hand(command: &str, run: &RunName, run_store: &str) -> String {
    format!("rogo-migrate {command} --run {run} --run-store {}", quoted(run_store))
}

/// The flags with which a command finds the inputs of a run of a failure CSV and puts its results elsewhere; empty if no
/// input has the name of a result. `out` is the run's folder of results.
pub fn away_from_inputs(plan: &Plan, out: &Path) -> String {
    if !is_of_results(plan) {
        return String::new();
    }
    let mut flags = format!(" --submissions {}", quoted(&plan.submissions.location));
    if is_result(&plan.mapping.location) {
        flags = flags + " --mapping " + &quoted(&plan.mapping.location);
    }
    flags + " --out " + &quoted(&out.display().to_string())
}

/// The line that copies the results, into a folder in which they land on no input.
pub fn fetch(plan: &Plan, run_store: &str) -> String {
    let to = if is_of_results(plan) { plan.run.as_str() } else { "." };
    by_hand("results", &plan.run, run_store) + " --to " + to
}

fn is_of_results(plan: &Plan) -> bool {
    [&plan.submissions, &plan.mapping].iter().any(|input| is_result(&input.location))
}

fn is_result(location: &str) -> bool {
    names::RESULTS.contains(&location.rsplit('/').next().unwrap_or_default())
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
            Rerun::of(Some(&release("oci://a.example/charts/rogo-migrate")), "", "")
                .command(&RunName::default(), &shards),
            "helm upgrade r oci://a.example/charts/rogo-migrate --namespace ns --reset-then-reuse-values \
             --set-literal shards.only=3,7-9"
        );
        let subchart = HelmRelease { values_prefix: "mover.".into(), ..release("parent") };
        let line = Rerun::of(Some(&subchart), "", "").command(&RunName::default(), &shards);
        assert!(line.ends_with(" --set-literal mover.shards.only=3,7-9"), "{line}");
        assert_eq!(
            Rerun::of(Some(&subchart), "", "").redo(&RunName::default(), &[ShardIndex(3)]),
            "helm upgrade r parent --namespace ns --reset-then-reuse-values --set mover.shards.redo=lost \
             --set-literal mover.shards.reason='<why>' --set-literal mover.shards.only=3"
        );
        let odd = Rerun::of(Some(&release("/home/o'neil/my charts")), "", "");
        assert!(
            odd.command(&RunName::default(), &shards).contains(r" '/home/o'\''neil/my charts' --namespace")
        );
        assert_eq!(
            Rerun::of(None, "file:///my runs", " --out second").command(&RunName::default(), &shards),
            "rogo-migrate resume --run rogo --run-store 'file:///my runs' --out second"
        );
    }
}
