//! A storage account as one of our services sees it: its endpoint, who we are there, and the pipeline that
//! every request to it takes.

use std::{sync::Arc, time::Duration};

use azure_core::credentials::TokenCredential;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, Context, Method, Pipeline, PipelineSendOptions, PipelineStreamOptions,
    RawResponse, Request, RetryOptions, Transport, Url,
    policies::{Policy, auth::BearerTokenAuthorizationPolicy},
};
use azure_storage_blob::{BlobClient, BlobClientOptions};
use chrono::{TimeDelta, Utc};

use super::{
    connection_string::Credential,
    faults, hosts,
    rights::MayWrite,
    rotating::{Rotating, SignByKey},
};
use crate::{
    identity::EntraCredential,
    ports::{CopyGrant, Fault, FaultKind, Service},
    settings::AccountSettings,
};

/// The scope of every storage account.
pub(super) const SCOPE: &str = "https://storage.azure.com/.default";

/// Advice for an Entra identity without a role.
pub(super) const NEW_ROLES: &str = " (a role that was assigned just now takes up to ten minutes to arrive)";

/// How long a connection may take to open, and an answer to go on, before a request is tried again.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
const READ_WITHIN: Duration = Duration::from_mins(1);

/// Connections of one client that stay open unused: a worker's share of the most copies that are in flight at once.
const MOST_IDLE: usize = 100;

/// How long a SAS minted for one server-side copy lasts.
const GRANT_HOURS: i64 = 12;

/// The identity that requests to the account are signed as.
#[derive(Clone)]
pub(super) enum Identity {
    /// By a connection string, which may be replaced while we run.
    ConnectionString(Arc<Rotating>),
    /// A Microsoft Entra ID bearer token.
    Entra(Arc<EntraCredential>),
    /// No identity: the request is unsigned, but the URL may carry its own SAS.
    Anonymous,
}

/// One account, one identity, one pool of connections.
pub(super) struct Account {
    /// Which of our services this is, for faults.
    pub service: Service,
    /// The service version that requests name.
    pub version: String,
    identity: Identity,
    options: ClientOptions,
    pipeline: Pipeline,
}

/// Connections as `azure_core` makes them, but for the bound: new ones are opened for requests that wait while others end,
/// and without a bound all of them stay.
fn connections(service: Service) -> Result<reqwest::Client, Fault> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(READ_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(MOST_IDLE)
        .build();
    client.map_err(|error| faults::misconfigured(service, format!("no HTTP client can be made: {error}")))
}

impl Account {
    /// The account of target and run store, and its blob endpoint.
    pub fn open(settings: &AccountSettings, service: Service) -> Result<(Self, Url), Fault> {
        match (&settings.connection_string, &settings.account_url) {
            (Some(secret), _) => {
                let rotating = Rotating::read(secret.clone(), service)?;
                let endpoint = rotating.endpoint.clone();
                Ok((Self::new(Identity::ConnectionString(Arc::new(rotating)), service)?, endpoint))
            }
            (None, Some(url)) if url.scheme() == "https" => {
                let mut endpoint = url.clone();
                endpoint.set_query(None);
                let path = url.path().trim_end_matches('/').to_owned();
                endpoint.set_path(&path);
                if let Some(hint) = hosts::dfs_hint(&endpoint) {
                    return Err(faults::misconfigured(service, format!("the account URL {hint}")));
                }
                Ok((Self::new(Identity::Entra(EntraCredential::new()), service)?, endpoint))
            }
            (None, Some(_)) => Err(faults::misconfigured(
                service,
                "the account URL is not https, and Microsoft Entra tokens travel by https only",
            )),
            (None, None) => Err(faults::misconfigured(
                service,
                "an az:// place needs its account: set AZURE_STORAGE_CONNECTION_STRING or \
                 AZURE_STORAGE_ACCOUNT_URL",
            )),
        }
    }

    /// An account with connections of its own. The client's own retries are off: a body from the network
    /// cannot be sent twice, so GET and PUT are retried together, above.
    pub fn new(identity: Identity, service: Service) -> Result<Self, Fault> {
        let transport = Transport::new(Arc::new(connections(service)?));
        Ok(Self::with_transport(identity, service, transport))
    }

