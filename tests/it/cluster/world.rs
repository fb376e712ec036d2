//! What one test has to itself: a namespace with a Secret and a SQL Server, a database whose commits can be slowed, and containers.

use std::{io::Write, sync::Arc, time::Duration};

use rogo_migrate::{
    adapters::blobs,
    ports::{Blobs, Service},
    run::RunStore,
    settings::{AccountSettings, Place, Secret},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;

use super::{
    kubectl::{Kubectl, PATIENCE, until_true},
    release,
    services::{Services, variable},
};
use crate::support::{
    app,
    postgres::{ROLES_SQL, TestDatabase},
    results::RESULTS,
};

/// The run's name; the chart's default.
pub const RUN: &str = "rogo";
const TDS_USER: &str = "reader";
const TDS_PASSWORD: &str = "warehouse";
/// Commands for the scripted SQL Server, one a line; its image has bash.
const CONTROL: &str = r#"exec 3<>/dev/tcp/127.0.0.1/1434; echo "$1" >&3; read -r answer <&3; echo "$answer""#;
/// A submission takes `test.pace` seconds to commit; the schema is not the program's, nor part of what is compared.
const PACE: &str = "create schema test;
    create table test.pace (seconds float8 not null);
    insert into test.pace values (0);
    create function test.wait() returns trigger language plpgsql security definer as $$
        begin perform pg_sleep(seconds) from test.pace where seconds > 0; return new; end $$;
    create trigger pace before insert on assignment_submissions for each row execute function test.wait();
    update assignment_submissions set submitted_at = created_at, updated_at = created_at";

/// One test's own.
pub struct World {
    /// Of database, role, containers and namespace.
    pub name: String,
    pub kubectl: Kubectl,
    pub services: &'static Services,
    pub database: TestDatabase,
    rows_before: i64,
}

impl World {
    pub async fn new() -> Self {
        let services = Services::shared();
        let name = format!("test-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let database = make_database(services, &name).await;
        services.azurite.create_container(&name).await;
        services.azurite.create_container(&format!("{name}-runs")).await;
        let kubectl = Kubectl::new(&name);
        kubectl.run(&["create", "namespace", &name]);
        kubectl.run(&["label", "namespace", &name, &format!("rogo-migrate/test={}", services.namespace)]);
        let rows_before = submissions(&database).await;
        let world = Self { name, kubectl, services, database, rows_before };
        world.give_password("right");
        world.start_warehouse();
        world
    }

    /// The database takes this password from now on, and no other.
    pub async fn change_password(&self, password: &str) {
        let alter = format!("alter role \"{}\" password '{password}'", self.name);
        self.database.run(&alter).await;
    }

    /// The Secret holds this password of the database from now on.
    pub fn give_password(&self, password: &str) {
        let Self { name, services, .. } = self;
        let warehouse = format!(
            "Server=tcp:tds,1433;Database=dw;User ID={TDS_USER};Password={TDS_PASSWORD};Encrypt=True;\
             TrustServerCertificate=True"
        );
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rogo-migrate"},
            "stringData": {
                "DATABASE_URL": services.database_url(name, password, name),
                "DATA_WAREHOUSE_CONNECTION_STRING": warehouse,
                "AZURE_STORAGE_CONNECTION_STRING": services.storage(),
                "SOURCE_STORAGE_CONNECTION_STRING": services.storage(),
                "ROGO_CONSUMER_KEY": "sample",
            }
        });
        self.kubectl.give(&["apply", "--filename=-"], &secret);
    }

    /// Every submission takes so long to commit, from now on.
    pub async fn slow(&self, pace: Duration) {
        self.database.run(&format!("update test.pace set seconds = {}", pace.as_secs_f64())).await;
    }

    /// Submissions that the run has written so far.
    pub async fn written(&self) -> i64 {
        submissions(&self.database).await - self.rows_before
    }

    /// Waits until this many submissions stand.
    pub async fn until_written(&self, at_least: i64) {
        let what = format!("{at_least} submissions in the target");
        until_true(&what, PATIENCE, async || self.written().await >= at_least).await;
    }

    /// Deletes what an attempt has become, as a failover loses it: all rows of its one transaction.
    pub async fn lose(&self, attempt: i64) {
        for (table, column) in [
            ("assignment_submissions", "lti_launch_id"),
            ("lti_session_records", "launch_id"),
            ("lti_launch_sessions", "launch_id"),
        ] {
            let sql = format!("delete from {table} where {column} like 'rogo\\_{attempt}\\_%'");
            self.database.run(&sql).await;
        }
    }

    /// Tells the SQL Server what to do: see `support/tds/control.rs`.
    pub fn warehouse(&self, command: &str) {
        let answer =
            self.kubectl.run(&["exec", "deployment/tds", "--", "bash", "-c", CONTROL, "control", command]);
        assert_eq!(answer.trim(), "ok", "{command}");
    }

    /// The target container.
    pub fn files(&self) -> Arc<dyn Blobs> {
        self.open(&self.name, "")
    }

    /// The run's documents.
    pub fn store(&self) -> RunStore {
        RunStore::new(self.open(&format!("{}-runs", self.name), "store"), &RUN.parse().unwrap())
    }

    /// Whether every row of the shard has an outcome.
    pub async fn is_done(&self, shard: rogo_migrate::domain::ShardIndex) -> bool {
        let store = self.store();
        let plan = store.plan().await.unwrap().expect("a plan");
        store.done(&plan.id, shard).await.unwrap().is_some()
    }

    /// A result of the run, as it stands in the run store.
    pub async fn result(&self, file: &str) -> String {
        let name = format!("store/{RUN}/results/{file}");
        let bytes = self.services.azurite.read(&format!("{}-runs", self.name), &name).await;
        String::from_utf8(bytes).unwrap()
    }

    /// Every table, blob and result: what must be equal in two runs of one sample.
    pub async fn everything(&self) -> String {
        let mut results = std::collections::BTreeMap::new();
        for file in &RESULTS[..4] {
            results.insert(*file, self.result(file).await);
        }
        app::everything(&self.database, &self.files(), &self.name, |file| results[file].clone()).await
    }

    /// The run is complete, and equal to that of one process.
    pub async fn assert_complete(&self) {
        let summary: Value = serde_json::from_str(&self.result("summary.json").await).unwrap();
        assert_eq!(summary["result"], "COMPLETE", "{summary}");
        app::assert_same(&self.everything().await, reference().await);
    }

    fn open(&self, container: &str, prefix: &str) -> Arc<dyn Blobs> {
        let place = Place::Azure { container: container.to_owned(), prefix: prefix.to_owned() };
        let account = AccountSettings {
            connection_string: Some(Secret::Value(self.services.azurite.connection_string())),
            account_url: None,
        };
        blobs::open(&place, &account, Service::RunStore).unwrap()
    }

    fn start_warehouse(&self) {
        let folder = self.services.file("warehouse");
        let from = format!("--from-file={}", folder.display());
        self.kubectl.run(&["create", "configmap", "warehouse", &from]);
        let arguments = [
            "--data=/data",
            "--listen=0.0.0.0:1433",
            "--control=127.0.0.1:1434",
            &format!("--user={TDS_USER}"),
            &format!("--password={TDS_PASSWORD}"),
        ];
        let container = json!({
            "name": "tds", "image": variable("ROGO_TEST_TDS_IMAGE"), "imagePullPolicy": "IfNotPresent",
            "command": ["tds-server"], "args": arguments,
            "readinessProbe": {"tcpSocket": {"port": 1433}, "periodSeconds": 1},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        });
        let volumes = json!([{"name": "data", "configMap": {"name": "warehouse"}}]);
        serve(&self.kubectl, "tds", 1433, &container, &volumes);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let show = |arguments: &[&str]| {
                let output = self.kubectl.attempt(arguments);
                let _nobody_listens = std::io::stderr().write_all(&output.stdout);
            };
            show(&["get", "jobs,pods", "--output=wide"]);
            let ours = "--selector=app.kubernetes.io/name=rogo-migrate";
            show(&["logs", ours, "--prefix", "--tail=12", "--max-log-requests=40"]);
        }
        if std::env::var_os("ROGO_TEST_KEEP").is_none() {
            // Jobs that were made in this very second have been seen to outlive their namespace's deletion.
            self.kubectl.attempt(&["delete", "jobs", "--all", "--wait=false"]);
            self.kubectl.attempt(&["delete", "namespace", &self.name, "--wait=false"]);
        }
    }
}

