//! The evidence of a run: what an auditor keeps, in one zip. The same run gives the same bytes, so that a package can be
//! made again and compared. It holds no queue and no failure CSV; of each result that is left out it names the digest.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt;
use serde::Serialize;

use super::{
    Plan, RunStore, Summary,
    archive::{Archive, SUMS},
    names,
    receipts::program_digest,
};
use crate::{
    exit::{Exit, Stop},
    inputs::Hasher,
    ports::Fault,
};

/// Results that hold rows of the input as they came, or values of the target: named by their digest only.
const LEFT_OUT: [&str; 3] = [names::FAILED, names::VERIFICATION_FAILURES, names::NOT_IN_INPUT];

/// Folders of documents that prove something, with what they prove.
const FOLDERS: [(&str, &str); 8] = [
    (names::SEGMENTS, "the outcome of each row with its receipt, as the processes recorded it"),
    (names::ACCEPTED, "decisions that accept lost rows"),
    (names::ROLLED_BACK_ATTEMPTS, "rollbacks of some attempts"),
    (names::PURGED_ATTEMPTS, "purges of some attempts"),
    (names::DONE, "the counts of each shard"),
    ("writers/", "the processes that may have written"),
    ("retired/", "the processes that were cut off"),
    ("refused/", "plans that were refused"),
];
/// Single documents that prove something, with what they prove.
const DOCUMENTS: [(&str, &str); 6] = [
    (names::PLAN, "the plan: digests of inputs, settings, target, warehouse"),
    (names::PREDICTION, "what the run was predicted to do"),
    (names::ABSENT, "the rows that the target lacked: of their outcomes the newest counts"),
    (names::DECISIONS, "what people decided, with reasons"),
    (names::ROLLED_BACK, "the rollback of the whole run"),
    (names::PURGED, "the purge of the run store"),
];

/// Folder of what a verify store of its own holds.
const VERIFIED: &str = "verify-store/";

/// What a package is made of beside the run store.
pub struct Beside<'a> {
    /// What the registry calls the image that ran, as `name@sha256:…`.
    pub image: Option<&'a str>,
    /// Logs, each put below `logs/`.
    pub logs: &'a [PathBuf],
    /// Where the run was verified, if that is another place than the run store.
    pub verify_store: Option<&'a RunStore>,
    /// The line that says how far the run is.
    pub status: &'a str,
}

/// The program and its settings, for people who have no program.
#[derive(Serialize)]
struct Program<'a> {
    planned_by_version: &'a str,
    merged_by_sha256: String,
    packed_by_version: &'a str,
    packed_by_sha256: String,
    image: Option<&'a str>,
}

/// Writes the package; the path where it is.
pub async fn write(store: &RunStore, place: &Path, beside: &Beside<'_>) -> Result<PathBuf, Stop> {
    let plan = store.plan_or("a run that wrote nothing has no evidence").await?;
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    let summary = summary.ok_or_else(|| {
        let message = format!(
            "run {} has no result yet: its evidence is made when finalize has ended; see {}",
            store.run(),
            beside.status
        );
        Stop::new(Exit::Incomplete, message)
    })?;
    let logs = log_entries(beside.logs)?;
    let mut archive = Archive::create(place).await?;
    archive.add("README.txt", readme(store, &plan).as_bytes()).await?;
    archive.add("settings.json", &json(&plan.settings)?).await?;
    archive.add("program.json", &json(&program(&plan, &summary, beside.image))?).await?;
    let mut left_out = String::from("Results that hold personal data: SHA-256, bytes, name.\n");
    let stores = [Some((store, "")), beside.verify_store.map(|store| (store, VERIFIED))];
    for (store, prefix) in stores.into_iter().flatten() {
        for name in documents(store).await? {
            archive.add_document(store, prefix, &name).await?;
        }
        left_out.push_str(&of_left_out(store, prefix).await?);
    }
    archive.add("left-out.txt", left_out.as_bytes()).await?;
    for (entry, path) in logs {
        archive.add_file(&entry, path).await?;
    }
    archive.finish().await
}

/// Names of the documents that enter, in order.
async fn documents(store: &RunStore) -> Result<Vec<String>, Fault> {
    let mut all = Vec::new();
    for name in store.list("").await? {
        let is_single = DOCUMENTS.iter().any(|(document, _)| *document == name);
        let is_in_folder = FOLDERS.iter().any(|(folder, _)| name.starts_with(folder));
        let result = name.strip_prefix("results/").filter(|file| !LEFT_OUT.contains(file));
        if is_single || is_in_folder || result.is_some() {
            all.push(name);
        }
    }
    all.sort();
    Ok(all)
}

/// Digest and length of each result that does not enter.
async fn of_left_out(store: &RunStore, prefix: &str) -> Result<String, Fault> {
    let mut text = String::new();
    for file in LEFT_OUT {
        let name = names::result(file);
        let Some(reader) = store.open(&name).await? else { continue };
        let mut hasher = Hasher::default();
        let mut body = reader.body;
        while let Some(part) = body.try_next().await? {
            hasher.update(&part);
        }
        let fingerprint = hasher.finish();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}  {prefix}{name}", fingerprint.sha256, fingerprint.size_bytes);
    }
    Ok(text)
}

fn program<'a>(plan: &'a Plan, summary: &Summary, image: Option<&'a str>) -> Program<'a> {
    Program {
        planned_by_version: &plan.program_version,
        merged_by_sha256: summary
            .receipts
            .as_ref()
            .map_or_else(String::new, |receipts| receipts.program.to_string()),
        packed_by_version: env!("CARGO_PKG_VERSION"),
        packed_by_sha256: program_digest().to_string(),
        image,
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Stop> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Stop::new(Exit::Bug, format!("an entry cannot be written as JSON: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Name of each log in the package; two logs of one name are refused.
fn log_entries(logs: &[PathBuf]) -> Result<BTreeMap<String, &PathBuf>, Stop> {
    let mut entries = BTreeMap::new();
    for path in logs {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.filter(|name| !name.chars().any(char::is_control)).ok_or_else(|| {
            Stop::new(Exit::Usage, format!("--logs {}: the name of a file is expected", path.display()))
        })?;
        if let Some(other) = entries.insert(format!("logs/{name}"), path) {
            let message = format!(
                "--logs {} and {} have one name: copy one of them under another",
                other.display(),
                path.display()
            );
            return Err(Stop::new(Exit::Usage, message));
        }
    }
    Ok(entries)
}

fn readme(store: &RunStore, plan: &Plan) -> String {
    let mut text = format!(
        "Evidence of run {} (plan {}, made {}).\n\n\
         Check that nothing was changed, with no program of the migration:\n\n    sha256sum --check --strict {SUMS}\n\n\
         {SUMS} names the SHA-256 of every other entry; a signature of {SUMS} is a signature of all of them.\n\n\
         settings.json    the settings that change outcomes, as the plan pins them\n\
         program.json     version and SHA-256 of the program, and the image if it was named\n\
         left-out.txt     results that hold personal data, by their SHA-256\n\
         results/         the books (summary.json, with the root of the receipts), lists of rows, the verification\n\
         verify-store/    the same of a verify store of its own\n\
         logs/            logs that were given\n",
        store.run(),
        plan.id,
        plan.created_at.format("%Y-%m-%d %H:%M:%S UTC"),
    );
    for (name, what) in DOCUMENTS.iter().chain(&FOLDERS) {
        let _ = writeln!(text, "{name:16} {what}");
    }
    text
}
