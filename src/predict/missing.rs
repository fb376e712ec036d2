//! What exists and no row of the input names: a short export would lose it, and the books would balance.

use std::collections::HashMap;

use url::Url;

use super::{Subject, Tables, files::FileSpool, look::Looked};
use crate::{
    domain::{AttemptId, source_container, text::trim},
    exit::Stop,
    ports::{Fault, FaultKind},
    rules::named_urls,
    run::NotInInput,
};

/// Attempts named as examples.
const EXAMPLES: usize = 5;

/// Compares mapping, warehouse and listed blobs with every row of the input, also with those that a trial leaves out.
pub async fn not_in_input(
    subject: Subject<'_>,
    named: &[AttemptId],
    looked: &Looked,
    tables: &mut Tables,
) -> Result<NotInInput, Stop> {
    let mapping = MappedAttempts::read(subject).await?;
    let mut found =
        NotInInput { mapping_attempts_chosen: mapping.chosen.len() as u64, ..NotInInput::default() };
    let mut absent = mapping.chosen.clone();
    absent.retain(|(attempt, _)| named.binary_search(attempt).is_err());
    let reported = match reported(subject).await {
        Ok(reported) => Some(reported),
        Err(fault) if fault.kind == FaultKind::Unsupported => {
            found.not_possible.push(format!("attempts of the warehouse: {}", fault.what));
            None
        }
        Err(fault) => return Err(fault.into()),
    };
    let has_report = |attempt: &AttemptId| reported.as_ref().map(|all| all.binary_search(attempt).is_ok());
    for (attempt, version) in &absent {
        let place = match has_report(attempt) {
            Some(true) => "mapping and warehouse",
            Some(false) | None => "mapping",
        };
        let version = mapping.versions.get(*version as usize).map(String::as_str).unwrap_or_default();
        tables.not_in_input.row(["attempt", &attempt.to_string(), version, place, "", ""])?;
    }
    found.mapping_attempts = absent.len() as u64;
    found.mapping_attempts_with_report = reported
        .as_ref()
        .map(|_| absent.iter().filter(|(attempt, _)| has_report(attempt) == Some(true)).count() as u64);
    found.examples = absent.iter().take(EXAMPLES).map(|(attempt, _)| attempt.to_string()).collect();
    if let Some(reported) = &reported {
        let unknown = |attempt: &&AttemptId| {
            named.binary_search(attempt).is_err() && mapping.all.binary_search(attempt).is_err()
        };
        let mut alone = 0;
        for attempt in reported.iter().filter(unknown) {
            alone += 1;
            tables.not_in_input.row(["attempt", &attempt.to_string(), "", "warehouse", "", ""])?;
        }
        found.warehouse_attempts = Some(alone);
    }
    blobs(looked, &subject.rules.allowed_sources, &mut found);
    Ok(found)
}

/// What the look at the sources found, and where it could not, or had no row that names the container.
fn blobs(looked: &Looked, allowed: &[Url], found: &mut NotInInput) {
    found.blobs =
        looked.sources.iter().filter_map(|source| source.not_named).reduce(|one, other| one + other);
    for source in looked.sources.iter().filter(|source| source.not_named.is_none()) {
        found.not_possible.push(format!("blobs of {}: {}", source.container, source.way));
    }
    for place in allowed.iter().map(source_container) {
        let below = place.trim_end_matches('/');
        if !looked.sources.iter().any(|source| source.container.starts_with(below)) {
            let why = "not listed: no row of the input names a file of it";
            found.not_possible.push(format!("blobs of {place}: {why}"));
        }
    }
}

/// Every attempt that a row of `submission_files.csv` names, sorted; the files that the rows name go to `files`. A row that
/// fails, is skipped or left out names its files like any other.
pub async fn named(subject: Subject<'_>, files: &mut FileSpool) -> Result<Vec<AttemptId>, Stop> {
    let (mut reader, columns) = subject.inputs.submissions().await?;
    let mut named: Vec<AttemptId> = Vec::new();
    while let Some(record) = reader.next().await? {
        named.extend(columns.attempt_id(record).parse::<AttemptId>().ok());
        named_urls(&columns.row(record), subject.rules).try_for_each(|url| files.name(&url))?;
    }
    Ok(sorted(named))
}

/// Every attempt that has a report, sorted.
async fn reported(subject: Subject<'_>) -> Result<Vec<AttemptId>, Fault> {
    let mut reported = Vec::new();
    subject.warehouse.reported(&mut |mut attempts| reported.append(&mut attempts)).await?;
    Ok(sorted(reported))
}

fn sorted(mut attempts: Vec<AttemptId>) -> Vec<AttemptId> {
    attempts.sort_unstable();
    attempts.dedup();
    attempts
}

/// The attempts of the mapping.
struct MappedAttempts {
    /// Attempts of any unit version, sorted.
    all: Vec<AttemptId>,
    /// Those of the chosen unit versions, each with the number of its version; sorted.
    chosen: Vec<(AttemptId, u32)>,
    versions: Vec<String>,
}

impl MappedAttempts {
    async fn read(subject: Subject<'_>) -> Result<Self, Stop> {
        let (mut reader, columns) = subject.inputs.mapping().await?;
        let (mut all, mut chosen, mut versions) = (Vec::new(), Vec::new(), Vec::new());
        let mut numbers: HashMap<String, u32> = HashMap::new();
        while let Some(record) = reader.next().await? {
            let row = columns.row(record);
            let Ok(attempt) = AttemptId::from_number(row.attempt_id) else { continue };
            all.push(attempt);
            let version = trim(row.unit_version);
            if !subject.rules.unit_versions.iter().any(|begin| version.starts_with(begin)) {
                continue;
            }
            let number = *numbers.entry(version.to_owned()).or_insert_with(|| {
                versions.push(version.to_owned());
                u32::try_from(versions.len() - 1).unwrap_or(u32::MAX)
            });
            chosen.push((attempt, number));
        }
        chosen.sort_unstable();
        chosen.dedup_by_key(|(attempt, _)| *attempt);
        Ok(Self { all: sorted(all), chosen, versions })
    }
}