/// A Deployment of one pod with a Service before it; returns when it answers.
pub fn serve(kubectl: &Kubectl, name: &str, port: u16, container: &Value, volumes: &Value) {
    begin_to_serve(kubectl, name, port, container, volumes);
    until_it_answers(kubectl, name);
}

/// The same before it answers.
pub fn begin_to_serve(kubectl: &Kubectl, name: &str, port: u16, container: &Value, volumes: &Value) {
    let labels = json!({"app": name});
    let spec = json!({
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
        "containers": [container], "volumes": volumes,
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"port": port}]},
    });
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]});
    kubectl.give(&["create", "--filename=-"], &both);
}

pub fn until_it_answers(kubectl: &Kubectl, name: &str) {
    let available = format!("deployment/{name}");
    kubectl.run(&["wait", &available, "--for=condition=Available", "--timeout=180s"]);
}

/// What one process makes of the sample, in a pod of its own; made once.
async fn reference() -> &'static str {
    static REFERENCE: OnceCell<String> = OnceCell::const_new();
    let make = async {
        let world = World::new().await;
        release::run_in_one_pod(&world);
        world.everything().await
    };
    REFERENCE.get_or_init(|| make).await
}

/// The role has the rights of `deploy/roles.sql`, not one more.
async fn make_database(services: &Services, name: &str) -> TestDatabase {
    Box::pin(give_rights(services)).await;
    let mut connection = services.connect("template1").await;
    // The sample stands in the server's first database.
    for statement in [
        format!("create role \"{name}\" login password 'right' in role rogo_move"),
        format!("create database \"{name}\" template postgres"),
    ] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let database = TestDatabase::over(name, services.pool(name));
    database.run(PACE).await;
    database
}

/// To the roles of `deploy/roles.sql` in the server's first database, of which the others are copies; once.
async fn give_rights(services: &Services) {
    static GIVEN: OnceCell<()> = OnceCell::const_new();
    let give = async {
        let mut first = services.connect("postgres").await;
        first.execute(ROLES_SQL).await.unwrap();
        first.close().await.unwrap();
    };
    GIVEN.get_or_init(|| give).await;
}

async fn submissions(database: &TestDatabase) -> i64 {
    database.number("select count(*) from assignment_submissions").await
}
