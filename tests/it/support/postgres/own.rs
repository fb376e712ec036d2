//! A PostgreSQL of one test's own, which may crash, start again, and have a standby that is promoted.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{ROLE, TEMPLATE, TestDatabase, TestServer, as_owner, binaries, folder_of, launch, owner};
use crate::support::{
    port::Port,
    process::{self, until},
};

/// What a session does not flush itself is lost in a crash: no other process writes it in time.
const LAZY: &str =
    "alter system set wal_writer_delay = '10s'; alter system set wal_writer_flush_after = '1GB';
    select pg_reload_conf()";

pub struct OwnServer(TestServer);

impl OwnServer {
    /// Starts one whose role does not wait for the disk, as [`Self::database`] shows it.
    pub async fn start() -> Self {
        let server = Self(TestServer::start().await);
        let database = server.database();
        for statement in LAZY.split(';') {
            database.run(statement).await;
        }
        database.run(&format!("alter role {ROLE} set synchronous_commit = off")).await;
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Its only database, which has the target's tables.
    pub fn database(&self) -> TestDatabase {
        TestDatabase::over(TEMPLATE, self.pool())
    }

    /// The URL of that database, as the ordinary role, through a proxy.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        TestServer::url_as(ROLE, &self.0.password, proxy, TEMPLATE)
    }

    /// Starts it again so that it also listens at the machine's own address beyond loopback, which is returned.
    pub async fn listen_beyond_loopback(&mut self) -> SocketAddr {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Nothing is sent: it only shows from which address the machine would.
        socket.connect("192.0.2.1:9").expect("the machine has an address beyond loopback");
        let own = socket.local_addr().unwrap().ip();
        let access = self.0.folder.join("data/pg_hba.conf");
        let rules = fs::read_to_string(&access).unwrap();
        fs::write(&access, format!("{rules}host all all {own}/32 scram-sha-256\n")).unwrap();
        let database = self.database();
        let listen = format!("alter system set listen_addresses = '127.0.0.1, {own}'");
        for statement in [listen.as_str(), "checkpoint"] {
            database.run(statement).await;
        }
        database.pool().close().await;
        self.crash();
        self.restart().await;
        (own, self.0.port.number()).into()
    }

    /// Stops it at once, as a crash does (`immediate`): what lies in its buffers only is lost.
    pub fn crash(&mut self) {
        self.0.watch.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.0.watch.wait().unwrap();
    }

    /// Starts it again.
    pub async fn restart(&mut self) {
        self.0.watch = launch(&self.0.folder);
        drop(self.0.first_connection().await);
    }

    /// A standby that follows without being waited for.
    pub async fn standby(&self) -> Self {
        let (owner, primary) = (owner(), &self.0);
        let (folder, port) = (folder_of(owner), Port::hold());
        let mut copying = as_owner(Command::new(binaries().join("pg_basebackup")), owner);
        copying
            .args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--host=127.0.0.1"])
            .arg(format!("--port={}", primary.port.number()))
            .args(["--username", super::SUPERUSER])
            .arg("--pgdata")
            .arg(folder.join("data"))
            .env("PGPASSWORD", &primary.password)
            .current_dir(&folder);
        let copied = process::blocking(copying);
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let settings = folder.join("data/postgresql.auto.conf");
        let inherited = fs::read_to_string(&settings).unwrap();
        let shown = folder.display();
        // The last of two lines counts.
        let number = port.number();
        let text = format!("{inherited}port = {number}\nunix_socket_directories = '{shown}'\n");
        fs::write(&settings, text).unwrap();
        let watch = launch(&folder);
        let standby = Self(TestServer { port, password: primary.password.clone(), folder, watch });
        drop(standby.0.first_connection().await);
        let database = standby.database();
        let receives = "select count(*) from pg_stat_wal_receiver where status = 'streaming'";
        until("the standby follows", || async { database.number(receives).await == 1 }).await;
        standby
    }

    /// The standby receives nothing any more.
    pub async fn stop_receiving(&self) {
        let database = self.database();
        database.run("alter system set primary_conninfo = ''").await;
        database.run("select pg_reload_conf()").await;
        let receivers = "select count(*) from pg_stat_wal_receiver";
        until("the receiver has ended", || async { database.number(receivers).await == 0 }).await;
    }

    /// The standby becomes a primary.
    pub async fn promote(&self) {
        self.database().run("select pg_promote()").await;
    }

    fn pool(&self) -> PgPool {
        let options = self.0.superusers_url(TEMPLATE).parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_mins(1));
        pool.connect_lazy_with(options)
    }
}
