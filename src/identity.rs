//! Who this process is to Microsoft Entra ID: workload identity, else managed identity, else `az login`;
//! the first that answers stays.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
};
use azure_identity::{AzureCliCredential, ManagedIdentityCredential, WorkloadIdentityCredential};
use tokio::sync::{Mutex, OnceCell};

/// A token is renewed when it has less than this left: longer than any copy that is authorised by it.
const RENEW_BEFORE: azure_core::time::Duration = azure_core::time::Duration::minutes(10);

const WORKLOAD: &str = "workload identity";

/// Off Azure nobody answers where managed identities live.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tokens of one scope from whatever identity there is. Each service has one of its own.
#[derive(Debug)]
pub struct EntraCredential {
    sources: Vec<(&'static str, Arc<dyn TokenCredential>)>,
    found: OnceCell<Arc<dyn TokenCredential>>,
    token: Mutex<Option<AccessToken>>,
}

impl EntraCredential {
    /// Asks nobody yet.
    pub fn new() -> Arc<Self> {
        let mut sources: Vec<(&'static str, Arc<dyn TokenCredential>)> = Vec::new();
        if let Ok(source) = WorkloadIdentityCredential::new(None) {
            // Configured on purpose: no other identity may take its place when it does not answer for once.
            sources.push((WORKLOAD, source));
        } else {
            // A source that cannot even be set up here is not one.
            if let Ok(source) = ManagedIdentityCredential::new(None) {
                sources.push(("managed identity", source));
            }
            if let Ok(source) = AzureCliCredential::new(None) {
                sources.push(("az login", source));
            }
        }
        Arc::new(Self { sources, found: OnceCell::new(), token: Mutex::new(None) })
    }

    /// Whether an identity is configured here, whatever it answers now.
    pub fn is_configured(&self) -> bool {
        self.sources.iter().any(|(name, _)| *name == WORKLOAD)
    }

    async fn find(&self, scopes: &[&str]) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let mut reasons = Vec::new();
        for (name, source) in &self.sources {
            match tokio::time::timeout(PATIENCE, source.get_token(scopes, None)).await {
                Ok(Ok(_)) => return Ok(source.clone()),
                Ok(Err(error)) => reasons.push(format!("{name}: {error}")),
                Err(_) => reasons.push(format!("{name}: no answer")),
            }
        }
        let what = format!("no Microsoft Entra identity was found ({})", reasons.join("; "));
        Err(Error::with_message(ErrorKind::Credential, what))
    }
}

#[async_trait::async_trait]
impl TokenCredential for EntraCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // One request at a time asks for a token (an async lock, made to be held across `.await`).
        let mut kept = self.token.lock().await;
        let now = azure_core::time::OffsetDateTime::now_utc();
        if let Some(token) = kept.as_ref().filter(|token| token.expires_on > now + RENEW_BEFORE) {
            return Ok(token.clone());
        }
        let source = self.found.get_or_try_init(|| self.find(scopes)).await?;
        let token = source.get_token(scopes, options).await?;
        *kept = Some(token.clone());
        Ok(token)
    }
}
