//! What befalls the finalizer: killed in the middle, cut off from the API server, and an image that cannot be pulled.

use std::time::Duration;

use serde_json::json;

use super::{
    kubectl::{PATIENCE, until, until_true},
    node::Node,
    pods::{self, PodHistory},
    release::{ONE_AT_A_TIME, Release},
    world::{World, serve},
};

/// What holds the finalizer up: it must wait for the run's lock, then for a table.
const HELD_LOCK: &str =
    "(select (classid::bigint << 32) | objid::bigint from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database()) limit 1)";
const AT_THE_DATABASE: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name like '%/finalize/%'";
const AT_THE_TABLE: &str = "select count(*) from pg_locks join pg_stat_activity using (pid)
    where datname = current_database() and not granted and relation = 'assignment_submissions'::regclass
    and application_name like '%/finalize/%'";
const HOLDS_THE_LOCK: &str = "select count(*) from pg_locks join pg_stat_activity using (pid)
    where datname = current_database() and granted and locktype = 'advisory' and mode = 'ExclusiveLock'
    and application_name like '%/finalize/%'";
/// Carries bytes between pods and the API server: TLS goes through as it is.
const PROXY: &str = "require('net').createServer(client => {
    const server = require('net').connect(443, 'kubernetes.default');
    client.pipe(server).pipe(client);
    for (const [end, other] of [[client, server], [server, client]])
        end.on('error', () => other.destroy()).on('close', () => other.destroy());
}).listen(443)";
const OUTAGE: Duration = Duration::from_mins(1);
const NOWHERE: &str = "registry.invalid/rogo-migrate:none";

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_that_is_killed_in_the_middle_comes_to_the_same_files() {
    let world = World::new().await;
    world.slow(Duration::from_secs(1)).await;
    let release = Release::install(&world, &ONE_AT_A_TIME);
    let history = PodHistory::of(&world.kubectl, "finalize");
    world.until_written(1).await;
    let mut holder = world.database.pool().acquire().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("select pg_advisory_lock_shared({HELD_LOCK})")))
        .execute(&mut *holder)
        .await
        .unwrap();
    world.slow(Duration::ZERO).await;
    let asked = async |question| world.database.number(question).await > 0;
    until_true("a finalizer at the database", PATIENCE, async || asked(AT_THE_DATABASE).await).await;
    assert_eq!(release.until_ended("shards"), "Complete");

    let mut in_the_way = world.database.pool().begin().await.unwrap();
    for (statement, on) in [
        ("lock table assignment_submissions in access exclusive mode", &mut *in_the_way),
        ("select pg_advisory_unlock_all()", &mut *holder),
    ] {
        sqlx::raw_sql(statement).execute(on).await.unwrap();
    }
    until_true("a finalizer in the middle", PATIENCE, async || asked(AT_THE_TABLE).await).await;
    assert!(asked(HOLDS_THE_LOCK).await, "it had taken the run's lock");
    let pod = history.all().into_values().next().unwrap();
    Node::of(&world.kubectl, &pod).kill(&pod);
    assert_eq!(history.until_ended(&pods::name(&pod)).exit_code, 137);
    in_the_way.rollback().await.unwrap();

    release.until_complete();
    assert_eq!(history.all().len(), 2, "one pod was killed, another took its place");
    world.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_outlives_an_api_outage_and_names_an_image_that_cannot_be_pulled() {
    let world = World::new().await;
    stand_between(&world);
    let label = Label { world: &world };
    let selector = format!("shards.nodeSelector.{}=yes", label.key());
    let there = ["extraEnv[0].name=KUBERNETES_SERVICE_HOST", "extraEnv[0].value=kubernetes"];
    let release = Release::install(&world, &[&there[..], &[&selector]].concat());
    assert_eq!(release.until_ended("plan"), "Complete");
    let waiting = pods::names(&release.until_running("finalize", 1));

    world.kubectl.run(&["scale", "deployment/kubernetes", "--replicas=0"]);
    // A minute, as it was promised.
    tokio::time::sleep(OUTAGE).await;
    world.kubectl.run(&["scale", "deployment/kubernetes", "--replicas=1"]);
    let pending = until("a shard that waits for a node", PATIENCE, || release.pods("shards").pop());
    let pending = pods::name(&pending);
    world.kubectl.run(&["set", "image", &format!("pod/{pending}"), &format!("rogo-migrate={NOWHERE}")]);
    label.put();
    // It is told nowhere else.
    until("the finalizer's warning", PATIENCE, || {
        let log = world.kubectl.run(&["logs", waiting.first()?]);
        log.lines().any(|line| line.contains(&pending) && line.contains(NOWHERE)).then_some(())
    });
    world.kubectl.run(&["delete", "pod", &pending, "--wait=false"]);

    release.until_complete();
    assert_eq!(pods::names(&release.pods("finalize")), waiting, "it needed no second try");
    world.assert_complete().await;
}

/// The way to the API server leads through a pod that can be taken away.
fn stand_between(world: &World) {
    let image = world.services.image("azurite");
    let container = json!({
        "name": "proxy", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["node", "--eval", PROXY],
        "securityContext": {"runAsUser": 0}, "readinessProbe": {"tcpSocket": {"port": 443}, "periodSeconds": 1},
    });
    serve(&world.kubectl, "kubernetes", 443, &container, &json!([]));
}

/// A label that all nodes have for the length of one test.
struct Label<'world> {
    world: &'world World,
}

impl Label<'_> {
    fn key(&self) -> String {
        format!("rogo-{}", self.world.name)
    }

    fn put(&self) {
        self.world.kubectl.run(&["label", "nodes", "--selector=type!=fake", &format!("{}=yes", self.key())]);
    }
}

impl Drop for Label<'_> {
    fn drop(&mut self) {
        self.world.kubectl.attempt(&["label", "nodes", "--all", &format!("{}-", self.key())]);
    }
}
