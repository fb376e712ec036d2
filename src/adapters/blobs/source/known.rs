//! Whether this process has an identity to read sources with, which decides between a token and no credentials.

use std::time::Duration;

use tokio::{
    sync::{Mutex, OnceCell},
    time::Instant,
};

use super::SERVICE;
use crate::{
    adapters::blobs::account::SCOPE,
    identity::EntraCredential,
    ports::{Fault, FaultKind},
};

/// How long after a question without an answer the next one is asked: files that are read meanwhile share the fault.
const SILENCE_HOLDS: Duration = Duration::from_secs(5);

/// The answer, once it is certain: files that an identity may read must not be read without it because it is silent for once.
#[derive(Debug, Default)]
pub(super) struct KnownIdentity {
    certain: OnceCell<bool>,
    silent: Mutex<Option<(Instant, Fault)>>,
}

impl KnownIdentity {
    /// A fault that may pass if a place that could give an identity does not answer.
    pub async fn is_there(&self, entra: &EntraCredential) -> Result<bool, Fault> {
        if let Some(certain) = self.certain.get() {
            return Ok(*certain);
        }
        // One asks, and the others wait for its answer.
        let mut silent = self.silent.lock().await;
        if let Some(certain) = self.certain.get() {
            return Ok(*certain);
        }
        if let Some((asked, fault)) = silent.as_ref()
            && asked.elapsed() < SILENCE_HOLDS
        {
            return Err(fault.again());
        }
        match self.certain.get_or_try_init(|| entra.is_there(SCOPE)).await {
            Ok(certain) => Ok(*certain),
            Err(error) => {
                let what = format!(
                    "whether this machine has an identity to read source files with is not known: {error}; see why it does \
                     not answer, or set --source-auth: anonymous for files that may be read without credentials"
                );
                let fault = Fault::new(SERVICE, FaultKind::Unavailable, what).before_asking();
                *silent = Some((Instant::now(), fault.again()));
                Err(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use azure_core::{
        credentials::{AccessToken, TokenCredential, TokenRequestOptions},
        error::{Error, ErrorKind},
        time::OffsetDateTime,
    };
    use futures_util::future::join_all;

    use super::*;

    /// Does not answer so many times, and then gives a token.
    #[derive(Debug)]
    struct Late {
        silent: usize,
        asked: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Late {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            if self.asked.fetch_add(1, Ordering::SeqCst) < self.silent {
                std::future::pending::<()>().await;
            }
            let end = OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1);
            Ok(AccessToken::new("token", end))
        }
    }

    /// Has no login.
    #[derive(Debug)]
    struct NoLogin;

    #[async_trait::async_trait]
    impl TokenCredential for NoLogin {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            Err(Error::with_message(ErrorKind::Credential, "az not found on PATH"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_identity_that_is_silent_is_asked_again_and_never_taken_for_none() {
        let late = Arc::new(Late { silent: 1, asked: AtomicUsize::new(0) });
        let (entra, known) = (EntraCredential::planted(late.clone()), KnownIdentity::default());
        let began = Instant::now();
        for answer in join_all((0..50).map(|_| known.is_there(&entra))).await {
            let fault = answer.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unavailable);
            assert!(fault.what.contains("no answer") && fault.what.contains("--source-auth"), "{fault}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(late.asked.load(Ordering::SeqCst), 1, "the others shared the fault");
        tokio::time::advance(SILENCE_HOLDS).await;
        assert!(known.is_there(&entra).await.unwrap());
    }

    #[tokio::test]
    async fn a_machine_without_an_identity_is_asked_once() {
        let (entra, known) = (EntraCredential::planted(Arc::new(NoLogin)), KnownIdentity::default());
        for _ in 0..2 {
            assert!(!known.is_there(&entra).await.unwrap());
        }
        assert_eq!(known.certain.get(), Some(&false));
    }
}
