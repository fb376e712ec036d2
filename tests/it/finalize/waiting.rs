//! The wait for the shard Job: what ends it, what does not, and what is told meanwhile.
//!
//! The cluster is a script; time is tokio's, which goes on by itself where everybody waits.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rogo_migrate::{
    domain::{Books, ShardIndex},
    exit::{Exit, Stop},
    ports::{
        Fault, FaultKind, JobEnd, JobState, Jobs, Obstacle, ObstacleKind, Service, Survey, TerminatingPod,
    },
    run::Heartbeat,
    run::State,
    run::Work,
    settings::HelmRelease,
    watch::wait::{JobWait, WaitEnd, wait},
};
use tokio::time::{Instant, sleep_until};

use crate::support::world::World;

const MINUTE: u64 = 60;
/// The script's first moment on the wall.
const BEGAN: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// What the cluster says from a second on.
#[derive(Clone)]
enum Says {
    Job(JobState),
    Nothing,
    Fails(FaultKind),
}

struct Script {
    began: Instant,
    /// In the order of their seconds.
    says: Vec<(u64, Says)>,
    survey: Survey,
}

impl Script {
    fn new(says: Vec<(u64, Says)>) -> Self {
        Self { began: Instant::now(), says, survey: Survey::default() }
    }

    fn at(&self, second: u64) -> Instant {
        self.began + Duration::from_secs(second)
    }

    fn now(&self) -> (usize, Says) {
        let past = self.says.iter().take_while(|(second, _)| self.at(*second) <= Instant::now()).count();
        (past, self.says[past - 1].1.clone())
    }
}

#[async_trait]
impl Jobs for Script {
    async fn look(&self, version: Option<&str>) -> Result<Option<JobState>, Fault> {
        let (place, _) = self.now();
        if version == Some(place.to_string().as_str()) {
            let soon = Instant::now() + Duration::from_mins(1);
            let next = self.says.get(place).map_or(soon, |(second, _)| self.at(*second).min(soon));
            sleep_until(next).await;
        }
        let (place, says) = self.now();
        match says {
            Says::Job(job) => Ok(Some(JobState { version: place.to_string(), ..job })),
            Says::Nothing => Ok(None),
            Says::Fails(kind) => Err(Fault::new(Service::Cluster, kind, "scripted")),
        }
    }

    async fn survey(&self) -> Result<Survey, Fault> {
        Ok(self.survey.clone())
    }
}

fn running() -> Says {
    Says::Job(JobState { uid: "1".into(), active: 3, ready: 3, completions: 2, ..JobState::default() })
}

fn ended(end: JobEnd) -> Says {
    Says::Job(JobState { uid: "1".into(), completions: 2, end: Some(end), ..JobState::default() })
}

/// How the wait ended, after how many seconds, and what was told.
struct Waited {
    end: Result<WaitEnd, Stop>,
    seconds: u64,
    told: Vec<String>,
}

async fn waited(world: &World, script: &Script) -> Waited {
    waited_for(false, world, script).await
}

async fn waited_for(redo: bool, world: &World, script: &Script) -> Waited {
    let mut told = Vec::new();
    let context = JobWait {
        store: &world.store,
        plan: &world.plan,
        epoch: &"1-abc".parse().unwrap(),
        jobs: script,
        job: "r-rogo-s-1",
        namespace: "ns",
        release: Some(&HelmRelease {
            name: "r".into(),
            namespace: "ns".into(),
            chart: "charts/rogo-migrate".into(),
            values_prefix: "mover.".into(),
        }),
        redo,
        wait_plan: Duration::from_mins(30),
        give_up_after: Duration::from_mins(15),
        began_at: BEGAN,
    };
    let end = wait(&context, &mut |warning| told.push(warning)).await;
    Waited { end, seconds: script.began.elapsed().as_secs(), told }
}

fn mark_done(world: &World, shard: u32) {
    world.mark_done(shard);
}

/// The document once more, as it stands in a folder that was copied from a run of another plan.
fn of_another_plan(world: &World, name: &str) {
    let own = world.run_blobs.text(name).unwrap();
    let foreign = own.replace(world.plan.id.as_str(), "ffffffffffff");
    assert_ne!(own, foreign);
    world.run_blobs.insert(name, foreign);
}

