//! Where learners' and markers' files are read from: by URL, as whoever may read there.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::Url;
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;
use tokio_util::io::ReaderStream;

use super::{
    account::{Account, Identity, Rotating, SCOPE},
    azure, faults, reader, sidecar,
};
use crate::{
    domain::source_container,
    identity::EntraCredential,
    ports::{BlobInfo, BlobReader, CopyGrant, Fault, FaultKind, Service, Source},
    settings::{AccountSettings, Secret, SourceAuth, SourceSettings},
};

const SERVICE: Service = Service::SourceBlobs;

/// How much of a local file is read at a time.
const READ_BYTES: usize = 256 * 1024;

/// How long an identity may take to show itself.
const IDENTITY_PATIENCE: Duration = Duration::from_mins(1);

/// Files by URL.
pub(super) struct UrlSource {
    auth: SourceAuth,
    /// Accounts that a connection string is for, the source's before the target's.
    accounts: Vec<(Url, Arc<Account>)>,
    anonymous: Arc<Account>,
    entra: Arc<EntraCredential>,
    entra_account: Arc<Account>,
    /// With [`SourceAuth::Auto`]: whether there is an identity.
    has_identity: OnceCell<bool>,
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
            let account = Account::new(Identity::ConnectionString(Arc::new(rotating)), SERVICE);
            accounts.push((endpoint, Arc::new(account)));
        }
        let entra = EntraCredential::new();
        Ok(Self {
            auth: settings.auth,
            accounts,
            anonymous: Arc::new(Account::new(Identity::Anonymous, SERVICE)),
            entra_account: Arc::new(Account::new(Identity::Entra(entra.clone()), SERVICE)),
            entra,
            has_identity: OnceCell::new(),
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
        Ok(match self.auth {
            SourceAuth::Entra => &self.entra_account,
            SourceAuth::Auto if url.scheme() == "https" && self.has_identity().await? => &self.entra_account,
            SourceAuth::Auto | SourceAuth::Anonymous => &self.anonymous,
        })
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
            return read_local(url, path).await;
        }
        reader::get(self.reader_of(url).await?.clone(), url, &shown(url)).await
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        if let Some(path) = local(url)? {
            let doing = format!("looking at {}", shown(url));
            let metadata = tokio::fs::metadata(path).await;
            let metadata = metadata.map_err(|error| faults::of_io(error, SERVICE, &doing))?;
            return Ok(info_of_local(url, &metadata));
        }
        let account = self.reader_of(url).await?;
        let name = shown(url);
        azure::gently(|| azure::head(account, url, &name)).await
    }

    async fn grant(&self, url: &Url) -> Result<Option<CopyGrant>, Fault> {
        if url.scheme() == "file" {
            return Ok(None);
        }
        self.reader_of(url).await?.grant(url).await.map(Some)
    }
}

/// The URL as it may be shown: its container. Paths and queries may hold names and secrets; which file it was,
/// the row and the file's place in it say.
fn shown(url: &Url) -> String {
    format!("a file in {}", source_container(url))
}

/// Whether `url` lies in the account at `endpoint`: host and whole path segments.
fn is_below(endpoint: &Url, url: &Url) -> bool {
    let base = endpoint.path().trim_end_matches('/');
    endpoint.origin() == url.origin()
        && url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

fn local(url: &Url) -> Result<Option<PathBuf>, Fault> {
    if url.scheme() != "file" {
        return Ok(None);
    }
    url.to_file_path().map(Some).map_err(|()| {
        let what = format!("{} names no file of this machine", shown(url));
        Fault::new(SERVICE, FaultKind::Misconfigured, what)
    })
}

async fn read_local(url: &Url, path: PathBuf) -> Result<BlobReader, Fault> {
    let doing = format!("reading {}", shown(url));
    let unreadable = |error| faults::of_io(error, SERVICE, &doing);
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    if !metadata.is_file() {
        let what = format!("{doing}: it is not a file");
        return Err(Fault::new(SERVICE, FaultKind::NotFound, what));
    }
    let info = info_of_local(url, &metadata);
    let body = ReaderStream::with_capacity(file, READ_BYTES)
        .map_err(move |error| faults::of_io(error, SERVICE, &doing))
        .boxed();
    Ok(BlobReader { info, body })
}

fn info_of_local(url: &Url, metadata: &std::fs::Metadata) -> BlobInfo {
    BlobInfo {
        name: shown(url),
        size_bytes: metadata.len(),
        etag: Some(sidecar::etag(metadata)),
        ..BlobInfo::default()
    }
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
