//! Private Azurites for the tests: one process for each module of tests, on a free loopback port, its blobs
//! in memory. It ends when the test binary does, however that ends: Azurite watches its standard input, a pipe
//! whose other end only this process holds.
#![allow(dead_code, reason = "tests and benchmark each use a part")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use azure_core::http::Url;
use azure_storage_blob::{BlobClient, BlobContainerClient, models::BlockBlobClientUploadOptions};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{cache, npm};

/// The version that the scripts install.
pub fn version() -> &'static str {
    cache::version("AZURITE_VERSION")
}

/// The emulator's published account.
pub const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EVERY_RIGHT: &str = "rwdlacupx";
/// Runs before Azurite: it ends when its standard input does, and never collects garbage. Its collection starts after ten
/// minutes and answers nothing for minutes, since it looks through all extents for each one that it removes.
const BEFORE: &str = "data:text/javascript,import{createRequire}from'node:module';\
    createRequire(process.argv[1])('./utils/constants.js').DEFAULT_GC_INTERVAL_MS=2147483647;\
    process.stdin.on('end',()=>process.exit(0)).resume()";

/// A running Azurite.
pub struct Azurite {
    endpoint: String,
    account: String,
    key: String,
    sas: String,
    /// Of one that the tests started.
    _alive: Option<ChildStdin>,
}

