//! Microsoft Entra tokens for the warehouse.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::connection_string::Identity;
use crate::ports::{Fault, FaultKind, Service};

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

/// The credential that `Authentication=Active Directory …` names. `client_id` chooses among several.
/// Default: the workload identity where one is configured, else the developer's login (az, azd), else
/// the managed identity.
pub(super) async fn credential(
    identity: Identity,
    client_id: Option<&str>,
) -> Result<Arc<dyn TokenCredential>, Fault> {
    match identity {
        Identity::Workload => workload(client_id),
        Identity::Managed => managed(client_id),
        Identity::Default => {
            if let Ok(workload) = workload(client_id) {
                return Ok(workload);
            }
            let developer = DeveloperToolsCredential::new(None).map_err(unusable)?;
            match developer.get_token(&[SCOPE], None).await {
                Ok(_) => Ok(developer),
                Err(_) => managed(client_id),
            }
        }
    }
}

fn workload(client_id: Option<&str>) -> Result<Arc<dyn TokenCredential>, Fault> {
    let options =
        WorkloadIdentityCredentialOptions { client_id: client_id.map(str::to_owned), ..Default::default() };
    Ok(WorkloadIdentityCredential::new(Some(options)).map_err(unusable)?)
}

fn managed(client_id: Option<&str>) -> Result<Arc<dyn TokenCredential>, Fault> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
        ..Default::default()
    };
    Ok(ManagedIdentityCredential::new(Some(options)).map_err(unusable)?)
}

fn unusable(error: azure_core::Error) -> Fault {
    Fault::caused(
        Service::Warehouse,
        FaultKind::Misconfigured,
        "the Microsoft Entra identity that Authentication names is not configured here",
        error,
    )
}
