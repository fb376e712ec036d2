//! The scripted SQL Server of the tests: TDS 7.4, the statements that the program sends, two tables from
//! given data, and faults that can be switched on while it runs.
//!
//! ```text
//! session: pre-login, TLS, login, batches ─ login, tls, wire (packets, tokens), cells (types, values)
//! sql: what a batch asks ─ data: the rows ─ script: faults and counters ─ control: the same over a port
//! ```

#![allow(dead_code, reason = "the tests and the program `tds-server` each use a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken test server may panic")]

#[path = "tds/cells.rs"]
pub mod cells;
#[path = "tds/control.rs"]
pub mod control;
#[path = "tds/data.rs"]
pub mod data;
#[path = "tds/login.rs"]
mod login;
#[path = "tds/procedure.rs"]
mod procedure;
#[path = "tds/script.rs"]
pub mod script;
#[path = "tds/session.rs"]
mod session;
#[path = "tds/sql.rs"]
mod sql;
#[path = "tds/tls.rs"]
pub mod tls;
#[path = "tds/wire.rs"]
mod wire;

use std::{io, net::SocketAddr, sync::Arc};

use data::Data;
use script::Script;
use tls::{Certificate, Identity};
use tokio::net::TcpListener;

/// How the server behaves from its start on.
#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    pub user: String,
    pub password: String,
    pub encryption: Encryption,
    pub certificate: Certificate,
    /// SERVERPROPERTY('EngineEdition'); with 6 it refuses what Synapse refuses.
    pub engine_edition: i32,
    /// Whether an index leads on AttemptId.
    pub has_index: bool,
    /// What `count_big(*)` of a whole table answers in place of the truth: many rows need not be made to be believed.
    pub claimed_rows: Option<i64>,
    /// Rows come in the opposite order: without ORDER BY no order is promised.
    pub reversed: bool,
    /// Columns (table, column) that the login sees masked.
    pub masked: Vec<(String, String)>,
}

/// What the server says of encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// As the client wishes: everything, or the login only. SQL Server's default.
    Offered,
    /// Everything, always.
    Required,
    /// None at all, not even for the login.
    Unsupported,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "reader".into(),
            password: "S3cret;{}".into(),
            encryption: Encryption::Offered,
            certificate: Certificate::Valid,
            engine_edition: 5,
            has_index: true,
            claimed_rows: None,
            reversed: false,
            masked: Vec::new(),
        }
    }
}

/// A result that is meant: its columns and its rows.
pub type Meant = (Vec<(String, cells::Type)>, Vec<Vec<cells::Cell>>);

/// A running server; dropping it stops it.
pub struct TdsServer {
    pub address: SocketAddr,
    pub script: Arc<Script>,
    /// Its certificate (PEM), which is its own authority.
    pub certificate_pem: String,
    server: Arc<session::Server>,
    options: Options,
    accepting: tokio::task::JoinHandle<()>,
}

impl TdsServer {
    pub async fn start(data: Data, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let identity = Identity::new(options.certificate);
        let certificate_pem = identity.pem.clone();
        let script = Arc::new(Script::new(&options.password));
        let emptied = data.emptied();
        let (shown, scripted) = (options.clone(), script.clone());
        let server = Arc::new(session::Server { data, emptied, options: shown, identity, script: scripted });
        let shared = server.clone();
        let accepting = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let server = server.clone();
                // A session that ends in an error ended as its client or the script wanted.
                sessions.spawn(async move { session::serve(socket, &server).await });
                while sessions.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, script, certificate_pem, server: shared, options, accepting })
    }

    /// An ADO.NET connection string without encryption beyond the login; more keys may be appended.
    pub fn connection_string(&self) -> String {
        format!("{};Encrypt=False", self.connection_string_without_encrypt())
    }

    /// The same with the port of a proxy on this machine.
    pub fn connection_string_through(&self, proxy: SocketAddr) -> String {
        let port = |address: SocketAddr| format!(",{};", address.port());
        self.connection_string().replace(&port(self.address), &port(proxy))
    }

    /// What the server means by its answer to a batch: of each result the columns and the rows.
    pub fn meant(&self, batch: &str) -> Vec<Meant> {
        session::selects(batch)
            .map(|select| match sql::answer(select, &self.server.data, &self.options) {
                Ok(answer) => (answer.columns, answer.rows.collect()),
                Err(refused) => panic!("{} {}", refused.0, refused.1),
            })
            .collect()
    }

    /// [`Self::connection_string`] with `Encrypt` left to the caller (the default encrypts everything).
    pub fn connection_string_without_encrypt(&self) -> String {
        format!(
            "Server=tcp:localhost,{};Database=dw;User ID={};Password=\"{}\"",
            self.address.port(),
            self.options.user,
            self.options.password.replace('"', "\"\"")
        )
    }
}

impl Drop for TdsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
