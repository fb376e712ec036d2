//! Pooled connections, opened with the present secret and closed after any fault that leaves their state unknown.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use azure_core::credentials::TokenCredential;
use deadpool::{
    Runtime,
    managed::{self, Metrics, PoolError, RecycleError, RecycleResult, Timeouts},
};
use futures_util::TryStreamExt;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem, Row, error::Error};
use tokio::{net::TcpStream, sync::OnceCell, time::timeout};
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::{
    connection_string::{ConnectionString, Login},
    dial::Address,
    entra, faults, secret, values,
};
use crate::{
    ports::{Fault, FaultKind, Service},
    settings::Secret,
};

pub(super) type Pool = managed::Pool<Connector>;

/// A gateway sends a client on once; more than this is a circle.
const MOST_REDIRECTS: usize = 4;
/// The longest wait for the server's next bytes if the connection string gives none: a scan may
/// need minutes before its first row.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(10);
/// The longest wait for a connection that others use.
const POOL_WAIT: Duration = Duration::from_mins(15);
/// The column of the select that closes a batch. No column that is asked for has this name.
const CLOSING: &str = "batch";

/// A pool of at most `size` connections. Nothing is connected yet.
pub(super) fn pool(connector: Connector, size: u32) -> Result<Pool, Fault> {
    Pool::builder(connector)
        .max_size(size.max(1) as usize)
        .timeouts(Timeouts { wait: Some(POOL_WAIT), create: None, recycle: None })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| {
            Fault::caused(Service::Warehouse, FaultKind::Misconfigured, "no connection pool", error)
        })
}

/// Asks on a connection of the pool, as [`Connection::run`] does. A connection that has not read everything leaves the pool and
/// is closed, so that the server sends nothing more.
pub(super) async fn run(
    pool: &Pool,
    selects: &[String],
    longest: Duration,
    each: impl FnMut(usize, Row) -> Result<ControlFlow<()>, Fault>,
) -> Result<ControlFlow<()>, Fault> {
    let mut connection = get(pool).await?;
    let read = connection.run(selects, longest, each).await;
    if !connection.in_step {
        drop(managed::Object::take(connection));
    }
    read
}

/// A connection from the pool, newly opened where none is idle. A fault is one before the warehouse was asked.
async fn get(pool: &Pool) -> Result<managed::Object<Connector>, Fault> {
    let no_session = |error| match error {
        PoolError::Backend(fault) => fault,
        error => Fault::caused(
            Service::Warehouse,
            FaultKind::Unavailable,
            "no connection became free; raise --warehouse-pool or ask with fewer workers",
            error,
        ),
    };
    Box::pin(pool.get()).await.map_err(|error| no_session(error).before_asking())
}

/// Opens connections with the secret as it is at that moment, so that it may be rotated.
#[derive(Clone)]
pub(super) struct Connector {
    secret: Secret,
    credential: OnceCell<Arc<dyn TokenCredential>>,
}

impl Connector {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, credential: OnceCell::new() }
    }

    /// With this credential in place of the one that `Authentication` names.
    pub(super) fn with_credential(self, credential: Arc<dyn TokenCredential>) -> Self {
        Self { credential: OnceCell::new_with(Some(credential)), ..self }
    }

    /// The connection string as it is now.
    pub(super) fn settings(&self) -> Result<ConnectionString, Fault> {
        secret::parsed(self.secret.read())
    }

    async fn config(&self, settings: &ConnectionString) -> Result<Config, Fault> {
        let mut config = Config::new();
        config.host(&settings.host);
        config.port(settings.port);
        if let Some(database) = &settings.database {
            config.database(database);
        }
        config.authentication(self.authentication(settings).await?);
        config.encryption(if settings.encrypt { EncryptionLevel::Required } else { EncryptionLevel::Off });
        if settings.trust_certificate {
            config.trust_cert();
        }
        if let Some(host) = &settings.certificate_host {
            config.hostname_in_certificate(host);
        }
        if let Some(name) = &settings.workstation {
            config.client_name(name);
        }
        config.application_name(&settings.application);
        config.readonly(settings.read_only);
        config.packet_size(settings.packet_size);
        config.handshake_timeout(Some(settings.connect_timeout));
        config.command_timeout(Some(settings.command_timeout.unwrap_or(COMMAND_TIMEOUT)));
        // A lone surrogate must not end the stream: it arrives as U+FFFD and is asked for once more as bytes.
        config.lossy_utf16_decoding(true);
        Ok(config)
    }

    async fn authentication(&self, settings: &ConnectionString) -> Result<AuthMethod, Fault> {
        match &settings.login {
            Login::Sql { user, password } => Ok(AuthMethod::sql_server(user, password)),
            Login::Entra { identity, client_id } => {
                let credential = self
                    .credential
                    .get_or_try_init(async || entra::credential(*identity, client_id.as_deref()))
                    .await?;
                Ok(AuthMethod::aad_token(entra::token(credential.as_ref(), settings.cloud()).await?))
            }
        }
    }
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = Fault;

    async fn create(&self) -> Result<Connection, Fault> {
        let settings = secret::read(&self.secret).await?;
        let place = settings.place();
        let mut config = self.config(&settings).await?;
        let mut address = Address { host: settings.host.clone(), port: settings.port };
        for _ in 0..MOST_REDIRECTS {
            let tcp = address.connect(&settings, &place).await?;
            match Box::pin(Client::connect(config.clone(), tcp.compat_write())).await {
                Ok(client) => {
                    return Ok(Connection {
                        client,
                        place,
                        command_timeout: settings.command_timeout,
                        batches: 0,
                        in_step: true,
                    });
                }
                Err(Error::Routing { host, port }) => {
                    let machine = host.split('\\').next().unwrap_or(&host).to_owned();
                    if !settings.may_log_in_at(&machine) {
                        return Err(faults::unseen(&place, &machine));
                    }
                    // LOGIN7 repeats the whole `host\instance`: the server finds the database by it.
                    config.host(&host);
                    config.port(port);
                    if settings.certificate_host.is_none() {
                        config.hostname_in_certificate(&machine);
                    }
                    address = Address { host: machine, port };
                }
                Err(error) => return Err(faults::of_login(error, &place, address.is_own(&settings))),
            }
        }
        Err(faults::unavailable(format!("{place}: redirected more than {MOST_REDIRECTS} times")))
    }

    /// A question that was dropped half way comes back out of step.
    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Fault> {
        if connection.in_step { Ok(()) } else { Err(RecycleError::message("out of step")) }
    }
}

