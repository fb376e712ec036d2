//! The places that may give this process an identity, and what each says if it gives none: that there is none, or nothing
//! for now.

use std::{fmt, sync::Arc};

use azure_core::{
    credentials::TokenCredential,
    error::{Error, ErrorKind},
    http::{ClientOptions, HttpClient, Transport},
};
use azure_identity::{
    AzureCliCredential, AzureDeveloperCliCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};

use super::endpoint::{CONNECT_WITHIN, Endpoint};

/// What a developer's tool that is not installed, or has no login, says.
const NO_LOGIN: [&str; 3] = ["found on PATH", "Please run 'az login' to setup account", "not logged in"];

/// The source of an error by which each place says that it has no identity.
#[derive(Debug)]
pub(super) struct NoneHere;

impl fmt::Display for NoneHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no identity here")
    }
}

impl std::error::Error for NoneHere {}

/// A place that may give an identity.
#[derive(Debug)]
pub(super) struct Place {
    /// What it is called, for people.
    pub name: &'static str,
    pub credential: Arc<dyn TokenCredential>,
    pub kind: Kind,
}

/// How a place says that it has no identity.
#[derive(Debug)]
pub(super) enum Kind {
    /// Never: it is configured on purpose.
    Workload,
    /// By refusing, or by not being there.
    Managed(Arc<Endpoint>),
    /// By the words of its error.
    Tool,
}

impl Place {
    pub fn workload(credential: Arc<dyn TokenCredential>) -> Self {
        Self { name: "workload identity", credential, kind: Kind::Workload }
    }

    /// The machine's managed identity; `client_id` chooses among several.
    pub fn managed(client_id: Option<&str>) -> azure_core::Result<Self> {
        // A proxy answers in the place of an endpoint that is not there.
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::new(ErrorKind::Other, error))?;
        Self::managed_over(Arc::new(client), client_id)
    }

    fn managed_over(client: Arc<dyn HttpClient>, client_id: Option<&str>) -> azure_core::Result<Self> {
        let endpoint = Arc::new(Endpoint::of(client));
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: ClientOptions {
                transport: Some(Transport::new(endpoint.clone())),
                ..ClientOptions::default()
            },
        };
        let credential = ManagedIdentityCredential::new(Some(options))?;
        Ok(Self { name: "managed identity", credential, kind: Kind::Managed(endpoint) })
    }

    pub fn az() -> azure_core::Result<Self> {
        Ok(Self::tool("az login", AzureCliCredential::new(None)?))
    }

    pub fn azd() -> azure_core::Result<Self> {
        Ok(Self::tool("azd auth login", AzureDeveloperCliCredential::new(None)?))
    }

    pub fn tool(name: &'static str, credential: Arc<dyn TokenCredential>) -> Self {
        Self { name, credential, kind: Kind::Tool }
    }

    /// Whether it says that it has no identity, by the error it gave; `None` if it gave none in time.
    pub fn has_none(&self, error: Option<&Error>) -> bool {
        match (&self.kind, error) {
            (Kind::Workload, _) | (Kind::Tool, None) => false,
            (Kind::Managed(endpoint), error) => {
                error.is_some_and(refuses) || endpoint.is_absent() || endpoint.knows_none()
            }
            (Kind::Tool, Some(error)) => {
                let said = error.to_string();
                NO_LOGIN.iter().any(|words| said.contains(words))
            }
        }
    }

    /// What it said instead of giving a token, by the error it gave, if it gave one in time.
    pub fn said(&self, error: Option<&Error>) -> String {
        match (&self.kind, error) {
            (_, Some(error)) => error.to_string(),
            (Kind::Managed(endpoint), None) => endpoint.said(),
            (_, None) => "no answer".to_owned(),
        }
    }
}

