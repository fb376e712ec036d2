//! Connection strings and URLs with credentials, by their shape alone: the adapters read the rest.

use super::{
    Expected,
    places::{DFS, is_dfs, is_folder},
};

/// A storage account's connection string, by its shape alone: the adapter reads the rest.
pub fn storage_connection_string(text: &str) -> Result<(), Expected> {
    let pairs: Vec<(String, &str)> = text
        .split(';')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim().to_lowercase(), value))
        .collect();
    let names_an_account = ["accountname", "blobendpoint", "usedevelopmentstorage"];
    if !pairs.iter().any(|(key, _)| names_an_account.contains(&key.as_str())) {
        return Err("a connection string of a storage account is expected, as \
                    DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net"
            .into());
    }
    let is_endpoint = |key: &str, value: &str| key == "blobendpoint" && is_dfs(value);
    if pairs.iter().any(|(key, value)| is_endpoint(key, value)) { Err(DFS.into()) } else { Ok(()) }
}

/// A warehouse's connection string, by its shape alone: the adapter reads the rest.
pub fn warehouse_connection_string(text: &str) -> Result<(), Expected> {
    let keys = ["server", "datasource", "address", "addr", "networkaddress"];
    let mut names = text.split(';').filter_map(|part| part.split_once('=')).map(|(key, _)| {
        key.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>()
    });
    if is_folder(text) || names.any(|name| keys.contains(&name.as_str())) {
        return Ok(());
    }
    Err("an ADO.NET connection string is expected, as Server=host;Database=name;User ID=…;Password=…, or a folder of \
         exported tables, as file:///dir or az://container/prefix"
        .into())
}

/// A PostgreSQL URL, by its scheme alone: the adapter reads the rest.
pub fn database_url(text: &str) -> Result<(), Expected> {
    let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) else {
        return Err("a PostgreSQL URL is expected, as postgres://user:password@host/database".into());
    };
    if has_bare_password(rest) {
        return Err("the password holds a character that ends it in a URL: write # as %23, / as %2F, ? as %3F and % as %25".into());
    }
    Ok(())
}

/// Whether a character in the password ends the URL's authority before its `@`, or a percent sign encodes nothing.
/// `host:5432/db?user=me@tenant` has its `@` later and a port before.
fn has_bare_password(rest: &str) -> bool {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let Some((credentials, _)) = authority.rsplit_once('@') else {
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        return authority.split_once(':').is_some_and(|(_, text)| !is_port(text)) && after.contains('@');
    };
    let mut parts = credentials.split('%').skip(1);
    parts.any(|part| !part.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2))
}