    /// The same connections as another identity.
    pub fn with_transport(identity: Identity, service: Service, transport: Transport) -> Self {
        let authorisation: Option<Arc<dyn Policy>> = match &identity {
            Identity::ConnectionString(rotating) => Some(Arc::new(SignByKey(rotating.clone()))),
            Identity::Entra(entra) => {
                Some(Arc::new(BearerTokenAuthorizationPolicy::new(entra.clone(), [SCOPE])))
            }
            Identity::Anonymous => None,
        };
        let options = ClientOptions {
            per_try_policies: authorisation.into_iter().collect(),
            retry: RetryOptions::none(),
            transport: Some(transport),
            ..ClientOptions::default()
        };
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            options.clone(),
            Vec::new(),
            Vec::new(),
            None,
        );
        Self { service, version: BlobClientOptions::default().version, identity, options, pipeline }
    }

    /// Converts a client error into a fault; `doing` names the operation ("reading az://box/name").
    pub fn fault(&self, error: &azure_core::Error, doing: &str) -> Fault {
        self.judged(faults::of(error, self.service, doing))
    }

    /// Adapts the fault's kind to the identity of the request. A request that a URL's own signature authorises, or that
    /// has no credentials, is refused because of its file. If one of our own places refuses our Entra identity, it
    /// refuses every request. For a source, [`super::source`] finds out which of the two it is.
    pub fn judged(&self, mut fault: Fault) -> Fault {
        match (&self.identity, &fault.kind) {
            (Identity::Anonymous, FaultKind::Unauthenticated) => fault.kind = FaultKind::Denied,
            (Identity::Entra(_), FaultKind::Denied)
                if fault.service != Service::SourceBlobs && fault.status == Some(403) =>
            {
                fault.kind = FaultKind::NoRole;
                fault.what.push_str(NEW_ROLES);
            }
            _ => {}
        }
        fault
    }

    /// What a refusal of this identity by a whole container is called; `None` if the identity is not ours.
    pub fn refused_as_a_whole(&self) -> Option<FaultKind> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::ConnectionString(_) => Some(FaultKind::Unauthenticated),
            Identity::Entra(_) => Some(FaultKind::NoRole),
        }
    }

    /// What the credential says itself of its right to write; `None` if it says nothing.
    pub fn says_of_writing(&self) -> Result<Option<MayWrite>, Fault> {
        match &self.identity {
            Identity::ConnectionString(rotating) => {
                Ok(rotating.now(self.service)?.credential.says_of_writing())
            }
            Identity::Entra(_) | Identity::Anonymous => Ok(None),
        }
    }

    /// The URL to request. If the account's credential is a SAS, it is added to the query.
    pub fn authorised(&self, url: &Url) -> Result<Url, Fault> {
        let mut url = url.clone();
        if let Identity::ConnectionString(rotating) = &self.identity
            && let Credential::Sas(sas) = &rotating.now(self.service)?.credential
        {
            let query = url.query().map_or_else(|| sas.clone(), |query| format!("{query}&{sas}"));
            url.set_query(Some(&query));
        }
        Ok(url)
    }

    /// What another account needs to read `url`, which is ours.
    pub async fn grant(&self, url: &Url) -> Result<CopyGrant, Fault> {
        match &self.identity {
            Identity::ConnectionString(rotating) => {
                let now = rotating.now(self.service)?;
                let mut url = url.clone();
                let sas = match &now.credential {
                    Credential::Sas(sas) => sas.clone(),
                    Credential::SharedKey(key) => {
                        let path = url.path().strip_prefix(now.endpoint.path()).unwrap_or(url.path());
                        key.read_sas(path, Utc::now() + TimeDelta::hours(GRANT_HOURS))
                    }
                };
                url.set_query(Some(&sas));
                Ok(CopyGrant { url, authorization: None })
            }
            Identity::Entra(entra) => {
                let token = entra.get_token(&[SCOPE], None).await.map_err(|error| {
                    faults::of(&error, self.service, "asking Microsoft Entra ID for a token")
                })?;
                Ok(CopyGrant {
                    url: url.clone(),
                    authorization: Some(format!("Bearer {}", token.token.secret())),
                })
            }
            Identity::Anonymous => Ok(CopyGrant { url: url.clone(), authorization: None }),
        }
    }

    /// A request for `url` in the official client's version of the service. Where a run asks once per file it is sent as
    /// it is: the official client makes a pipeline for each blob, which costs more than the request.
    pub fn request(&self, url: &Url, method: Method) -> Result<Request, Fault> {
        let mut request = Request::new(self.authorised(url)?, method);
        request.insert_header("x-ms-version", self.version.clone());
        Ok(request)
    }

    /// The official client for one blob that is written in parts.
    pub fn blob(&self, url: &Url) -> Result<BlobClient, Fault> {
        let options =
            BlobClientOptions { client_options: self.options.clone(), ..BlobClientOptions::default() };
        BlobClient::new(self.authorised(url)?, None, Some(options))
            .map_err(|error| faults::of(&error, self.service, "making a client"))
    }

    /// What any other client of this account is made with.
    pub fn options(&self) -> ClientOptions {
        self.options.clone()
    }

    /// Sends a request and reads its answer whole.
    pub async fn send(&self, request: &mut Request) -> azure_core::Result<RawResponse> {
        let options = PipelineSendOptions::default();
        self.pipeline.send(&Context::new(), request, Some(options)).await
    }

    /// Sends a request whose answer is a stream.
    pub async fn stream(&self, request: &mut Request) -> azure_core::Result<AsyncRawResponse> {
        let options = PipelineStreamOptions::default();
        self.pipeline.stream(&Context::new(), request, Some(options)).await
    }
}

#[cfg(test)]
mod tests;