/// Whether the endpoint answered that it has no identity for this machine: neither that it is asked too often, nor that it cannot
/// answer now (404 and 410 say so too, while it is updated: [`Endpoint::knows_none`]).
fn refuses(error: &Error) -> bool {
    match error.downcast_ref::<Error>().unwrap_or(error).kind() {
        ErrorKind::HttpResponse { status, .. } => {
            let status = u16::from(*status);
            (400..500).contains(&status) && ![404, 408, 410, 429].contains(&status)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::{AsyncRawResponse, Request, StatusCode, headers::Headers};
    use tokio::time::{Duration, Instant};

    use super::*;
    use crate::identity::EntraCredential;

    /// What the endpoint of managed identities does.
    #[derive(Debug, Clone, Copy)]
    enum Does {
        Answer(u16),
        AnswerByAnotherCloud(u16),
        RefuseConnections,
        StaySilent,
    }

    #[async_trait::async_trait]
    impl HttpClient for Does {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            match self {
                Self::Answer(status) => Ok(answer(*status, "IMDS/150.870.65.1854")),
                Self::AnswerByAnotherCloud(status) => Ok(answer(*status, "EC2ws")),
                Self::RefuseConnections => Err(Error::with_message(ErrorKind::Connection, "refused")),
                Self::StaySilent => std::future::pending().await,
            }
        }
    }

    fn answer(status: u16, server: &'static str) -> AsyncRawResponse {
        let mut headers = Headers::default();
        headers.insert("server", server);
        AsyncRawResponse::from_bytes(StatusCode::from(status), headers, "planted")
    }

    /// A tool that says this.
    #[derive(Debug)]
    struct Says(&'static str);

    #[async_trait::async_trait]
    impl TokenCredential for Says {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            Err(Error::with_message(ErrorKind::Credential, self.0))
        }
    }

    async fn is_there(place: Place) -> azure_core::Result<bool> {
        EntraCredential::of(vec![place]).is_there("https://storage.example/.default").await
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_endpoint_that_refuses_or_is_not_there_has_no_identity() {
        for (does, has_none) in [
            (Does::Answer(400), true),
            (Does::Answer(403), true),
            (Does::RefuseConnections, true),
            (Does::AnswerByAnotherCloud(404), true),
            // Throttled, updated, out of order, silent: the next request may get a token.
            (Does::Answer(429), false),
            (Does::Answer(404), false),
            (Does::Answer(410), false),
            (Does::Answer(500), false),
            (Does::StaySilent, false),
        ] {
            let began = Instant::now();
            let answer = is_there(Place::managed_over(Arc::new(does), None).unwrap()).await;
            match answer {
                Ok(there) => assert!(!there && has_none, "{does:?}"),
                Err(error) => {
                    assert!(!has_none, "{does:?}: {error}");
                    assert!(error.to_string().contains("managed identity"), "{error}");
                }
            }
            assert!(began.elapsed() <= Duration::from_secs(16), "{does:?}: {:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_is_not_found_for_longer_than_an_update_has_no_identity() {
        for does in [Does::Answer(404), Does::Answer(410)] {
            let entra = EntraCredential::of(vec![Place::managed_over(Arc::new(does), None).unwrap()]);
            let began = Instant::now();
            let lasted = loop {
                match entra.is_there("https://storage.example/.default").await {
                    Ok(there) => {
                        assert!(!there, "{does:?}");
                        break began.elapsed();
                    }
                    Err(error) => assert!(error.to_string().contains("HTTP status 4"), "{error}"),
                }
            };
            let minutes = Duration::from_mins(2)..Duration::from_mins(5);
            assert!(minutes.contains(&lasted), "{does:?}: {lasted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_was_not_found_once_and_is_silent_since_may_have_an_identity() {
        #[derive(Debug, Default)]
        struct Once(std::sync::atomic::AtomicBool);

        #[async_trait::async_trait]
        impl HttpClient for Once {
            async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
                let was = self.0.swap(true, std::sync::atomic::Ordering::SeqCst);
                let does = if was { Does::StaySilent } else { Does::Answer(404) };
                does.execute_request(request).await
            }
        }
        let endpoint = Place::managed_over(Arc::new(Once::default()), None).unwrap();
        let entra = EntraCredential::of(vec![endpoint]);
        for _ in 0..20 {
            entra.is_there("https://storage.example/.default").await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn only_a_tool_that_is_absent_or_has_no_login_has_no_identity() {
        for (says, has_none) in [
            ("AzureCliCredential authentication failed. az not found on PATH", true),
            ("\"/bin/sh\" wasn't found on PATH", true),
            ("ERROR: Please run 'az login' to setup account.", true),
            ("ERROR: not logged in, run `azd auth login` to login", true),
            ("ERROR: <urllib3.connection.HTTPSConnection>: Failed to resolve 'login.example'", false),
            // A login that has ended is to be made again: nothing is read without it.
            ("AADSTS700082: The refresh token has expired. Please run:\naz login", false),
        ] {
            let answer = is_there(Place::tool("az login", Arc::new(Says(says)))).await;
            assert_eq!(answer.is_ok_and(|there| !there), has_none, "{says}");
        }
    }
}
