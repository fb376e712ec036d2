//! Microsoft Entra tokens for the warehouse.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::connection_string::Identity;
use crate::{
    identity::EntraCredential,
    ports::{Fault, FaultKind, Service},
};

const SCOPE: &str = "https://database.windows.net/.default";

/// A token that is valid now. The credential keeps it until shortly before it ends.
pub(super) async fn token(credential: &dyn TokenCredential) -> Result<String, Fault> {
    let token = credential.get_token(&[SCOPE], None).await.map_err(|error| {
        Fault::caused(
            Service::Warehouse,
            FaultKind::Unavailable,
            "no Microsoft Entra token could be had for https://database.windows.net; look at the identity \
             that Authentication names",
            error,
        )
    })?;
    Ok(token.token.secret().to_owned())
}

/// The credential that `Authentication=Active Directory …` names. `client_id` chooses among several. Default:
/// the workload identity if one is configured, else the managed identity, else a developer's login (az, azd).
pub(super) fn credential(
    identity: Identity,
    client_id: Option<&str>,
) -> Result<Arc<dyn TokenCredential>, Fault> {
    Ok(match identity {
        Identity::Default => EntraCredential::for_client(client_id),
        Identity::Workload => EntraCredential::workload(client_id),
        Identity::Managed => EntraCredential::managed(client_id).map_err(|error| {
            Fault::caused(
                Service::Warehouse,
                FaultKind::Misconfigured,
                "the managed identity that Authentication names is not configured here",
                error,
            )
        })?,
    })
}
