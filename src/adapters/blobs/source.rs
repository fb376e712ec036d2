//! Reads learners' and markers' files by URL, with the identity that the settings name or that the source accepts.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::Url;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{Mutex, OnceCell};

mod local;

use local::{at, info_of_local, local, read_local};

use super::{
    account::{Account, Identity, NEW_ROLES, SCOPE},
    azure, hosts,
    reader::{self, is_directory},
    rotating::Rotating,
    source_folder,
};
use crate::{
    domain::source_container,
    identity::EntraCredential,
    ports::{BlobInfo, BlobReader, CopyGrant, Fault, FaultKind, Retry, Service, Source, gently},
    settings::{AccountSettings, Secret, SourceAuth, SourceSettings},
};

const SERVICE: Service = Service::SourceBlobs;

/// Name of a file that does not exist, used to test access.
const NO_FILE: &str = "rogo-migrate-check";

/// How long the finding that a container refuses our identity is kept.
const REFUSAL_HOLDS: Duration = Duration::from_secs(5);

/// Deadline of the search for an Entra identity.
const IDENTITY_PATIENCE: Duration = Duration::from_mins(1);

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
    has_identity: OnceCell<bool>,
    /// Containers that were asked whether they refuse our identity as a whole, and when.
    refusals: Mutex<HashMap<String, (Instant, bool)>>,
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
            has_identity: OnceCell::new(),
            refusals: Mutex::default(),
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
            SourceAuth::Auto if may_see_a_token && self.has_identity().await? => &self.entra_account,
            SourceAuth::Auto | SourceAuth::Anonymous => &self.anonymous,
        })
    }

    /// The fault as it concerns the file, or everything in its container: if our own identity is refused, a neighbour
    /// in the same container is asked for, and if that is refused too, no file is to blame.
    async fn explained(&self, account: &Account, url: &Url, mut fault: Fault) -> Fault {
        if let Some(hint) = hosts::dfs_hint(url).filter(|_| fault.kind.retry() == Retry::Never) {
            fault.what = format!("{}; its URL {hint}", fault.what);
        }
        let Some(kind) = account.refused_as_a_whole() else { return fault };
        if fault.kind == FaultKind::Denied
            && fault.status == Some(403)
            && self.refuses_as_a_whole(account, url).await
        {
            let roles = if kind == FaultKind::NoRole { NEW_ROLES } else { "" };
            fault.what = format!("{}; so is every other file in that container{roles}", fault.what);
            fault.kind = kind;
        }
        fault
    }

    /// Asked at most every [`REFUSAL_HOLDS`] for a container.
    async fn refuses_as_a_whole(&self, account: &Account, url: &Url) -> bool {
        let container = source_container(url);
        let mut refusals = self.refusals.lock().await;
        if let Some((asked, answer)) = refusals.get(&container)
            && asked.elapsed() < REFUSAL_HOLDS
        {
            return *answer;
        }
        let asked = azure::head(account, &neighbour(url), "a neighbour of the file").await;
        let answer = matches!(&asked, Err(fault) if fault.kind == FaultKind::Denied);
        refusals.insert(container, (Instant::now(), answer));
        answer
    }

    /// Remembered once it is certain: files that an identity may read must not be read without for its silence.
    async fn has_identity(&self) -> Result<bool, Fault> {
        let ask = || async {
            if self.entra.is_known() {
                return Ok(true);
            }
            match tokio::time::timeout(IDENTITY_PATIENCE, self.entra.get_token(&[SCOPE], None)).await {
                Ok(answer) => Ok(answer.is_ok() || self.entra.is_known()),
                Err(_elapsed) => {
                    let what = "Microsoft Entra ID did not answer within 60 s; see whether it can be reached";
                    Err(Fault::new(SERVICE, FaultKind::Unavailable, what))
                }
            }
        };
        self.has_identity.get_or_try_init(ask).await.copied()
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
            Err(fault) => Err(self.explained(account, url, fault).await),
        }
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        if let Some(path) = local(url)? {
            let doing = format!("looking at {}", shown(url));
            let metadata = at(path, &self.folders, &doing, |path| std::fs::metadata(path)).await?;
            return Ok(info_of_local(url, &metadata));
        }
        let account = self.reader_of(url).await?;
        let name = shown(url);
        match gently(|| azure::head(account, url, &name)).await {
            Ok(info) if is_directory(&info) => Err(no_file(url)),
            Ok(info) => Ok(info),
            Err(fault) => Err(self.explained(account, url, fault).await),
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
            return source_folder::list(prefix);
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

/// A name in the container of `url` that no file has, asked for as the file itself is: by the file's own signature if
/// it has one. At the root of the container, because a directory may have rights of its own.
fn neighbour(url: &Url) -> Url {
    let mut neighbour = url.clone();
    let below_container = source_container(url).matches('/').count() - 2;
    let container: Vec<String> =
        url.path_segments().into_iter().flatten().take(below_container).map(str::to_owned).collect();
    if let Ok(mut segments) = neighbour.path_segments_mut() {
        segments.clear().extend(container).push(NO_FILE);
    }
    neighbour
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
    fn a_neighbour_lies_at_the_root_of_the_container_and_is_asked_for_as_the_file_is() {
        for (file, expected) in [
            ("https://a.example/box/deep/f%20x.docx?sig=x", "https://a.example/box/rogo-migrate-check?sig=x"),
            ("http://127.0.0.1:1/acc/box/deep/f", "http://127.0.0.1:1/acc/box/rogo-migrate-check"),
        ] {
            assert_eq!(neighbour(&file.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret_and_no_name() {
        let url = Url::parse("https://user:pw@h/box/f%20g?sig=secret#x").unwrap();
        assert_eq!(shown(&url), "a file in https://h/box");
    }
}
