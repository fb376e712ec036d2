//! The secret with which sessions of the warehouse are opened.

use std::{error::Error, io};

use super::connection_string::ConnectionString;
use crate::{
    ports::{Fault, FaultKind, Service, deadline::blocking},
    settings::Secret,
};

/// The connection string as it is now. Its file may be on a network.
pub(super) async fn read(secret: &Secret) -> Result<ConnectionString, Fault> {
    let secret = secret.clone();
    parsed(blocking(Service::Warehouse, move || Ok(secret.read())).await?)
}

/// The connection string in the text of a secret.
pub(super) fn parsed(read: io::Result<String>) -> Result<ConnectionString, Fault> {
    let text = read.map_err(|error| {
        misconfigured("the file that DATA_WAREHOUSE_CONNECTION_STRING_FILE names cannot be read", error)
    })?;
    text.parse().map_err(|refused| misconfigured("DATA_WAREHOUSE_CONNECTION_STRING is refused", refused))
}

fn misconfigured(what: &str, source: impl Error + Send + Sync + 'static) -> Fault {
    Fault::caused(Service::Warehouse, FaultKind::Misconfigured, what, source)
}
