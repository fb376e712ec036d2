//! A private PostgreSQL for the tests, started once, from the machine's own binaries; every test gets a
//! database of its own.
#![allow(dead_code, reason = "each area of the tests uses its own part")]

pub mod own;
mod sessions;

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rogo_migrate::sample::SCHEMA_SQL;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{machine, port::Port, process};

/// The superuser, whom tests prepare and look as.
const SUPERUSER: &str = "tester";
/// The ordinary role, whom the program connects as, with the rights that the pre-flight asks for.
const ROLE: &str = "migrator";
/// A role that may read what verify compares, and write nothing.
const VERIFIER: &str = "verifier";
/// The role that may roll a run back, with the rights that this needs, and no other.
const REMOVER: &str = "remover";
/// The rights of all three, as operators give them: for the names of its roles the tests' roles are put.
pub const ROLES_SQL: &str = include_str!("../../../deploy/roles.sql");
/// A role of that file, and the tests' own.
const DUTIES: [(&str, &str); 3] =
    [("rogo_move", ROLE), ("rogo_verify", VERIFIER), ("rogo_rollback", REMOVER)];
const TEMPLATE: &str = "rogo_template";

/// Runs the server and outlives the tests by a moment: when they end, however they end (also by
/// SIGKILL), the kernel closes their end of the pipe that is its standard input, `read` fails, and
/// it stops the server and clears the folder away. A line stops the server only. It stops like a crash
/// (`immediate`): nothing that is not on disk is written any more.
const WATCH: &str = r#""$1" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
server=$!
read -r _ && keep=true
kill -QUIT "$server"
wait "$server"
[ -n "$keep" ] || rm -rf "$2""#;

/// The tests' server.
pub struct TestServer {
    port: Port,
    password: String,
    folder: PathBuf,
    /// Holds the pipe open.
    watch: Child,
}

/// A database of one test.
pub struct TestDatabase {
    name: String,
    pool: PgPool,
}

