//! Who this process is to Microsoft Entra ID: workload identity, else managed identity, else a developer's login (az,
//! azd); the first that answers stays. For storage, database and warehouse alike.

pub mod hosts;
mod endpoint;
mod places;

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
    time::OffsetDateTime,
};
use azure_identity::{WorkloadIdentityCredential, WorkloadIdentityCredentialOptions};
use tokio::sync::{Mutex, OnceCell};

use places::{Kind, NoneHere, Place};

/// A token is renewed when it has less than this left: longer than any copy that is authorised by it.
const RENEW_BEFORE: azure_core::time::Duration = azure_core::time::Duration::minutes(10);

/// How long after a failed renewal a token that is still valid is not renewed again.
const ASK_AGAIN_AFTER: azure_core::time::Duration = azure_core::time::Duration::seconds(30);

/// Deadline of a token request: off Azure the managed identity endpoint does not answer at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tokens of one scope, from the first identity that is found. Each service has a credential of its own.
#[derive(Debug)]
pub struct EntraCredential {
    places: Vec<Place>,
    found: OnceCell<Arc<dyn TokenCredential>>,
    kept: Mutex<Option<Kept>>,
}

/// A token, and the time of its renewal.
#[derive(Debug)]
struct Kept {
    token: AccessToken,
    renew_at: OffsetDateTime,
}

impl EntraCredential {
    /// A credential that finds its identity at the first request; nothing is asked yet.
    pub fn new() -> Arc<Self> {
        Self::for_client(None)
    }

    /// The same; `client_id` chooses among several identities.
    pub fn for_client(client_id: Option<&str>) -> Arc<Self> {
        if is_workload() {
            // Configured on purpose: no other identity may take its place when it does not answer for once.
            return Self::workload(client_id);
        }
        // A place that cannot even be set up here is none.
        let places = [Place::managed(client_id), Place::az(), Place::azd()];
        Arc::new(Self::of(places.into_iter().flatten().collect()))
    }

    /// Workload identity and no other. If the pod lacks a part of it, each token says which.
    pub fn workload(client_id: Option<&str>) -> Arc<Self> {
        let options = WorkloadIdentityCredentialOptions {
            client_id: client_id.map(str::to_owned),
            ..Default::default()
        };
        let source: Arc<dyn TokenCredential> = match WorkloadIdentityCredential::new(Some(options)) {
            Ok(source) => source,
            Err(error) => Arc::new(Incomplete(error.to_string())),
        };
        Arc::new(Self::of(vec![Place::workload(source)]))
    }

    /// The machine's managed identity and no other.
    pub fn managed(client_id: Option<&str>) -> azure_core::Result<Arc<Self>> {
        Ok(Arc::new(Self::of(vec![Place::managed(client_id)?])))
    }

    fn of(places: Vec<Place>) -> Self {
        Self { places, found: OnceCell::new(), kept: Mutex::new(None) }
    }

    /// A credential whose only place is a developer's tool that answers like this.
    #[cfg(test)]
    pub fn planted(answers: Arc<dyn TokenCredential>) -> Arc<Self> {
        Arc::new(Self::of(vec![Place::tool("planted", answers)]))
    }

    /// Whether an identity is configured here or has given a token before, even if it fails now.
    fn is_known(&self) -> bool {
        self.found.initialized() || self.places.iter().any(|place| matches!(place.kind, Kind::Workload))
    }

    /// Whether this machine has an identity. `false` only if each place that could give one says that it has none: a
    /// place that is silent, or is asked too often, may have one, and is an error.
    pub async fn is_there(&self, scope: &str) -> azure_core::Result<bool> {
        if self.is_known() {
            return Ok(true);
        }
        match self.get_token(&[scope], None).await {
            Ok(_) => Ok(true),
            Err(_) if self.is_known() => Ok(true),
            Err(error) if error.downcast_ref::<NoneHere>().is_some() => Ok(false),
            Err(error) => Err(error),
        }
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
        let (mut reasons, mut none_here) = (Vec::new(), true);
        for place in &self.places {
            let asked = tokio::time::timeout(PATIENCE, place.credential.get_token(scopes, None)).await;
            let error = match asked {
                Ok(Ok(_)) => return Ok(place.credential.clone()),
                Ok(Err(error)) => Some(error),
                Err(_elapsed) => None,
            };
            none_here &= place.has_none(error.as_ref());
            reasons.push(format!("{}: {}", place.name, place.said(error.as_ref())));
        }
        let reasons = reasons.join("; ");
        if none_here {
            let what = format!("no Microsoft Entra identity was found ({reasons})");
            return Err(Error::with_error(ErrorKind::Credential, NoneHere, what));
        }
        let what = format!("no Microsoft Entra identity gave a token ({reasons})");
        Err(Error::with_message(ErrorKind::Credential, what))
    }
}

/// Whether this pod was given a federated token, and is to use it: the variable that only workload identity sets. The
/// other two have other uses too, so they are filled in.
fn is_workload() -> bool {
    let options = WorkloadIdentityCredentialOptions {
        client_id: Some("any".into()),
        tenant_id: Some("any".into()),
        ..Default::default()
    };
    match WorkloadIdentityCredential::new(Some(options)) {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("no token file specified"),
    }
}

/// Workload identity that lacks a part. It must be there, so no other identity takes its place.
#[derive(Debug)]
struct Incomplete(String);

#[async_trait::async_trait]
impl TokenCredential for Incomplete {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let what = format!(
            "workload identity is set up only in part ({}): AZURE_CLIENT_ID, AZURE_TENANT_ID and \
             AZURE_FEDERATED_TOKEN_FILE come from the pod's label azure.workload.identity/use and its service account's \
             annotation azure.workload.identity/client-id",
            self.0
        );
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
            // The renewal was early: the kept token is still valid.
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

    /// Gives tokens that last so many minutes, so many times.
    #[derive(Debug)]
    struct Source {
        left: AtomicUsize,
        minutes: i64,
    }

    fn identity(tokens: usize, minutes: i64) -> Arc<EntraCredential> {
        EntraCredential::planted(Arc::new(Source { left: AtomicUsize::new(tokens), minutes }))
    }

    #[async_trait::async_trait]
    impl TokenCredential for Source {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let left = left.map_err(|_| Error::with_message(ErrorKind::Credential, "no route to host"))?;
            let end = OffsetDateTime::now_utc() + azure_core::time::Duration::minutes(self.minutes);
            Ok(AccessToken::new(format!("token {left}"), end))
        }
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_renewed_early_is_used_to_its_end() {
        // One token to find the identity by, one to use.
        let entra = identity(2, 5);
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

    /// A copy by the storage service reads its source with the token that it was given when it began.
    #[tokio::test]
    async fn a_token_that_may_end_during_a_copy_is_renewed_before() {
        for (minutes, is_renewed) in [(9, true), (11, false)] {
            let entra = identity(4, minutes);
            let first = entra.get_token(&["scope"], None).await.unwrap();
            let second = entra.get_token(&["scope"], None).await.unwrap();
            assert_eq!(second.token.secret() != first.token.secret(), is_renewed, "{minutes} min");
        }
    }
}
