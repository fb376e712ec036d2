//! The bundle of a run: one zip with what tells it, to be carried to another machine and read there without the run store.
//! Its entries have the names of the run's documents, so that it is read like a run store.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use zip::ZipArchive;

use super::{
    Plan, RunName, RunStore,
    archive::{Archive, SUMS},
    names, pins, private,
};
use crate::{
    exit::{Exit, Stop},
    ports::regular,
};

/// Results that may hold it.
const PERSONAL: [&str; 2] = [names::FAILED, names::VERIFICATION_FAILURES];
/// Sums, and what the rules make of each distinct value: of the prediction, else of a verification.
const SUMS_OF_VALUES: [&str; 2] = [names::CONTROLS, names::TRANSFORMATIONS];
/// Documents of the run.
const DOCUMENTS: [&str; 3] = [names::PLAN, names::TELEMETRY, names::PREDICTION];
/// Documents of the shards and processes: counts, by which `status` tells a run.
const COUNTS: [&str; 2] = [names::DONE, names::HEARTBEATS];
/// Documents of shards and processes that are read at a time: they are many and small.
const READS: usize = 16;
/// Entries of a bundle that is read.
const MOST_ENTRIES: usize = 1_000_000;

/// Whether the results hold what a learner may be known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    /// They do not.
    Without,
    /// The rows that failed are in it as they came.
    With,
}

/// What a bundle is made of beside the run store.
pub struct Beside<'a> {
    /// Where the run was verified.
    pub verify_store: &'a RunStore,
    /// The report as the documents say it now; `None`: the one that finalize published.
    pub page: Option<&'a str>,
    /// Whether results with personal data enter.
    pub personal: Personal,
    /// The line that says how far the run is.
    pub status: &'a str,
}

/// Writes the bundle of a finalized run.
pub async fn write(store: &RunStore, place: &Path, beside: &Beside<'_>) -> Result<PathBuf, Stop> {
    let Beside { verify_store, page, personal, status } = *beside;
    let summary = names::result(names::SUMMARY);
    if !store.exists(&summary).await? {
        let what = format!(
            "{} is not there yet: finalize writes it, and a bundle holds it; see {status}",
            store.describe(&summary)
        );
        return Err(Stop::new(Exit::Incomplete, what));
    }
    let mut archive = Archive::create(place).await?;
    for name in DOCUMENTS {
        match (name, personal) {
            (names::PLAN, Personal::Without) => add_plan(store, &mut archive).await?,
            _ => archive.add_document(store, "", name).await?,
        }
    }
    let hidden: &[&str] = if personal == Personal::With { &PERSONAL } else { &[] };
    for file in names::WITHOUT_PERSONAL_DATA.iter().chain(hidden) {
        let name = names::result(file);
        match (*file, page) {
            (names::REPORT, Some(page)) => archive.add(&name, page.as_bytes()).await?,
            _ if names::VERIFIED.contains(file) => archive.add_document(verify_store, "", &name).await?,
            _ => archive.add_document(store, "", &name).await?,
        }
    }
    for file in SUMS_OF_VALUES {
        let name = names::result(file);
        let place = if store.exists(&name).await? { store } else { verify_store };
        archive.add_document(place, "", &name).await?;
    }
    for prefix in COUNTS {
        let mut found = stream::iter(store.list(prefix).await?)
            .map(|name| async move { store.bytes(&name).await.map(|bytes| (name, bytes)) })
            .buffered(READS);
        while let Some((name, bytes)) = found.try_next().await? {
            if let Some(bytes) = bytes {
                archive.add(&name, &bytes).await?;
            }
        }
    }
    archive.finish().await
}

/// Adds the plan without the name of the person who owns the applied rules.
async fn add_plan(store: &RunStore, archive: &mut Archive) -> Result<(), Stop> {
    let Some(mut plan) = store.plan().await? else { return Ok(()) };
    if let Some(owner) = plan.settings.get_mut(pins::RULE_OWNER)
        && *owner != pins::OLDEST_ADMIN
    {
        pins::HIDDEN.clone_into(owner);
    }
    let text = serde_json::to_vec_pretty(&plan)
        .map_err(|error| Stop::new(Exit::Bug, format!("plan.json cannot be written: {error}")))?;
    archive.add(names::PLAN, &text).await
}