fn beat(world: &World, epoch: &str, minute: i64) {
    let heartbeat = Heartbeat {
        plan: world.plan.id.clone(),
        shard: ShardIndex(0),
        writer: "aaaaaaaaaaaa".parse().unwrap(),
        at: BEGAN + TimeDelta::minutes(minute),
        books: Books::default(),
        rows: 1,
        rows_per_second: 1.0,
        state: State::Running,
        waits: Vec::new(),
        work: Work::default(),
        violations: std::collections::BTreeMap::new(),
    };
    let name = format!("rogo/heartbeats/{epoch}/0-aaaaaaaaaaaa.json");
    world.run_blobs.insert(&name, serde_json::to_vec(&heartbeat).unwrap());
}

#[tokio::test(start_paused = true)]
async fn all_done_markers_end_it_whatever_the_job_says() {
    for says in [running(), Says::Nothing, Says::Fails(FaultKind::Denied)] {
        let world = World::new(4, 2);
        mark_done(&world, 0);
        mark_done(&world, 1);
        let waited = waited(&world, &Script::new(vec![(0, says)])).await;
        assert_eq!((waited.end.unwrap(), waited.seconds), (WaitEnd::AllDone, 0));
    }
}

/// The markers stand from before: with them the result would be that of before, too.
#[tokio::test(start_paused = true)]
async fn where_lost_rows_are_moved_again_only_the_end_of_the_job_counts() {
    let world = World::new(4, 2);
    mark_done(&world, 0);
    mark_done(&world, 1);
    let complete = || ended(JobEnd::Complete);
    for (says, seconds) in [
        (vec![(0, running()), (3_600, complete())], 3_600),
        (vec![(0, Says::Nothing), (60, running()), (120, complete())], 120),
        (vec![(0, complete())], 5),
    ] {
        let waited = waited_for(true, &world, &Script::new(says)).await;
        assert_eq!((waited.end.unwrap(), waited.seconds), (WaitEnd::JobComplete, seconds));
    }
    let denied = vec![(0, Says::Fails(FaultKind::Denied)), (600, complete())];
    let denied = waited_for(true, &world, &Script::new(denied)).await;
    assert_eq!(denied.end.unwrap(), WaitEnd::JobComplete);
    // A pause of 30 s at most, and the second look at a Job that had ended at the first.
    assert!((600..=636).contains(&denied.seconds), "{}", denied.seconds);
    assert!(
        denied.told[0].ends_with("the Job's end is waited for, since it moves lost rows again"),
        "{:?}",
        denied.told
    );
}

#[tokio::test(start_paused = true)]
async fn markers_of_no_shard_of_the_plan_do_not_count() {
    let world = World::new(4, 2);
    mark_done(&world, 0);
    mark_done(&world, 2);
    let script = Script::new(vec![(0, running()), (90, ended(JobEnd::Complete))]);
    let waited = waited(&world, &script).await;
    assert_eq!((waited.end.unwrap(), waited.seconds), (WaitEnd::JobComplete, 90));
}

