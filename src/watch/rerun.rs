//! The lines that are typed next: to run shards again, to merge, to move rows of a result in another run. One place
//! makes them, so that a run of the chart is told Helm's line everywhere.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::{
    domain::{ShardIndex, shard_list},
    report::shell::quoted,
    run::{Plan, RunName, names},
    settings::{AccountSettings, HelmRelease, Place, Settings, StoreSettings},
};

/// Before a line: in which namespace the Jobs of the run are.
pub const IN_NAMESPACE: &str = "ROGO_NAMESPACE='<namespace>'";
/// Before a line: in which cluster, and in which of its namespaces.
pub const IN_CLUSTER: &str = "KUBECONFIG='<file>' ROGO_NAMESPACE='<namespace>'";

/// Where a run is kept, as the flags of every command that looks for it there. Only what is no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whereabouts {
    /// The run store.
    pub run_store: String,
    /// Blob endpoint of the stores, if it is no secret.
    pub account_url: Option<String>,
    /// Where the run is verified, if that is another place.
    pub verify_store: Option<String>,
}

impl From<&Settings> for Whereabouts {
    fn from(settings: &Settings) -> Self {
        Self::of(&settings.run_store, settings.verify_store_elsewhere(), &settings.account)
    }
}

impl From<&StoreSettings> for Whereabouts {
    fn from(settings: &StoreSettings) -> Self {
        Self::of(&settings.run_store, settings.verify_store_elsewhere(), &settings.account)
    }
}

impl Whereabouts {
    fn of(run_store: &Place, verify_store: Option<&Place>, account: &AccountSettings) -> Self {
        let is_in_azure = |place: &Place| matches!(place, Place::Azure { .. });
        let is_needed = is_in_azure(run_store) || verify_store.is_some_and(is_in_azure);
        let account_url = account.account_url.as_ref().filter(|_| is_needed);
        Self {
            run_store: run_store.to_string(),
            account_url: account_url.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            verify_store: verify_store.map(Place::to_string),
        }
    }

    fn flags(&self) -> String {
        let account = self.account_url.as_ref().map(|url| " --account-url ".to_owned() + &quoted(url));
        format!(" --run-store {}{}", quoted(&self.run_store), account.unwrap_or_default())
    }

    /// The flag of commands that read a verification too.
    fn verified(&self) -> String {
        let elsewhere =
            self.verify_store.as_ref().map(|place| " --verify-store ".to_owned() + &quoted(place));
        elsewhere.unwrap_or_default()
    }
}

/// How this run's shards are run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// With the program itself.
    ByHand {
        /// Where the run is.
        at: Whereabouts,
        /// [`away_from_inputs`].
        flags: String,
    },
    /// By the chart: an additional Job, with a finalizer of its own.
    Helm(HelmRelease),
}

impl Rerun {
    /// With the Helm release, if there is one.
    pub fn of(release: Option<&HelmRelease>, at: &Whereabouts, flags: &str) -> Self {
        let by_hand = || Self::ByHand { at: at.clone(), flags: flags.to_owned() };
        release.cloned().map_or_else(by_hand, Self::Helm)
    }

    /// The line that runs these shards of `run` again, and finalizes.
    pub fn command(&self, run: &RunName, shards: &[ShardIndex]) -> String {
        match self {
            Self::ByHand { at, flags } => by_hand("resume", run, at) + flags,
            Self::Helm(release) => upgrade(release, shards, ""),
        }
    }

    /// The line that merges what is recorded, once all shards are done. In a cluster a shard that is done ends at once, and
    /// a finalizer of its own follows.
    pub fn finalize(&self, run: &RunName) -> String {
        match self {
            Self::ByHand { at, flags } => by_hand("finalize", run, at) + flags,
            Self::Helm(release) => upgrade(release, &[ShardIndex(0)], ""),
        }
    }

    /// The line that moves the rows of this failure CSV in a run of another name.
    pub fn failed_rows(&self, failure_csv: &str) -> String {
        match self {
            Self::ByHand { at, .. } => format!(
                "rogo-migrate run --run '<another name>'{} --submissions {} --out '<another folder>'",
                at.flags(),
                quoted(failure_csv)
            ),
            Self::Helm(release) => {
                let prefix = &release.values_prefix;
                let input = format!(" --set-literal {prefix}inputs.submissions={}", quoted(failure_csv));
                release_with(release, &["run='<another name>'"]) + &input
            }
        }
    }