impl TestServer {
    /// Starts it, or waits until the first caller has.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<TestServer> = OnceLock::new();
        SERVER.get_or_init(|| {
            // The caller's own runtime cannot be blocked on.
            let starting = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(Self::start())
            });
            starting.join().expect("the tests' PostgreSQL starts")
        })
    }

    /// Where it listens, with and without TLS.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The certificate that signs the server's, in PEM.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// The URL of a database as the ordinary role, without TLS.
    pub fn url(&self, database: &str) -> String {
        Self::url_as(ROLE, &self.password, self.address(), database)
    }

    pub fn superusers_url(&self, database: &str) -> String {
        Self::url_as(SUPERUSER, &self.password, self.address(), database)
    }

    /// The URL of a database for anyone, anywhere.
    pub fn url_as(user: &str, password: &str, address: SocketAddr, database: &str) -> String {
        format!("postgres://{user}:{password}@{address}/{database}?sslmode=disable")
    }

    /// A superuser's connection.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.superusers_url(database)).await.expect("the tests' PostgreSQL answers")
    }

    /// Starts a server whose database [`TEMPLATE`] has the target's tables.
    async fn start() -> Self {
        let owner = owner();
        let folder = folder_of(owner);
        let password = uuid::Uuid::new_v4().simple().to_string();
        let port = Port::hold();
        fs::write(folder.join("password"), &password).unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
        fs::write(folder.join("server.crt"), signed.cert.pem()).unwrap();
        fs::write(folder.join("server.key"), signed.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = owner {
            for path in [&folder.join("password"), &folder.join("server.key")] {
                chown(path, Some(user), Some(group)).unwrap();
            }
        }
        initialise(&binaries(), owner, &folder);
        configure(&folder, port.number());
        let server = Self { port, password, watch: launch(&folder), folder };
        server.make_template().await;
        server
    }

    async fn make_template(&self) {
        let mut connection = self.first_connection().await;
        connection.execute(AssertSqlSafe(format!("create database {TEMPLATE}"))).await.unwrap();
        let mut template = self.connect(TEMPLATE).await;
        template.execute(SCHEMA_SQL).await.expect("the target's schema is valid");
        let roles = DUTIES.iter().fold(ROLES_SQL.to_owned(), |sql, (role, own)| sql.replace(role, own));
        template.execute(AssertSqlSafe(roles)).await.expect("the rights are the schema's");
        for (_, role) in DUTIES {
            let login = format!("alter role {role} login password '{}'", self.password);
            template.execute(AssertSqlSafe(login)).await.unwrap();
        }
        template.close().await.unwrap();
    }

    async fn first_connection(&self) -> PgConnection {
        let began = Instant::now();
        loop {
            match PgConnection::connect(&self.superusers_url("postgres")).await {
                Ok(connection) => return connection,
                Err(error) => {
                    let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                    assert!(began.elapsed() < Duration::from_mins(1), "{error}\n{log}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl TestDatabase {
    /// A new database with the target's empty tables.
    pub async fn new() -> Self {
        Self::create(&format!("template {TEMPLATE}")).await
    }

    /// A new database in another encoding than UTF-8, without tables.
    pub async fn in_encoding(encoding: &str) -> Self {
        Self::create(&format!("template template0 encoding '{encoding}'")).await
    }

    /// A new database with all that is in this one, which nothing else may be connected to; its own connections end.
    pub async fn copy(&self) -> Self {
        self.pool.close().await;
        Self::create(&format!("template {}", self.name)).await
    }

    async fn create(how: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let server = TestServer::get();
        let mut connection = server.connect("postgres").await;
        let create = format!("create database {name} {how}");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        let options: PgConnectOptions = server.superusers_url(&name).parse().unwrap();
        let pool =
            PgPoolOptions::new().max_connections(5).connect_lazy_with(options.application_name("test"));
        Self { name, pool }
    }

    /// A database of another server.
    pub fn over(name: &str, pool: PgPool) -> Self {
        Self { name: name.to_owned(), pool }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL as the ordinary role, without TLS.
    pub fn url(&self) -> String {
        TestServer::get().url(&self.name)
    }

    /// Its URL as a role that may only read.
    pub fn verifiers_url(&self) -> String {
        let server = TestServer::get();
        TestServer::url_as(VERIFIER, &server.password, server.address(), &self.name)
    }

    /// Its URL as the role that may roll back.
    pub fn removers_url(&self) -> String {
        let server = TestServer::get();
        TestServer::url_as(REMOVER, &server.password, server.address(), &self.name)
    }

    /// Its URL through a proxy.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        let server = TestServer::get();
        TestServer::url_as(ROLE, &server.password, proxy, &self.name)
    }

    /// The test's own connections.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs one or more statements.
    pub async fn run(&self, sql: &str) {
        self.pool
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs pgbench in it with these arguments, as the ordinary role; what it printed.
    pub fn pgbench(&self, arguments: &[&str]) -> String {
        let mut pgbench = Command::new(binaries().join("pgbench"));
        let output = process::blocking(pgbench.args(arguments).arg(self.url()));
        assert!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Dumps the database and restores it: afterwards every row was written by another transaction.
    pub fn restore_from_a_dump(&self) {
        let url = TestServer::get().superusers_url(&self.name);
        let dump = tempfile::NamedTempFile::new().unwrap();
        let file = dump.path().to_str().unwrap();
        for (program, arguments) in [
            ("pg_dump", ["--format=custom", "--file", file, "--dbname", &url].as_slice()),
            ("pg_restore", &["--clean", "--if-exists", "--exit-on-error", "--dbname", &url, file]),
        ] {
            let output = process::blocking(Command::new(binaries().join(program)).args(arguments));
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// The one value of the one row.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Every row of every table as text, in an order of its own, so that two runs can be compared.
    /// `without` names columns that may differ: `table.column`, or `*.column` for every table.
    pub async fn dump_tables(&self, without: &[&str]) -> String {
        const TABLES: &str = "select relname::text from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1";
        let mut text = String::new();
        let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&self.pool).await.unwrap();
        for table in tables {
            let left_out: Vec<&str> = without
                .iter()
                .filter_map(|name| name.split_once('.'))
                .filter(|(of, _)| *of == "*" || *of == table)
                .map(|(_, column)| column)
                .collect();
            let sql = format!("select (to_jsonb(t) - $1::text[])::text from {table} t order by 1");
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(left_out).fetch_all(&self.pool).await.unwrap();
            writeln!(text, "{table}: {} rows", rows.len()).unwrap();
            for row in rows {
                writeln!(text, "  {row}").unwrap();
            }
        }
        text
    }
}

/// A new folder that the server's user may write.
fn folder_of(owner: Option<(u32, u32)>) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("rogo-pg-").tempdir().unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    if let Some((user, group)) = owner {
        chown(&folder, Some(user), Some(group)).unwrap();
    }
    folder
}

/// Runs the server whose data lie in this folder.
fn launch(folder: &Path) -> Child {
    as_owner(Command::new("sh"), owner())
        .args(["-c", WATCH, "watch"])
        .arg(binaries().join("postgres"))
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sh runs")
}

/// The folder of PostgreSQL's programs: on the `PATH`, where Debian puts them, or where `pg_config` says.
pub fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        candidates.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    if let Some(program) = machine::on_path(&["pg_config"]) {
        let said = process::blocking(Command::new(program).arg("--bindir"));
        candidates.push(String::from_utf8_lossy(&said.stdout).trim().into());
    }
    let programs = ["postgres", "initdb", "pg_basebackup", "pgbench"];
    let complete = |folder: &PathBuf| programs.iter().all(|program| folder.join(program).exists());
    candidates
        .into_iter()
        .find(complete)
        .expect("PostgreSQL with initdb, pg_basebackup and pgbench is installed")
}

/// Whom the server runs as: it refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let said = process::blocking(Command::new("id").args(arguments));
        String::from_utf8_lossy(&said.stdout).trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let users = ["postgres", "nobody"];
    let owner = users.iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)));
    Some(owner.expect("a user other than root"))
}

fn as_owner(mut command: Command, owner: Option<(u32, u32)>) -> Command {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

fn initialise(binaries: &Path, owner: Option<(u32, u32)>, folder: &Path) {
    let mut making = as_owner(Command::new(binaries.join("initdb")), owner);
    making
        .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--username", SUPERUSER])
        .arg("--pwfile")
        .arg(folder.join("password"))
        .arg("--pgdata")
        .arg(folder.join("data"))
        .current_dir(folder);
    let made = process::blocking(making);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn configure(folder: &Path, port: u16) {
    let shown = folder.display();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{shown}'\n\
         max_connections = 300\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n\
         ssl = on\nssl_cert_file = '{shown}/server.crt'\nssl_key_file = '{shown}/server.key'\n"
    );
    let path = folder.join("data/postgresql.auto.conf");
    fs::write(path, settings).unwrap();
}