impl Azurite {
    /// The Azurite of the test's module, started (and installed) by the first test that asks. One for all modules would
    /// take longer over each request with every blob that the tests before have left.
    pub async fn shared() -> &'static Self {
        static SHARED: Mutex<BTreeMap<String, &'static Azurite>> = Mutex::new(BTreeMap::new());
        // The test harness names a thread after its test.
        let thread = std::thread::current();
        let test = thread.name().filter(|name| name.contains("::")).unwrap_or_default();
        let module = test.split("::").next().unwrap_or_default().to_owned();
        let started = move || {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            *shared.entry(module).or_insert_with(|| Box::leak(Box::new(Self::start())))
        };
        tokio::task::spawn_blocking(started).await.unwrap()
    }

    /// One that runs elsewhere; its endpoint ends with the account's name.
    pub fn at(endpoint: String, account: &str, key: &str) -> Self {
        let sas = account_sas(account, key, "sco", EVERY_RIGHT);
        Self { endpoint, account: account.to_owned(), key: key.to_owned(), sas, _alive: None }
    }

    /// With the account's key.
    pub fn connection_string(&self) -> String {
        format!("AccountName={};AccountKey={};BlobEndpoint={}", self.account, self.key, self.endpoint)
    }

    /// With a shared access signature for everything.
    pub fn sas_connection_string(&self) -> String {
        format!("SharedAccessSignature={};BlobEndpoint={}", self.sas, self.endpoint)
    }

    /// With a signature for blobs alone: no container can be listed by it.
    pub fn object_connection_string(&self) -> String {
        self.with_signature("o", EVERY_RIGHT)
    }

    /// With a signature that only reads and lists.
    pub fn read_only_connection_string(&self) -> String {
        self.with_signature("sco", "rl")
    }

    fn with_signature(&self, resources: &str, rights: &str) -> String {
        let sas = account_sas(&self.account, &self.key, resources, rights);
        format!("SharedAccessSignature={sas};BlobEndpoint={}", self.endpoint)
    }

    /// `http://127.0.0.1:<port>/devstoreaccount1`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let url = Url::parse(&self.endpoint).unwrap();
        url.socket_addrs(|| None).unwrap()[0]
    }

    /// A new, empty container.
    pub async fn container(&self) -> String {
        let name = format!("box-{}", uuid::Uuid::new_v4().simple());
        self.create_container(&name).await;
        name
    }

    /// The same with a name that is given.
    pub async fn create_container(&self, name: &str) {
        BlobContainerClient::new(self.signed(name), None, None).unwrap().create(None).await.unwrap();
    }

    /// Removes a container with all that is in it.
    pub async fn discard(&self, container: &str) {
        BlobContainerClient::new(self.signed(container), None, None).unwrap().delete(None).await.unwrap();
    }

    /// Stores a blob as a stranger to our adapter would: without an MD5 beyond the service's own.
    pub async fn put(&self, container: &str, name: &str, bytes: impl Into<Bytes>) {
        self.put_with(container, name, bytes, BlockBlobClientUploadOptions::default()).await;
    }

    /// The same with properties.
    pub async fn put_with(
        &self,
        container: &str,
        name: &str,
        bytes: impl Into<Bytes>,
        options: BlockBlobClientUploadOptions<'_>,
    ) {
        let body = azure_core::http::Body::from(bytes.into());
        self.blob(container, name).upload(body.into(), Some(options)).await.unwrap();
    }

    /// A blob's bytes.
    pub async fn read(&self, container: &str, name: &str) -> Vec<u8> {
        let download = self.blob(container, name).download(None).await.unwrap();
        download.body.try_collect::<Vec<Bytes>>().await.unwrap().concat()
    }

    /// A blob's URL, without a signature.
    pub fn url(&self, container: &str, name: &str) -> url::Url {
        let mut url = self.signed_url(container, name);
        url.set_query(None);
        url
    }

    /// The official client of a blob, for what the helpers above cannot say.
    pub fn blob(&self, container: &str, name: &str) -> BlobClient {
        BlobClient::new(self.signed_url(container, name), None, None).unwrap()
    }

    /// The same with a signature for everything.
    pub fn signed_url(&self, container: &str, name: &str) -> url::Url {
        self.signed(&format!("{container}/{}", encode(name)))
    }

    fn signed(&self, path: &str) -> Url {
        Url::parse(&format!("{}/{path}?{}", self.endpoint, self.sas)).unwrap()
    }

    /// Another one, which speaks TLS with this certificate, listens to Microsoft Entra tokens, and calls itself by the name
    /// of the account at Azure. It checks a token's issuer, audience and times, but no signature. Only the program talks to
    /// it: clients of the tests do not know its certificate.
    pub fn with_entra(certificate: &Path, key: &Path) -> (Self, SocketAddr) {
        let text = |path: &Path| path.display().to_string();
        let options =
            ["--oauth", "basic", "--cert", &text(certificate), "--key", &text(key)].map(str::to_owned);
        let (alive, address) = Self::launch("https://", &options);
        let endpoint = format!("https://{ACCOUNT}.blob.core.windows.net:{}", address.port());
        (Self { _alive: Some(alive), ..Self::at(endpoint, ACCOUNT, KEY) }, address)
    }

    fn start() -> Self {
        let (alive, address) = Self::launch("http://", &[]);
        let azurite = Self::at(format!("http://{address}/{ACCOUNT}"), ACCOUNT, KEY);
        Self { _alive: Some(alive), ..azurite }
    }

    fn launch(scheme: &str, options: &[String]) -> (ChildStdin, SocketAddr) {
        let folder = npm::installed("azurite", version()).unwrap_or_else(|why| panic!("{why}"));
        let main = folder.join("node_modules/azurite/dist/src/blob/main.js");
        let mut child = Command::new("node")
            .args(["--import", BEFORE])
            .arg(main)
            .args(["--inMemoryPersistence", "--blobPort", "0", "--blobHost", "127.0.0.1"])
            .args(["--skipApiVersionCheck", "--silent", "--disableTelemetry"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node (18 or later) is needed for Azurite");
        let alive = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once(scheme).map(|(_, address)| address.trim().parse().unwrap()))
            .expect("Azurite says where it listens");
        // Its output is read to its end (a full pipe would stop it), then its exit is taken note of.
        std::thread::spawn(move || {
            lines.for_each(drop);
            child.wait()
        });
        (alive, address)
    }
}

fn encode(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// These rights on these types of resources, until 2099.
fn account_sas(account: &str, key: &str, resources: &str, rights: &str) -> String {
    let fields = BTreeMap::from([
        ("sp", rights),
        ("ss", "b"),
        ("srt", resources),
        ("se", "2099-01-01T00:00:00Z"),
        ("sv", "2020-08-04"),
    ]);
    let text = format!(
        "{account}\n{}\n{}\n{}\n\n{}\n\n\n{}\n",
        fields["sp"], fields["ss"], fields["srt"], fields["se"], fields["sv"]
    );
    let mut hmac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    hmac.update(text.as_bytes());
    let signature = BASE64_STANDARD.encode(hmac.finalize().into_bytes());
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("sig", &signature)
        .finish()
}
