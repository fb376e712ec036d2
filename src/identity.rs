//! Who this process is to Microsoft Entra ID: workload identity, else managed identity, else `az login`;
//! the first that answers stays.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
    time::OffsetDateTime,
};
use azure_identity::{AzureCliCredential, ManagedIdentityCredential, WorkloadIdentityCredential};
use tokio::sync::{Mutex, OnceCell};

/// A token is renewed when it has less than this left: longer than any copy that is authorised by it.
const RENEW_BEFORE: azure_core::time::Duration = azure_core::time::Duration::minutes(10);

/// When a token that is still valid could not be renewed, nobody asks again before this.
const ASK_AGAIN_AFTER: azure_core::time::Duration = azure_core::time::Duration::seconds(30);

const WORKLOAD: &str = "workload identity";

/// Off Azure nobody answers where managed identities live.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tokens of one scope from whatever identity there is. Each service has one of its own.
#[derive(Debug)]
pub struct EntraCredential {
    sources: Vec<(&'static str, Arc<dyn TokenCredential>)>,
    found: OnceCell<Arc<dyn TokenCredential>>,
    kept: Mutex<Option<Kept>>,
}

/// A token, and when it is to be renewed.
#[derive(Debug)]
struct Kept {
    token: AccessToken,
    renew_at: OffsetDateTime,
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
        Arc::new(Self::of(sources))
    }

    fn of(sources: Vec<(&'static str, Arc<dyn TokenCredential>)>) -> Self {
        Self { sources, found: OnceCell::new(), kept: Mutex::new(None) }
    }

    /// Whether an identity is configured here, or has shown itself, whatever it answers now.
    pub fn is_known(&self) -> bool {
        self.found.initialized() || self.sources.iter().any(|(name, _)| *name == WORKLOAD)
    }

    async fn ask(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let source = self.found.get_or_try_init(|| self.find(scopes)).await?;
        let asking = tokio::time::timeout(PATIENCE, source.get_token(scopes, options));
        asking.await.unwrap_or_else(|_elapsed| {
            let what = format!("no token came within {} s", PATIENCE.as_secs());
            Err(Error::with_message(ErrorKind::Credential, what))
        })
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
        let mut kept = self.kept.lock().await;
        let now = OffsetDateTime::now_utc;
        if let Some(kept) = kept.as_ref().filter(|kept| now() < kept.renew_at) {
            return Ok(kept.token.clone());
        }
        match (self.ask(scopes, options).await, kept.as_mut()) {
            (Ok(token), _) => {
                let renew_at = token.expires_on - RENEW_BEFORE;
                *kept = Some(Kept { token: token.clone(), renew_at });
                Ok(token)
            }
            // It was asked for early, so that nobody needs the answer yet.
            (Err(error), Some(kept)) if now() < kept.token.expires_on => {
                tracing::warn!(%error, "the Microsoft Entra token cannot be renewed now; it is used to its end");
                kept.renew_at = (now() + ASK_AGAIN_AFTER).min(kept.token.expires_on);
                Ok(kept.token.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives tokens that end in five minutes, so many times.
    #[derive(Debug)]
    struct Source(AtomicUsize);

    #[async_trait::async_trait]
    impl TokenCredential for Source {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let left = left.map_err(|_| Error::with_message(ErrorKind::Credential, "no route to host"))?;
            let end = OffsetDateTime::now_utc() + azure_core::time::Duration::minutes(5);
            Ok(AccessToken::new(format!("token {left}"), end))
        }
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_renewed_early_is_used_to_its_end() {
        // One token to find the identity by, one to use.
        let entra = EntraCredential::of(vec![("planted", Arc::new(Source(AtomicUsize::new(2))))]);
        let first = entra.get_token(&["scope"], None).await.unwrap();
        for _ in 0..2 {
            let again = entra.get_token(&["scope"], None).await.unwrap();
            assert_eq!(again.token.secret(), first.token.secret());
        }
        entra.kept.lock().await.as_mut().unwrap().token.expires_on = OffsetDateTime::now_utc();
        entra.kept.lock().await.as_mut().unwrap().renew_at = OffsetDateTime::now_utc();
        entra.get_token(&["scope"], None).await.unwrap_err();
        assert!(entra.is_known(), "it has shown itself");
    }
}
