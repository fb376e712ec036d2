//! Reads learners' and markers' files by URL, with the identity that the settings name or that the source accepts.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use azure_core::http::Url;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

mod known;
mod local;
mod whole;

use known::KnownIdentity;
use local::{head_local, local, read_local};
pub(super) use local::{is_in, real_folders};
use whole::{Refusals, neighbour};

use super::{
    account::{Account, Identity},
    azure, hosts,
    reader::{self, is_directory},
    rotating::Rotating,
    source_folder,
};
use crate::{
    domain::source_container,
    identity::EntraCredential,
    ports::{BlobInfo, BlobReader, CopyGrant, Fault, FaultKind, Service, Source, gently},
    settings::{AccountSettings, Secret, SourceAuth, SourceSettings},
};

const SERVICE: Service = Service::SourceBlobs;

/// Name of a file that does not exist, used to test access.
const NO_FILE: &str = "rogo-migrate-check";

/// Reads source files by their URL.
pub(super) struct UrlSource {
    auth: SourceAuth,
    /// Allowed places on this machine.
    folders: Vec<PathBuf>,
    /// The account URL of target and run store, whose suffix may see a token too.
    account_url: Option<Url>,
    /// Accounts that a connection string is for, the source's before the target's.
    accounts: Vec<(Url, Arc<Account>)>,
    anonymous: Arc<Account>,
    entra: Arc<EntraCredential>,
    entra_account: Arc<Account>,
    /// With [`SourceAuth::Auto`]: whether there is an identity.
    known: KnownIdentity,
    /// Containers that were asked whether they refuse our identity as a whole.
    refusals: Refusals,
}

impl UrlSource {
    pub fn open(settings: &SourceSettings, target: &AccountSettings) -> Result<Self, Fault> {
        let mut accounts = Vec::new();
        let strings: [Option<&Secret>; 2] = match settings.auth {
            SourceAuth::Auto => [settings.connection_string.as_ref(), target.connection_string.as_ref()],
            SourceAuth::Anonymous | SourceAuth::Entra => [None, None],
        };
        for secret in strings.into_iter().flatten() {
            let rotating = Rotating::read(secret.clone(), SERVICE)?;
            let endpoint = rotating.endpoint.clone();
            let account = Account::new(Identity::ConnectionString(Arc::new(rotating)), SERVICE)?;
            accounts.push((endpoint, Arc::new(account)));
        }
        let entra = EntraCredential::new();
        Ok(Self {
            auth: settings.auth,
            folders: settings.allow.iter().filter_map(|url| local(url).ok().flatten()).collect(),
            account_url: target.account_url.clone(),
            accounts,
            anonymous: Arc::new(Account::new(Identity::Anonymous, SERVICE)?),
            entra_account: Arc::new(Account::new(Identity::Entra(entra.clone()), SERVICE)?),
            entra,
            known: KnownIdentity::default(),
            refusals: Refusals::default(),
        })
    }

    /// Who reads this URL: its own SAS before all, then the connection string of its account, then Entra ID.
    async fn reader_of(&self, url: &Url) -> Result<&Arc<Account>, Fault> {
        if !matches!(url.scheme(), "http" | "https") {
            let what = format!("{} cannot be read: neither http(s) nor file", shown(url));
            return Err(Fault::new(SERVICE, FaultKind::Misconfigured, what));
        }
        if url.query_pairs().any(|(name, _)| name == "sig") {
            return Ok(&self.anonymous);
        }
        if let Some((_, account)) = self.accounts.iter().find(|(endpoint, _)| is_below(endpoint, url)) {
            return Ok(account);
        }
        let may_see_a_token = hosts::may_see_a_token(url, self.account_url.as_ref());
        Ok(match self.auth {
            SourceAuth::Entra if !may_see_a_token => {
                let what = format!(
                    "{} cannot be read with source-auth entra: a token goes only to Azure Storage by https, or to the \
                     account URL's own hosts; give the file's URL a SAS, or set source-auth to anonymous",
                    shown(url)
                );
                return Err(Fault::new(SERVICE, FaultKind::Denied, what));
            }
            SourceAuth::Entra => &self.entra_account,
            SourceAuth::Auto if may_see_a_token && self.known.is_there(&self.entra).await? => {
                &self.entra_account
            }
            SourceAuth::Auto | SourceAuth::Anonymous => &self.anonymous,
        })
    }
}

