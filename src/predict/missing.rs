//! What exists and no row of the input names: a short export would lose it, and the books would balance.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Subject, Tables, files::FileSpool, look::Looked};
use crate::{
    domain::{AttemptId, source_container, source_name, text::trim},
    exit::Stop,
    ports::{Fault, FaultKind},
    rules::named_urls,
    run::{NotInInput, source_files::Container},
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
    found.not_possible.extend(not_named(allowed, &looked.places));
}

/// The allowed places in which no row names a file, and of which nothing was listed so.
fn not_named(allowed: &[Url], places: &[Container]) -> Vec<String> {
    let shown: Vec<String> = allowed.iter().map(source_container).collect();
    let mut said = Vec::new();
    for (n, (place, name)) in allowed.iter().zip(&shown).enumerate() {
        if places.iter().any(|container| is_looked_at(place, container)) {
            continue;
        }
        // A folder has no name here that is not a path, which may be called after people.
        let is_one_of_many = shown.iter().filter(|other| *other == name).count() > 1;
        let which =
            if is_one_of_many { format!(" (place {} of ROGO_SOURCE_ALLOW)", n + 1) } else { String::new() };
        said.push(format!("blobs of {name}{which}: not listed: no row of the input names a file of it"));
    }
    said
}

/// Whether what is looked at of the container, below the common folder of its files, is of the place.
fn is_looked_at(place: &Url, Container { example, prefix, .. }: &Container) -> bool {
    let server =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    let decoded = |url: &Url| percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
    let path = decoded(example);
    let container = path.strip_suffix(&source_name(example)).unwrap_or(&path);
    let looked_at = format!("{container}{prefix}");
    let below = format!("{}/", decoded(place).trim_end_matches('/'));
    server(place) == server(example) && (looked_at.starts_with(&below) || below.starts_with(&looked_at))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::source_files::Containers;

    /// The places of `allowed` of which nothing is looked at if rows name these files.
    fn said(allowed: &[&str], files: &[&str]) -> Vec<String> {
        let url = |text: &&str| Url::parse(text).unwrap();
        let mut containers = Containers::default();
        for file in files {
            containers.add(&url(file));
        }
        let allowed: Vec<Url> = allowed.iter().map(url).collect();
        let why = ": not listed: no row of the input names a file of it";
        let places = not_named(&allowed, &containers.finish()).into_iter();
        places.map(|said| said.strip_suffix(why).unwrap().to_owned()).collect()
    }

    #[test]
    fn a_place_is_looked_at_only_if_a_row_names_a_file_below_it() {
        let nothing: [&str; 0] = [];
        for (allowed, files, not_named) in [
            (
                &["https://a.example/uploads", "https://a.example/uploads-2024"][..],
                &["https://a.example/uploads-2024/x/f"][..],
                &["blobs of https://a.example/uploads"][..],
            ),
            (&["https://a.example/uploads/"], &["https://a.example/uploads/f"], &nothing),
            (&["https://a.example"], &["https://a.example/uploads/f"], &nothing),
            (
                &["https://a.example:444/uploads"],
                &["https://a.example/uploads/f"],
                &["blobs of https://a.example:444/uploads"],
            ),
            (&["http://127.0.0.1:1/acc/box"], &["http://127.0.0.1:1/acc/box/f"], &nothing),
            (
                &["http://127.0.0.1:1/acc/box"],
                &["http://127.0.0.1:1/acc/box2/f"],
                &["blobs of http://127.0.0.1:1/acc/box"],
            ),
            // Folders of one container, and of a machine.
            (
                &["https://a.example/box/one", "https://a.example/box/two%20b"],
                &["https://a.example/box/one/f"],
                &["blobs of https://a.example/box (place 2 of ROGO_SOURCE_ALLOW)"],
            ),
            (
                &["https://a.example/box/one", "https://a.example/box/two%20b"],
                &["https://a.example/box/one/f", "https://a.example/box/two b/f"],
                &nothing,
            ),
            (
                &["file:///srv/one", "file:///srv/one-b"],
                &["file:///srv/one-b/x/f"],
                &["blobs of file:// (place 1 of ROGO_SOURCE_ALLOW)"],
            ),
            (
                &["file:///srv/one", "file:///srv/two"],
                &["file:///srv/one/x/f", "file:///srv/two/f"],
                &nothing,
            ),
        ] {
            assert_eq!(said(allowed, files), not_named, "{allowed:?} {files:?}");
        }
    }
}
