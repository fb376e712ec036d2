//! Microsoft Entra tokens for the warehouse.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::connection_string::Identity;
use crate::{
    identity::{EntraCredential, hosts::Cloud},
    ports::{Fault, FaultKind, Service},
};

/// A token of this cloud that is valid now. The credential keeps it until shortly before it ends.
pub(super) async fn token(credential: &dyn TokenCredential, cloud: Cloud) -> Result<String, Fault> {
    let scope = cloud.sql_server_scope();
    let token = credential.get_token(&[scope], None).await.map_err(|error| {
        let what = format!(
            "no Microsoft Entra token could be had for {scope}; look at the identity that Authentication names{}",
            cloud.advice()
        );
        Fault::caused(Service::Warehouse, FaultKind::Unavailable, what, error)
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
