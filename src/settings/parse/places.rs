//! Places: folders, containers, accounts, URLs.

use std::path::PathBuf;

use url::Url;

use super::Expected;
use crate::{
    domain::local_path,
    settings::{InputLocation, Place},
};

/// `az://container/prefix`, `file:///dir` or `file://./dir` (below the working directory).
pub fn place(text: &str) -> Result<Place, Expected> {
    if let Some(rest) = text.strip_prefix("az://") {
        let (container, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if is_container(container) && is_prefix(prefix) {
            return Ok(Place::Azure { container: container.to_owned(), prefix: prefix.to_owned() });
        }
    } else if let Some(folder) = file_path(text) {
        return Ok(Place::Folder(folder));
    }
    Err("az://container/prefix, file:///dir or file://./dir is expected (container: 3 to 63 of a-z, 0-9 and -)"
        .into())
}

/// As [`place`], but an Azure place is a whole container.
pub fn container(text: &str) -> Result<Place, Expected> {
    match place(text) {
        Ok(Place::Azure { prefix, .. }) if !prefix.is_empty() => {
            Err("az://container without a prefix is expected: the files' names are the application's".into())
        }
        Ok(place) => Ok(place),
        Err(_) => Err("az://container, file:///dir or file://./dir is expected \
                       (container: 3 to 63 of a-z, 0-9 and -)"
            .into()),
    }
}

/// A local path, `file:///path`, or `az://container/name`.
pub fn input(text: &str) -> Result<InputLocation, Expected> {
    let expected = || "a path, file:///path or az://container/name is expected".to_owned();
    if let Some(path) = file_path(text) {
        return Ok(InputLocation::Path(path));
    }
    if let Some(rest) = text.strip_prefix("az://") {
        let (folder, name) = rest.rsplit_once('/').ok_or_else(expected)?;
        let place = place(&format!("az://{folder}")).map_err(|_| expected())?;
        if name.is_empty() {
            return Err(expected());
        }
        return Ok(InputLocation::Blob { place, name: name.to_owned() });
    }
    if text.trim().is_empty() || text.contains("://") || text.contains('\0') {
        return Err(expected());
    }
    Ok(InputLocation::Path(PathBuf::from(text)))
}

/// A path in the file system of this machine.
pub fn path(text: &str) -> Result<PathBuf, Expected> {
    local_path(PathBuf::from(text))
}

/// A prefix of source URLs: http, https or file, without user, query or fragment.
pub fn source_prefix(text: &str) -> Result<Url, Expected> {
    let expected = "URL prefixes are expected, as https://account.blob.core.windows.net/container: \
                    http, https or file, without user, query (SAS) or fragment";
    match Url::parse(text) {
        Ok(url) if is_dfs(url.host_str().unwrap_or_default()) => Err(DFS.into()),
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") && is_bare(&url) => Ok(url),
        _ => Err(expected.into()),
    }
}

/// The blob endpoint of a storage account.
pub fn account_url(text: &str) -> Result<Url, Expected> {
    match web_url(text)? {
        url if is_dfs(url.host_str().unwrap_or_default()) => Err(DFS.into()),
        url => Ok(url),
    }
}

/// Azure's second endpoint for the same files, which speaks another protocol.
pub(super) const DFS: &str = "the endpoint with .dfs. is Data Lake's own protocol: give the account's blob endpoint, with .blob. in its \
                   place";

pub(super) fn is_dfs(host: &str) -> bool {
    host.to_ascii_lowercase().contains(".dfs.")
}

/// Whether the text names a folder or container.
pub fn is_folder(text: &str) -> bool {
    text.starts_with("file://") || text.starts_with("az://")
}

/// An http or https URL without user, query or fragment.
pub fn web_url(text: &str) -> Result<Url, Expected> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_bare(&url) => Ok(url),
        _ => Err("an http or https URL without user, query or fragment is expected".into()),
    }
}

/// The address of a receiver of messages; its path and query may hold a secret that grants access.
pub fn notify_url(text: &str) -> Result<Url, Expected> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(url)
        }
        _ => Err("an http or https URL without user is expected".into()),
    }
}

/// As [`web_url`], kept as it is written, without a trailing slash.
pub fn base_url(text: &str) -> Result<String, Expected> {
    let text = text.trim();
    web_url(text).map(|_| text.trim_end_matches('/').to_owned())
}

fn is_bare(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
}

/// Azure's rule for container names.
fn is_container(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn is_prefix(text: &str) -> bool {
    text.is_empty()
        || text.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && !segment.contains(['?', '#', '\\'])
                && !segment.chars().any(char::is_control)
        })
}

/// The absolute path of a `file:` URL; `file://./dir` is relative to the working directory.
fn file_path(text: &str) -> Option<PathBuf> {
    let rest = text.strip_prefix("file://")?;
    if rest.contains(['?', '#', '\0']) || !(rest.starts_with('/') || rest.starts_with("./") || rest == ".") {
        return None;
    }
    let path = percent_encoding::percent_decode_str(rest).decode_utf8().ok()?;
    let absolute = std::path::absolute(path.as_ref()).ok()?;
    Some(absolute.components().collect())
}