    /// The line that moves the rows of these shards again that the target lost, and finalizes.
    pub fn redo(&self, run: &RunName, shards: &[ShardIndex]) -> String {
        match self {
            Self::ByHand { at, flags } => by_hand("resume --redo lost --reason '<why>'", run, at) + flags,
            Self::Helm(release) => upgrade(release, shards, &redo_values(release)),
        }
    }

    /// The same after a redo that succeeded: Jobs of the same list and reason exist, and stay as they are unless their
    /// number is another one. One of each result, so that the line makes Jobs once.
    pub fn redo_after(&self, result_at: DateTime<Utc>, run: &RunName, shards: &[ShardIndex]) -> String {
        let Self::Helm(release) = self else { return self.redo(run, shards) };
        let number = format!(" --set {}shards.again={}", release.values_prefix, result_at.timestamp());
        upgrade(release, shards, &(redo_values(release) + &number))
    }
}

fn redo_values(HelmRelease { values_prefix, .. }: &HelmRelease) -> String {
    format!(" --set {values_prefix}shards.redo=lost --set-literal {values_prefix}shards.reason='<why>'")
}

fn upgrade(release: &HelmRelease, shards: &[ShardIndex], more: &str) -> String {
    let (line, prefix) = (release_with(release, &[]), &release.values_prefix);
    format!("{line}{more} --set-literal {prefix}shards.only={}", shard_list(shards))
}

/// The line that changes these values of the release, each `name=value`.
pub fn release_with(release: &HelmRelease, values: &[&str]) -> String {
    let HelmRelease { name, namespace, chart, values_prefix } = release;
    let line = format!(
        "helm upgrade {} {} --namespace {} --reset-then-reuse-values",
        quoted(name),
        quoted(chart),
        quoted(namespace)
    );
    values.iter().fold(line, |line, value| line + " --set " + values_prefix + value)
}

/// The line that gives the pods of the shards more disk, at the cost of the Jobs that run.
pub fn more_disk(release: &HelmRelease) -> String {
    release_with(release, &["shards.resources.ephemeralStorage='<more>'", "replaceRunning=true"])
}

/// The line that does something with `run` from wherever the run store can be reached.
pub fn by_hand(command: &str, run: &RunName, at: &Whereabouts) -> String {
    format!("rogo-migrate {command} --run {run}{}", at.flags())
}

/// The line that says how far `run` is.
pub fn status(run: &RunName, at: &Whereabouts) -> String {
    by_hand("status", run, at) + &at.verified()
}

/// The flags with which a command puts its results where those of the run are, and finds the inputs of a run of a failure
/// CSV; empty if no input has the name of a result and `out`, the run's folder of results, is the default.
pub fn away_from_inputs(plan: &Plan, out: &Path) -> String {
    if !is_of_results(plan) {
        return into(out);
    }
    let mut flags = format!(" --submissions {}", quoted(&plan.submissions.location));
    if is_result(&plan.mapping.location) {
        flags = flags + " --mapping " + &quoted(&plan.mapping.location);
    }
    flags + " --out " + &quoted(&out.display().to_string())
}

/// The flag for a folder of results; empty for the default.
pub fn into(out: &Path) -> String {
    if out == Path::new(".") {
        return String::new();
    }
    format!(" --out {}", quoted(&out.display().to_string()))
}

/// A folder for results, for a machine that does not know the run's: no input is in it.
pub fn folder_elsewhere(plan: &Plan) -> &str {
    if is_of_results(plan) { plan.run.as_str() } else { "." }
}

/// The line that copies the results, those of a verification elsewhere too, into a folder in which they land on no input.
pub fn fetch(plan: &Plan, at: &Whereabouts) -> String {
    let inputs = [&plan.submissions.location, &plan.mapping.location].into_iter().chain(&plan.also_read);
    let lands_on_one = inputs.into_iter().any(|input| is_copied(input));
    let folder = if lands_on_one { plan.run.as_str() } else { "." };
    by_hand("results", &plan.run, at) + &at.verified() + " --to " + folder
}

fn is_of_results(plan: &Plan) -> bool {
    [&plan.submissions, &plan.mapping].iter().any(|input| is_result(&input.location))
}

fn is_result(location: &str) -> bool {
    names::RESULTS.contains(&file_of(location))
}

/// Whether `results --to` may copy a file of that name: of finalize, a prediction or a verification.
fn is_copied(location: &str) -> bool {
    let file = file_of(location);
    let of_others = names::PREDICTED.contains(&file) || names::VERIFIED.contains(&file);
    is_result(location) || of_others || file == names::CONTROLS_SQL || names::is_manifest(file)
}

fn file_of(location: &str) -> &str {
    location.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