#[async_trait]
impl Source for UrlSource {
    async fn get(&self, url: &Url) -> Result<BlobReader, Fault> {
        if let Some(path) = local(url)? {
            return read_local(url, path, &self.folders).await;
        }
        let account = self.reader_of(url).await?;
        match reader::get(account.clone(), url, &shown(url)).await {
            Ok(reader) if is_directory(&reader.info) => Err(no_file(url)),
            Ok(reader) => Ok(reader),
            Err(fault) => Err(self.refusals.explained(account, url, fault).await),
        }
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        if let Some(path) = local(url)? {
            return head_local(url, path, &self.folders).await;
        }
        let account = self.reader_of(url).await?;
        let name = shown(url);
        match gently(|| azure::head(account, url, &name)).await {
            Ok(info) if is_directory(&info) => Err(no_file(url)),
            Ok(info) => Ok(info),
            Err(fault) => Err(self.refusals.explained(account, url, fault).await),
        }
    }

    async fn grant(&self, url: &Url) -> Result<Option<CopyGrant>, Fault> {
        if url.scheme() == "file" {
            return Ok(None);
        }
        self.reader_of(url).await?.grant(url).await.map(Some)
    }

    fn list<'a>(&'a self, example: &'a Url, prefix: &'a str) -> BoxStream<'a, Result<Vec<BlobInfo>, Fault>> {
        if example.scheme() == "file" {
            return source_folder::list(prefix, &self.folders);
        }
        let pages = async move {
            let account = self.reader_of(example).await?.clone();
            let place = source_container(example);
            Ok(azure::listing::pages(account, container_of(example), &place, "", prefix))
        };
        stream::once(pages).try_flatten().boxed()
    }
}

/// The URL as it may be shown: its container. Paths and queries may hold names and secrets; which file it was,
/// the row and the file's place in it say.
fn shown(url: &Url) -> String {
    format!("a file in {}", source_container(url))
}

fn no_file(url: &Url) -> Fault {
    Fault::new(SERVICE, FaultKind::NotFound, format!("{} is a directory, not a file", shown(url)))
}

/// The container of `url`, with the file's own signature if it has one.
fn container_of(url: &Url) -> Url {
    let mut container = neighbour(url);
    if let Ok(mut segments) = container.path_segments_mut() {
        segments.pop();
    }
    container
}

/// Whether `url` lies in the account at `endpoint`: host and whole path segments.
fn is_below(endpoint: &Url, url: &Url) -> bool {
    let base = endpoint.path().trim_end_matches('/');
    endpoint.origin() == url.origin()
        && url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_owns_the_urls_below_it_only() {
        let below =
            |endpoint: &str, url: &str| is_below(&Url::parse(endpoint).unwrap(), &Url::parse(url).unwrap());
        assert!(below("https://a.blob.core.windows.net", "https://a.blob.core.windows.net/box/f"));
        assert!(below("http://127.0.0.1:1/acc", "http://127.0.0.1:1/acc/box/f"));
        assert!(!below("http://127.0.0.1:1/acc", "http://127.0.0.1:1/accx/box/f"));
        assert!(!below("http://127.0.0.1:1/acc", "http://127.0.0.1:2/acc/box/f"));
        assert!(!below("https://a.blob.core.windows.net", "http://a.blob.core.windows.net/box/f"));
        assert!(!below("https://a.blob.core.windows.net", "https://a.blob.core.windows.net.evil/box/f"));
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret_and_no_name() {
        let url = Url::parse("https://user:pw@h/box/f%20g?sig=secret#x").unwrap();
        assert_eq!(shown(&url), "a file in https://h/box");
    }
}
