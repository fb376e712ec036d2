//! Finds likely files beside a missing one: its name in another case or form, or compressed.

use std::{fs, io, path::Path, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use unicode_normalization::UnicodeNormalization;

use super::InputSource;
use crate::{
    domain::{
        REPORT_TABLE, SCORE_TABLE,
        text::{OTHER_FORM, differ_in_form},
    },
    ports::{Service, deadline::blocking_for},
};

/// Names that are looked at, and named.
const LOOKED_AT: usize = 1_000;
const NAMED: usize = 5;
/// How long a place may take to list them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Files beside the missing one that may be meant, as the end of a sentence; empty if there are none.
pub(super) async fn nearby(source: &InputSource) -> String {
    let (wanted, names) = match source {
        InputSource::File(path) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or_else(|| Path::new(".")).to_owned();
            let listing = blocking_for(PATIENCE, Service::Inputs, move || Ok(names_in(&folder)));
            let Ok(Ok(names)) = listing.await else { return String::new() };
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), names)
        }
        InputSource::Blob { blobs, name } => {
            let listing = blobs.list("").take(LOOKED_AT).map_ok(|info| info.name).try_collect();
            match tokio::time::timeout(PATIENCE, listing).await {
                Ok(Ok(names)) => (name.clone(), names),
                _ => return String::new(),
            }
        }
    };
    said(&wanted, names)
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.flatten().take(LOOKED_AT).map(|entry| entry.file_name());
    Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
}

fn said(wanted: &str, mut names: Vec<String>) -> String {
    names.sort_unstable();
    let similar: Vec<&String> = names.iter().filter(|name| is_like(name, wanted)).take(NAMED).collect();
    let list =
        |names: &[&String]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if let [only] = similar.as_slice()
        && differ_in_form(only, wanted)
    {
        return format!("; {} is there, which {OTHER_FORM}: copy the name from a listing", list(&similar));
    }
    if !similar.is_empty() {
        return format!("; there is {}: give that name, or rename or unpack it", list(&similar));
    }
    let tables: Vec<&String> =
        names.iter().filter(|name| name.to_ascii_lowercase().contains(".csv")).take(NAMED).collect();
    if tables.is_empty() { String::new() } else { format!("; there is {}", list(&tables)) }
}

/// Whether a person may have meant `name` by `wanted`: equal but for case, the accents' form and what follows the
/// name, or with more around it ("dbo.", " (1)", a date).
fn is_like(name: &str, wanted: &str) -> bool {
    let stem = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or_default().to_lowercase();
        let stem = name.split_once(".csv").map_or(name.as_str(), |(stem, _)| stem);
        let stem = stem.split_once(".xls").map_or(stem, |(stem, _)| stem);
        stem.nfc().filter(|c| c.is_alphanumeric()).collect::<String>()
    };
    let (name, wanted) = (stem(name), stem(wanted));
    let is_other_table = [REPORT_TABLE, SCORE_TABLE].into_iter().any(|table| name == stem(table));
    !wanted.is_empty() && (name == wanted || (name.contains(&wanted) && !is_other_table))
}