/// Puts a bundle's documents into a folder as a run store has them, and returns the run's name.
pub fn unpack(bundle: &Path, folder: &Path) -> Result<RunName, Stop> {
    let unreadable = |why: &dyn std::fmt::Display| {
        let what = format!(
            "{} cannot be read as a bundle: {why}; `rogo-migrate results --bundle` writes one",
            bundle.display()
        );
        Stop::new(Exit::Configuration, what)
    };
    let standing = regular::open(bundle).map_err(|error| unreadable(&error))?;
    let kind = regular::other_than_a_file(standing.metadata.file_type()).unwrap_or("no file");
    let file = standing.file.ok_or_else(|| unreadable(&format!("it is {kind}")))?;
    let mut zip = ZipArchive::new(file).map_err(|error| unreadable(&error))?;
    if zip.len() > MOST_ENTRIES {
        return Err(unreadable(&format!("it has {} entries", zip.len())));
    }
    let plan = {
        let mut entry =
            zip.by_name(names::PLAN).map_err(|error| unreadable(&format!("plan.json: {error}")))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| unreadable(&format!("plan.json: {error}")))?;
        let instead = "which also reads this bundle";
        Plan::read(names::PLAN, &bytes, instead).map_err(|fault| unreadable(&fault.chain()))?
    };
    let run = folder.join(plan.run.as_str());
    for place in 0..zip.len() {
        let mut entry = zip.by_index(place).map_err(|error| unreadable(&error))?;
        let name = entry.name().map_err(|error| unreadable(&error))?.into_owned();
        if name == SUMS || entry.is_dir() {
            continue;
        }
        if !is_document(&name) {
            return Err(unreadable(&format!("{name:?} is no document of a run")));
        }
        let to = run.join(&name);
        let written = to.parent().map_or(Ok(()), private::create_folder).and_then(|()| {
            let mut file = private::create(&to)?;
            io::copy(&mut entry, &mut file)
        });
        written.map_err(|error| unreadable(&format!("{name}: {error}")))?;
    }
    Ok(plan.run)
}

fn results_of_bundle() -> impl Iterator<Item = &'static str> {
    names::WITHOUT_PERSONAL_DATA.into_iter().chain(SUMS_OF_VALUES).chain(PERSONAL)
}

/// Whether the name is one that [`write`] gives, and leads nowhere else.
fn is_document(name: &str) -> bool {
    let is_plain =
        !name.contains('\\') && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let results = names::result("");
    let is_result =
        name.strip_prefix(&results).is_some_and(|file| results_of_bundle().any(|known| known == file));
    is_plain
        && (DOCUMENTS.contains(&name) || is_result || COUNTS.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bundle_of_another_format_is_refused_like_its_run_store() {
        let folder = tempfile::tempdir().unwrap();
        let (bundle, to) = (folder.path().join("run.zip"), folder.path().join("to"));
        for (plan, says) in [
            (
                r#"{"format": 9}"#,
                "plan.json has format 9, and this program reads format 2: another version made it",
            ),
            ("{}", "plan.json names no format"),
            (r#"{"format": 2}"#, "plan.json cannot be read: it was changed, or another version wrote it"),
        ] {
            let mut archive = Archive::create(&bundle).await.unwrap();
            archive.add(names::PLAN, plan.as_bytes()).await.unwrap();
            archive.finish().await.unwrap();
            let refused = unpack(&bundle, &to).unwrap_err();
            assert_eq!(refused.exit, Exit::Configuration);
            assert!(refused.to_string().contains(says), "{refused}");
            assert!(!to.exists(), "nothing is unpacked");
        }
    }

    #[test]
    fn no_entry_leads_out_of_the_folder() {
        for name in ["plan.json", "results/summary.json", "done/0.json", "heartbeats/0/1-a.json"] {
            assert!(is_document(name), "{name}");
        }
        for name in [
            "../plan.json",
            "/etc/passwd",
            "done/../../x",
            "heartbeats\\x",
            "segments/0/a",
            "results/x.sh",
            "",
        ] {
            assert!(!is_document(name), "{name}");
        }
    }
}
