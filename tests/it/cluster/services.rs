//! PostgreSQL and Azurite in the cluster, with the sample that `deploy/kind/run.sh --services` made, as the test process reaches
//! them. All tests share them; each has its own database and containers.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rogo_migrate::sample::{self, SampleOptions};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};

use super::kubectl::Kubectl;
use crate::{
    chart::rendered::text,
    support::{azurite::Azurite, port::Port},
};

/// As `deploy/kind/run.sh` makes it: the same seed makes the same sample.
pub const ROWS: u64 = 400;
const SEED: u64 = 1;
const ACCOUNT: &str = "demo";

/// Keeps a port of this machine connected with one of the cluster, until the test process ends, however it ends: a `kubectl
/// port-forward` that lost its connection is begun again, on the same port. What it carried then is lost: it ends with the first
/// connection that a pod resets.
const FORWARD: &str = r#"(
    trap 'kill "$forward"; exit' TERM
    while :; do
        kubectl --namespace "$1" port-forward "$2" "$4:$3" &
        forward=$!
        wait "$forward"
        echo "the way to $2 is opened again" >&2
        sleep 0.2
    done
) &
keeping=$!
read -r _
kill "$keeping""#;

/// The way into the cluster is tried again and again: longer than this means that the service has no pod, or the cluster no answer.
const OPENS_WITHIN: Duration = Duration::from_mins(2);

/// The shared services.
pub struct Services {
    pub namespace: String,
    pub azurite: Azurite,
    /// Made here once more, for what its files tell.
    pub sample: PathBuf,
    account_key: String,
    postgres: SocketAddr,
    postgres_password: String,
    _sample: tempfile::TempDir,
    _forwards: Vec<Child>,
}

impl Services {
    /// Reached by the first who asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Services> = OnceLock::new();
        SHARED.get_or_init(|| Self::reach(&variable("ROGO_TEST_SERVICES")))
    }

    fn reach(namespace: &str) -> Self {
        let kubectl = Kubectl::new(namespace);
        let secret = kubectl.get(&["secret/rogo-migrate"]);
        let value = |key: &str| {
            let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let accounts = value("AZURITE_ACCOUNTS");
        let (_, account_key) = accounts.split_once(':').unwrap();
        let mut forwards = Vec::new();
        let [azurite, postgres] = [("azurite", 10000), ("postgres", 5432)].map(|(service, port)| {
            direct(&kubectl, service, port).unwrap_or_else(|| {
                let (address, child) = forward(namespace, service, port);
                forwards.push(child);
                address
            })
        });
        let folder = tempfile::tempdir().unwrap();
        let mut options = SampleOptions::new(ROWS, SEED, folder.path().join("sample"));
        options.source_url = Some(source_url(namespace).parse().unwrap());
        sample::generate(&options).unwrap();
        Self {
            namespace: namespace.to_owned(),
            azurite: Azurite::at(format!("http://{azurite}/{ACCOUNT}"), ACCOUNT, account_key),
            sample: folder.path().join("sample"),
            account_key: account_key.to_owned(),
            postgres,
            postgres_password: value("POSTGRES_PASSWORD"),
            _sample: folder,
            _forwards: forwards,
        }
    }

    /// Where pods find the source files.
    pub fn source_url(&self) -> String {
        source_url(&self.namespace)
    }

    /// The storage account, as pods reach it.
    pub fn storage(&self) -> String {
        let Self { namespace, account_key, .. } = self;
        format!(
            "AccountName={ACCOUNT};AccountKey={account_key};BlobEndpoint=http://azurite.{namespace}:10000/{ACCOUNT};"
        )
    }

    /// A database's URL for a role, as pods reach it.
    pub fn database_url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@postgres.{}/{database}?sslmode=disable", self.namespace)
    }

    /// The superuser's connections to a database, for the test itself.
    pub fn pool(&self, database: &str) -> PgPool {
        PgPoolOptions::new().max_connections(3).connect_lazy(&self.superuser_url(database)).unwrap()
    }

    /// One connection of the superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.superuser_url(database)).await.expect("PostgreSQL answers")
    }

    fn superuser_url(&self, database: &str) -> String {
        let Self { postgres, postgres_password, .. } = self;
        format!("postgres://postgres:{postgres_password}@{postgres}/{database}?sslmode=disable")
    }

    /// The image of a shared service: one that the cluster has.
    pub fn image(&self, service: &str) -> String {
        let deployment = Kubectl::new(&self.namespace).get(&[&format!("deployment/{service}")]);
        text(&deployment, "/spec/template/spec/containers/0/image")
    }

    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.sample.join(name)
    }
}

fn source_url(namespace: &str) -> String {
    format!("http://azurite.{namespace}:10000/{ACCOUNT}/source")
}

/// A variable that `tests/cluster.sh` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/cluster.sh"))
}

/// The address of a Service, if this machine reaches it as pods do.
fn direct(kubectl: &Kubectl, service: &str, port: u16) -> Option<SocketAddr> {
    let ip = text(&kubectl.get(&[&format!("service/{service}")]), "/spec/clusterIP");
    let address = SocketAddr::new(ip.parse().ok()?, port);
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    Some(address)
}

/// A free port of this machine that leads into the cluster.
fn forward(namespace: &str, service: &str, port: u16) -> (SocketAddr, Child) {
    let free = Port::hold();
    let mut child = Command::new("sh")
        .args(["-c", FORWARD, "forward", namespace, &format!("service/{service}")])
        .args([port, free.number()].map(|port| port.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (sender, opened) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let is_open = lines.any(|line| line.starts_with("Forwarding from "));
        // Fails if the test waits no longer.
        let _ = sender.send(is_open);
        // It tells of every connection: a full pipe would stop it.
        lines.for_each(drop);
    });
    let is_open = opened.recv_timeout(OPENS_WITHIN);
    assert_eq!(is_open, Ok(true), "{service} of {namespace} is not reached within {OPENS_WITHIN:?}");
    (free.address(), child)
}