/// A session, one batch at a time.
pub(super) struct Connection {
    client: Client<Compat<TcpStream>>,
    place: String,
    /// Longest wait for the next bytes of the server.
    command_timeout: Option<Duration>,
    batches: i32,
    /// Whether everything that was asked has been read to its end.
    in_step: bool,
}

impl Connection {
    /// Sends the selects as one batch and hands each row over with the index of its select, until `each` breaks off. What
    /// is left of the answer is then not read.
    ///
    /// For the driver, a message that ends without DONE is a success. Therefore the batch ends with a select of a number,
    /// which the server can only send after everything else: without that number the batch has failed. If a statement
    /// fails before its columns are known, the batch goes on, and the index of every later result is one too low.
    /// Therefore the closing select is recognised by the name of its column. Until then `each` may get rows of another
    /// select, because the driver reports the server's error only at the end of the message. So a row that cannot be read is
    /// the fault only if the rest of the message, which is read for that, is complete.
    async fn run(
        &mut self,
        selects: &[String],
        longest: Duration,
        mut each: impl FnMut(usize, Row) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        let longest = limit(longest, self.command_timeout);
        let mut unreadable = None;
        let read = timeout(longest, self.read(selects, &mut each, &mut unreadable)).await;
        match (read, unreadable) {
            (Ok(Err(fault)), _) | (_, Some(fault)) => Err(fault),
            (Ok(read), None) => read,
            (Err(_), None) => Err(faults::unavailable(format!(
                "{}: no full answer within {} s",
                self.place,
                longest.as_secs()
            ))),
        }
    }

    /// After a row that is `unreadable` no other is handed over.
    async fn read(
        &mut self,
        selects: &[String],
        each: &mut impl FnMut(usize, Row) -> Result<ControlFlow<()>, Fault>,
        unreadable: &mut Option<Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        // Also when this future is dropped half way, the pool then closes the connection.
        self.in_step = false;
        self.batches = self.batches.wrapping_add(1);
        let batch = format!("{};\nselect {} as {CLOSING};", selects.join(";\n"), self.batches);
        let place = &self.place;
        let patience = self.command_timeout.unwrap_or(COMMAND_TIMEOUT);
        let told = |error| faults::of_question(error, place, patience);
        let mut answer = self.client.simple_query(batch).await.map_err(told)?;
        let mut results = 0;
        let mut closing = false;
        let mut complete = false;
        while let Some(item) = answer.try_next().await.map_err(told)? {
            match item {
                QueryItem::Metadata(metadata) => {
                    results += 1;
                    closing = matches!(metadata.columns(), [column] if column.name() == CLOSING);
                }
                QueryItem::Row(row) if closing => {
                    complete = row.cells().next().and_then(|(_, cell)| values::integer(cell))
                        == Some(self.batches.into());
                }
                QueryItem::Row(_) if unreadable.is_some() => {}
                QueryItem::Row(row) => match each(row.result_index(), row) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(broken_off) => return Ok(broken_off),
                    Err(fault) if fault.service == Service::Warehouse => *unreadable = Some(fault),
                    Err(fault) => return Err(fault),
                },
            }
        }
        if results != selects.len() + 1 || !closing || !complete {
            return Err(faults::unavailable(format!("{place}: the answer ended before its last part")));
        }
        self.in_step = true;
        Ok(ControlFlow::Continue(()))
    }
}

/// How long a batch may take: what suffices for its kind, or longer if `Command Timeout` says so.
fn limit(suffices: Duration, command_timeout: Option<Duration>) -> Duration {
    command_timeout.map_or(suffices, |asked| suffices.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_timeout_makes_a_batch_last_longer_and_never_shorter() {
        let seconds = Duration::from_secs;
        assert_eq!(limit(seconds(60), None), seconds(60));
        assert_eq!(limit(seconds(60), Some(seconds(90))), seconds(90));
        assert_eq!(limit(seconds(60), Some(seconds(1))), seconds(60));
    }
}