#[tokio::test(start_paused = true)]
async fn the_jobs_own_end_ends_it_before_any_marker() {
    let world = World::new(4, 2);
    let words = "FailedIndexes: Job has failed indexes".to_owned();
    for (end, expected) in [
        (JobEnd::Complete, WaitEnd::JobComplete),
        (JobEnd::Failed(words.clone()), WaitEnd::JobFailed(words.clone())),
    ] {
        let script = Script::new(vec![(0, running()), (3_600, ended(end.clone()))]);
        let later = waited(&world, &script).await;
        assert_eq!((later.end.unwrap(), later.seconds, later.told), (expected.clone(), 3_600, Vec::new()));
        let at_once = waited(&world, &Script::new(vec![(0, ended(end))])).await;
        assert_eq!((at_once.end.unwrap(), at_once.seconds), (expected, 5), "a finalizer that begins late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_vanished_ends_it_only_when_nobody_gives_a_sign_of_life() {
    let world = World::new(4, 2);
    let gone = || Script::new(vec![(0, running()), (60, Says::Nothing)]);
    let alone = waited(&world, &gone()).await;
    assert_eq!((alone.end.unwrap(), alone.seconds), (WaitEnd::JobGone, 60));

    beat(&world, "1-old", 5);
    let others = waited(&world, &gone()).await;
    assert_eq!((others.end.unwrap(), others.seconds), (WaitEnd::JobGone, 60), "another epoch's");

    beat(&world, "1-abc", 24 * 60);
    let ahead = waited(&world, &gone()).await;
    assert_eq!((ahead.end.unwrap(), ahead.seconds), (WaitEnd::JobGone, 60), "a clock that is a day ahead");

    beat(&world, "1-abc", 2);
    let working = waited(&world, &gone()).await;
    assert_eq!((working.end.unwrap(), working.seconds), (WaitEnd::JobGone, 12 * MINUTE));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_of_another_plan_keeps_no_wait_going() {
    let world = World::new(4, 2);
    beat(&world, "1-abc", 5);
    let (plan, epoch) = (&world.plan.id, "1-abc".parse().unwrap());
    assert_eq!(world.store.heartbeats(plan, &epoch).await.unwrap().len(), 1);
    of_another_plan(&world, "rogo/heartbeats/1-abc/0-aaaaaaaaaaaa.json");
    assert_eq!(world.store.heartbeats(plan, &epoch).await.unwrap(), []);
    let foreign = waited(&world, &Script::new(vec![(0, running()), (60, Says::Nothing)])).await;
    assert_eq!((foreign.end.unwrap(), foreign.seconds), (WaitEnd::JobGone, 60));
}

#[tokio::test(start_paused = true)]
async fn a_done_marker_of_another_plan_is_refused_and_no_shard_counts_as_done() {
    for foreign in [0, 1] {
        let world = World::new(4, 2);
        mark_done(&world, 0);
        mark_done(&world, 1);
        of_another_plan(&world, &format!("rogo/done/{foreign}.json"));
        let refused = waited(&world, &Script::new(vec![(0, running())])).await.end.unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration, "{refused}");
        for says in [
            &format!("memory://run/rogo/done/{foreign}.json is of plan ffffffffffff"),
            "this run's plan is 0123456789ab",
            "it was copied from another run; start this run under another name (--run)",
        ] {
            assert!(refused.message.contains(says), "{says:?} is not said: {refused}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_never_there_is_waited_for_as_long_as_for_a_plan() {
    let world = World::new(4, 2);
    let never = waited(&world, &Script::new(vec![(0, Says::Nothing)])).await;
    assert_eq!((never.end.unwrap(), never.seconds), (WaitEnd::JobGone, 30 * MINUTE));
    let told = ["there has been no Job r-rogo-s-1 for 10 min", "for 20 min"];
    for (said, expected) in never.told.iter().zip(told) {
        assert!(said.contains(expected), "{said}");
    }
    assert!(never.told[0].ends_with("; see kubectl --namespace ns describe job r-rogo-s-1"));
    let script = Script::new(vec![(0, Says::Nothing), (60, running()), (120, ended(JobEnd::Complete))]);
    let late = waited(&world, &script).await;
    assert_eq!((late.end.unwrap(), late.seconds), (WaitEnd::JobComplete, 120));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_made_anew_is_waited_for() {
    let world = World::new(4, 2);
    beat(&world, "1-abc", 1);
    let anew = Says::Job(JobState { uid: "2".into(), active: 1, ready: 1, ..JobState::default() });
    let complete =
        Says::Job(JobState { uid: "2".into(), end: Some(JobEnd::Complete), ..JobState::default() });
    let script = Script::new(vec![(0, running()), (60, Says::Nothing), (70, anew), (3_600, complete)]);
    let waited = waited(&world, &script).await;
    assert_eq!((waited.end.unwrap(), waited.seconds), (WaitEnd::JobComplete, 3_600));
}

/// A tool that replaces the Jobs of a run deletes them one after another, and creates them under the same names: a new
/// finalizer may begin before the old shard Job is gone.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_job_that_is_replaced_does_not_end_the_wait_for_the_new_one() {
    let job = |uid: &str, end: Option<JobEnd>, deleting| {
        Says::Job(JobState { uid: uid.into(), active: 1, ready: 1, end, deleting, ..JobState::default() })
    };
    let old = |deleting| job("1", Some(JobEnd::Failed("from before".into())), deleting);
    let new = || job("2", None, false);
    for began in [
        vec![(0, old(false)), (3, new())],
        vec![(0, old(true)), (40, new())],
        vec![(0, old(true)), (40, Says::Nothing), (50, new())],
        vec![(0, old(false)), (2, old(true)), (40, Says::Nothing), (50, new())],
        vec![(0, Says::Nothing), (10, old(true)), (40, Says::Nothing), (50, new())],
    ] {
        let world = World::new(4, 2);
        let says = [began, vec![(3_600, job("2", Some(JobEnd::Complete), false))]].concat();
        let waited = waited(&world, &Script::new(says)).await;
        assert_eq!((waited.end.unwrap(), waited.seconds), (WaitEnd::JobComplete, 3_600));
    }
    // None comes in its place: as if there had never been one.
    let world = World::new(4, 2);
    let never = waited(&world, &Script::new(vec![(0, old(true)), (40, Says::Nothing)])).await;
    assert_eq!((never.end.unwrap(), never.seconds), (WaitEnd::JobGone, 30 * MINUTE));
    // The Job that was waited for is deleted: what its pods recorded is merged once they are silent.
    let script = Script::new(vec![(0, running()), (60, job("1", None, true))]);
    let deleted = waited(&world, &script).await;
    assert_eq!((deleted.end.unwrap(), deleted.seconds), (WaitEnd::JobGone, 60));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_refuses_for_ever_is_asked_on_and_told_of_once_a_minute() {
    let world = World::new(4, 2);
    let script = Script::new(vec![(0, Says::Fails(FaultKind::Denied)), (3_600, ended(JobEnd::Complete))]);
    let refused = waited(&world, &script).await;
    assert_eq!(refused.end.unwrap(), WaitEnd::JobComplete);
    assert!((3_600..3_640).contains(&refused.seconds), "{}", refused.seconds);
    assert!((40..=60).contains(&refused.told.len()), "{} times", refused.told.len());
    let said = "cannot look at Job r-rogo-s-1: Kubernetes API: scripted; it is tried again, and done markers in the run \
                store count";
    assert!(refused.told.iter().all(|told| told == said), "{:?}", refused.told.first());
}

/// The program cannot know how long no pod was ready: it begins to count when the cluster answers.
#[tokio::test(start_paused = true)]
async fn what_the_cluster_did_not_say_for_an_hour_is_no_warning_of_idle_pods() {
    let world = World::new(4, 2);
    let starting = || Says::Job(JobState { uid: "1".into(), active: 3, ..JobState::default() });
    for (last, minutes) in [(ended(JobEnd::Complete), 60), (starting(), 69)] {
        let says = vec![
            (0, Says::Fails(FaultKind::Denied)),
            (3_600, last),
            (minutes * MINUTE + 50, ended(JobEnd::Complete)),
        ];
        let waited = waited(&world, &Script::new(says)).await;
        assert_eq!(waited.end.unwrap(), WaitEnd::JobComplete);
        let idle: Vec<_> = waited.told.iter().filter(|told| !told.starts_with("cannot look at")).collect();
        assert!(idle.is_empty(), "{idle:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_begins_again() {
    let world = World::new(4, 2);
    let broken = Says::Fails(FaultKind::Unavailable);
    let script =
        Script::new(vec![(0, running()), (60, broken), (62, running()), (90, ended(JobEnd::Complete))]);
    let waited = waited(&world, &script).await;
    assert_eq!((waited.end.unwrap(), waited.seconds, waited.told.len()), (WaitEnd::JobComplete, 90, 1));
}

fn obstacle(kind: ObstacleKind, what: &str) -> Survey {
    let obstacle = Obstacle { kind, pod: Some("p-0".into()), what: what.into() };
    Survey { obstacles: vec![obstacle], ..Survey::default() }
}

async fn told(minutes: u64, job: JobState, survey: Survey) -> Vec<String> {
    let world = World::new(4, 2);
    let says = vec![(0, Says::Job(job)), (minutes * MINUTE, ended(JobEnd::Complete))];
    let script = Script { survey, ..Script::new(says) };
    waited(&world, &script).await.told
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_told_within_a_minute_and_again_after_ten() {
    let starting = JobState { active: 3, ..JobState::default() };
    let survey = obstacle(ObstacleKind::Image, "r/i:1: ErrImagePull: not found");
    let expected = "pod p-0 does not start (image): r/i:1: ErrImagePull: not found; see kubectl --namespace ns \
                    describe pod p-0";
    assert_eq!(told(1, starting.clone(), survey.clone()).await, [expected]);
    let longer = told(12, starting.clone(), survey).await;
    assert_eq!(longer.iter().filter(|told| *told == expected).count(), 2, "{longer:?}");
    let secret = obstacle(ObstacleKind::Configuration, "secret \"s\" not found");
    let said = told(1, starting, secret).await;
    assert!(said[0].contains("(secret or configuration): secret \"s\" not found"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn pods_evicted_for_their_disk_are_told_and_after_ten_of_one_shard_no_longer_waited_for() {
    let evicted = "Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 2Gi.";
    let survey = |disk_evictions| Survey { disk_evictions, ..obstacle(ObstacleKind::Disk, evicted) };
    // One shard's pod is away, the others work.
    let job = JobState { active: 3, ready: 2, ..JobState::default() };
    let said = told(2, job.clone(), survey(9)).await;
    let expected = format!(
        "pod p-0 was evicted because it used too much ephemeral storage: {evicted}; its Job starts it again, which mends \
         nothing until shards.resources.ephemeralStorage is raised (--set replaceRunning=true for this once); after 10 evictions of \
         one shard the finalizer ends; see kubectl --namespace ns describe pod p-0"
    );
    assert_eq!(said, [expected]);

    let world = World::new(4, 2);
    let waits = |ready| {
        let job = JobState { active: 3, ready, ..JobState::default() };
        let says = vec![(0, Says::Job(job)), (3_600, ended(JobEnd::Complete))];
        Script { survey: survey(10), ..Script::new(says) }
    };
    let given_up = waited(&world, &waits(2)).await;
    let stop = given_up.end.unwrap_err();
    assert_eq!(stop.exit, Exit::Incomplete);
    assert!(given_up.seconds <= 15, "{}", given_up.seconds);
    let expected = format!(
        "Job r-rogo-s-1: pods of one shard were evicted 10 times because they used too much ephemeral storage: {evicted}; no \
         retry mends that, and nothing was merged; next: helm upgrade r charts/rogo-migrate --namespace ns \
         --reset-then-reuse-values --set mover.shards.resources.ephemeralStorage='<more>' --set mover.replaceRunning=true"
    );
    assert_eq!(stop.message, expected);
    let all_ready = waited(&world, &waits(3)).await;
    assert_eq!(all_ready.end.unwrap(), WaitEnd::JobComplete, "its pods run now");
}

#[tokio::test(start_paused = true)]
async fn nothing_ready_or_active_for_ten_minutes_is_told_with_its_reason() {
    let starting = JobState { active: 3, ..JobState::default() };
    let survey = obstacle(ObstacleKind::Scheduling, "Unschedulable: 0/3 nodes are available");
    assert_eq!(told(9, starting.clone(), survey.clone()).await, Vec::<String>::new());
    let expected = "no pod of Job r-rogo-s-1 has been ready for 10 min: pod p-0 does not start (scheduling): \
                    Unschedulable: 0/3 nodes are available; see kubectl --namespace ns describe pod p-0";
    assert_eq!(told(11, starting.clone(), survey).await, [expected]);

    let quota =
        Obstacle { kind: ObstacleKind::Quota, pod: None, what: "FailedCreate: exceeded quota: q".into() };
    let survey = Survey { obstacles: vec![quota], ..Survey::default() };
    let expected = "no pod of Job r-rogo-s-1 has been active for 10 min: Job r-rogo-s-1 can make no pods (quota): \
                    FailedCreate: exceeded quota: q; see kubectl --namespace ns describe job r-rogo-s-1";
    assert_eq!(told(11, JobState::default(), survey).await, [expected]);

    let unknown = told(11, starting, Survey::default()).await;
    let expected = "no pod of Job r-rogo-s-1 has been ready for 10 min; see kubectl --namespace ns describe job \
                    r-rogo-s-1";
    assert_eq!(unknown, [expected]);
    let suspended = told(11, JobState { suspended: true, ..JobState::default() }, Survey::default()).await;
    assert!(suspended[0].starts_with("Job r-rogo-s-1 has been suspended for 10 min"), "{suspended:?}");
    let well = JobState { active: 3, ready: 1, ..JobState::default() };
    assert_eq!(told(60, well, Survey::default()).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_end_are_told_with_the_commands_that_free_them() {
    let pod = TerminatingPod { name: "p-0".into(), node: Some("n".into()), due: BEGAN };
    let survey = Survey { terminating: vec![pod], ..Survey::default() };
    let job = JobState { active: 3, ready: 3, terminating: 1, ..JobState::default() };
    assert_eq!(told(9, job.clone(), survey.clone()).await, Vec::<String>::new());
    let expected = "1 pods of Job r-rogo-s-1 were told to end more than 10 min ago and are still there, as where a node \
                    is gone; if it is: kubectl delete node n; else: kubectl --namespace ns delete pod p-0 \
                    --grace-period=0 --force (nothing is written twice, whatever still runs)";
    assert_eq!(told(11, job, survey).await, [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_run_store_that_stays_away_ends_it_as_temporary() {
    let world = World::new(4, 2);
    world.run_blobs.fail_all("list", FaultKind::Unavailable);
    let away = waited(&world, &Script::new(vec![(0, running())])).await;
    let stop = away.end.unwrap_err();
    assert_eq!((stop.exit, away.seconds), (Exit::Temporary, 15 * MINUTE));
    assert!((10..=15).contains(&away.told.len()), "{:?}", away.told);
    // Whether processes still work is not known either: a Job that vanished meanwhile ends nothing.
    let gone = waited(&world, &Script::new(vec![(0, running()), (60, Says::Nothing)])).await;
    assert_eq!((gone.end.unwrap_err().exit, gone.seconds), (Exit::Temporary, 15 * MINUTE));
}
