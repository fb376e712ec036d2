//! Verdicts: facts of a run, and what `status` makes of them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    domain::{Books, InputDigest, TargetIdentity},
    ports::{JobState, LastWord, Obstacle, ObstacleKind, RunJob, RunJobs},
    report::standing::ShardPhase,
    run::{
        DoneMarker, FORMAT, Heartbeat, Limit, LimitCode, Lost, Missing, PlanId, RULES_VERSION, Refusal,
        RunName, ShardPlan, State, Summary, Warning, WarningCode, Work, WriterId, planning::Planning,
        writers::Unmerged,
    },
    watch::rerun::Whereabouts,
};

/// Minutes after the plan was made.
fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn plan_id() -> PlanId {
    "0123456789ab".parse().unwrap()
}

fn writer() -> WriterId {
    "aaaaaaaaaaaa".parse().unwrap()
}

fn plan() -> Plan {
    let input = InputDigest { location: String::new(), sha256: String::new(), size_bytes: 0, rows: 30 };
    Plan {
        format: FORMAT,
        id: plan_id(),
        run: RunName::default(),
        created_at: minute(0),
        program_version: "0".into(),
        rules_version: RULES_VERSION,
        submissions: input.clone(),
        mapping: input,
        rows: 30,
        rows_left_out: 0,
        shards: vec![ShardPlan { rows: 10, queue_sha256: String::new(), facts_sha256: None }; 3],
        database: String::new(),
        identity: TargetIdentity::default(),
        target: String::new(),
        warehouse: String::new(),
        warehouse_extent: Vec::new(),
        warehouse_rows: None,
        facts_files: false,
        reported: None,
        scored: None,
        settings: BTreeMap::new(),
        trial: None,
        after: Vec::new(),
        withdrawn: 0,
        excluded: None,
        also_read: Vec::new(),
        traceparent: None,
        epoch: None,
    }
}

fn books(migrated: u64) -> Books {
    Books { migrated, ..Books::default() }
}

/// A run of three shards of ten rows each.
struct Run(Facts);

impl Run {
    fn planned() -> Self {
        Self(Facts { plan: Some(plan()), ..Self::unplanned().0 })
    }

    fn unplanned() -> Self {
        let whereabouts = Whereabouts { run_store: "az://runs".into(), ..Whereabouts::default() };
        Self(Facts { whereabouts, at: minute(100), ..Facts::default() })
    }

    fn done(mut self, shards: &[u32], at: i64) -> Self {
        for shard in shards.iter().copied().map(ShardIndex) {
            let marker = DoneMarker {
                plan: plan_id(),
                shard,
                writer: writer(),
                books: books(10),
                at: minute(at),
                work: Work::default(),
                violations: BTreeMap::new(),
                breaker_opened: None,
            };
            self.0.done.insert(shard, marker);
        }
        self
    }

    fn beat(mut self, shard: u32, at: DateTime<Utc>) -> Self {
        let shard = ShardIndex(shard);
        let state = State::Throttled("503 from target blobs".to_owned());
        let beat = Heartbeat {
            plan: plan_id(),
            shard,
            writer: writer(),
            at,
            books: books(4),
            rows: 10,
            rows_per_second: 2.0,
            state,
            waits: Vec::new(),
            work: Work::default(),
            violations: BTreeMap::new(),
        };
        self.0.beats.insert(shard, beat);
        self
    }

    /// The shard's newest heartbeat is its last: it ended in order.
    fn stopped(self, shard: u32, at: DateTime<Utc>) -> Self {
        let mut run = self.beat(shard, at);
        let beat = run.0.beats.get_mut(&ShardIndex(shard)).unwrap();
        beat.state = State::Stopped("stopped at 4 of 10 rows".into());
        run
    }

    /// The newest Job is suspended.
    fn suspended(mut self) -> Self {
        self.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap().state.suspended = true;
        self
    }

    fn summary(mut self, missing: u64, at: i64) -> Self {
        let missing = Missing { rows: missing, ..Missing::default() };
        let books = books(30 - missing.rows);
        self.0.summary =
            Some(Summary::balance(&RunName::default(), &plan_id(), 30, books, missing, minute(at)));
        self
    }

    fn refused(mut self, epoch: &str, exit_code: u8, at: i64) -> Self {
        let refusal = Refusal { reasons: vec![format!("because of {epoch}")], exit_code, at: minute(at) };
        self.0.refusals.insert(epoch.parse().unwrap(), refusal);
        self
    }

    fn planning(mut self, epoch: &str) -> Self {
        let doing = Some("reading the warehouse".to_owned());
        let planning = Planning { began_at: minute(90), at: minute(100), doing };
        self.0.planning.insert(epoch.parse().unwrap(), planning);
        self
    }

    fn job(mut self, component: &str, epoch: &str, end: Option<JobEnd>) -> Self {
        let jobs = self.0.jobs.get_or_insert_with(|| RunJobs {
            release: "r".into(),
            namespace: "ns".into(),
            chart: Some("oci://a/b".into()),
            values_prefix: String::new(),
            epoch: None,
            jobs: Vec::new(),
        });
        let state = JobState { completions: 3, failed_indexes: "1".into(), end, ..JobState::default() };
        jobs.epoch = epoch.parse().ok();
        let name = format!("r-{component}");
        let (component, epoch) = (component.into(), epoch.parse().ok());
        jobs.jobs.push(RunJob { name, component, epoch, state, ..RunJob::default() });
        self
    }

    /// The newest Job's program said so.
    fn said(mut self, exit_code: i32, message: &str) -> Self {
        let job = self.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap();
        job.last_word = Some(LastWord { exit_code, message: message.into() });
        self
    }

    #[track_caller]
    fn is(&self, state: RunState, exit: Exit, reason: &str, next: &str) {
        let (verdict, standing) = judge(&self.0);
        assert_eq!((verdict.state, verdict.exit), (state, exit), "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert_eq!(verdict.next, next);
        assert_eq!((standing.state, standing.exit_code), (state, exit as u8));
    }
}

fn failed() -> JobEnd {
    JobEnd::Failed("FailedIndexes: Job has failed indexes".into())
}

const FETCH: &str = "rogo-migrate results --run rogo --run-store az://runs --to .";
const RESUME: &str = "rogo-migrate resume --run rogo --run-store az://runs";

#[test]
fn before_there_is_a_plan() {
    let waiting = "there is no plan at az://runs yet";
    let nobody = format!("{waiting}, and no process makes it: `rogo-migrate plan` does");
    Run::unplanned().is(RunState::Planning, Exit::Temporary, &nobody, "");
    let made = Run::unplanned().refused("1", 78, 1).planning("1");
    let (state, reason) = (RunState::Planning, judge(&made.0).0.reason);
    assert!(reason.starts_with(&format!("{waiting}: the plan is being made since ")), "{reason}");
    assert!(
        reason.contains(": reading the warehouse; if its process was killed, this counts until "),
        "{reason}"
    );
    made.is(state, Exit::Temporary, &reason, "");
    for (code, exit) in [(64, Exit::Usage), (65, Exit::DataRefused), (78, Exit::Configuration)] {
        Run::unplanned().refused("1", code, 1).is(RunState::Refused, exit, "because of 1", "");
    }
    let twice = Run::unplanned().refused("1", 78, 1).refused("2", 65, 2);
    twice.is(RunState::Refused, Exit::DataRefused, "because of 2", "");
    let anew = Run::unplanned().refused("1", 78, 1).job("plan", "2", None);
    anew.is(RunState::Planning, Exit::Temporary, waiting, "");
    let logs = "kubectl --namespace ns logs job/r-plan";
    let lost = Run::unplanned().job("plan", "1", Some(failed()));
    lost.is(RunState::Refused, Exit::Configuration, "Job r-plan failed and left no plan", logs);
}

#[test]
fn a_heartbeat_of_a_plan_hides_neither_the_jobs_refusal_nor_their_failure() {
    let refused = Run::unplanned().planning("0").refused("1", 78, 95).job("plan", "1", None);
    refused.is(RunState::Refused, Exit::Configuration, "because of 1", "");
    let refused = Run::unplanned().planning("1").refused("1", 65, 95).job("plan", "1", Some(failed()));
    refused.is(RunState::Refused, Exit::DataRefused, "because of 1", "");
    let logs = "kubectl --namespace ns logs job/r-plan";
    for epoch in ["0", "1"] {
        let killed = Run::unplanned().planning(epoch).job("plan", "1", Some(failed()));
        killed.is(RunState::Refused, Exit::Configuration, "Job r-plan failed and left no plan", logs);
    }
    let reason = "the plan is being made since ";
    let anew = Run::unplanned().planning("1").refused("1", 78, 1).job("plan", "1", None);
    anew.is(RunState::Planning, Exit::Temporary, reason, "");
    let other = Run::unplanned().planning("0").job("plan", "1", None);
    assert!(!judge(&other.0).0.reason.contains(reason), "it is no heartbeat of this epoch");
}

#[test]
fn a_run_under_way() {
    let alive = minute(100) - TimeDelta::seconds(20);
    let working = Run::planned().done(&[0], 50).beat(1, alive);
    working.is(RunState::Running, Exit::Temporary, "1 process is at work", "");
    let quiet = Run::planned().done(&[0], 95);
    quiet.is(RunState::Running, Exit::Temporary, "no process gives a heartbeat just now", "");
    let starting = Run::planned().job("shards", "1", None);
    starting.is(RunState::Running, Exit::Temporary, "Job r-shards has no pod just now", "");
    let again = Run::planned().done(&[0, 2], 10).summary(10, 20).beat(1, alive);
    again.is(RunState::Running, Exit::Temporary, "1 process", "");
    let rerun = Run::planned().done(&[0, 2], 10).summary(10, 20);
    let rerun = rerun.job("shards", "1", Some(failed())).job("finalize", "1", Some(failed())).job(
        "shards-again",
        "1",
        None,
    );
    rerun.is(RunState::Running, Exit::Temporary, "Job r-shards-again has no pod", "");
    let merging = Run::planned().done(&[0, 1, 2], 10).job("shards", "1", Some(JobEnd::Complete));
    merging.job("finalize", "1", None).is(
        RunState::Finalizing,
        Exit::Temporary,
        "the finalizer is at work",
        "",
    );
    let next = "rogo-migrate finalize --run rogo --run-store az://runs";
    let all_done = Run::planned().done(&[0, 1, 2], 95);
    all_done.is(RunState::Finalizing, Exit::Temporary, "every shard is done", next);
}

#[test]
fn a_run_that_ended() {
    let complete = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    complete.is(RunState::Complete, Exit::Done, "30 rows = 30 migrated", FETCH);
    let mut verified = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    verified.0.whereabouts.verify_store = Some("az://verify/rogo".into());
    let fetch = FETCH.replace(" --to", " --verify-store az://verify/rogo --to");
    verified.is(RunState::Complete, Exit::Done, "30 rows = 30 migrated", &fetch);
    // A list that the plan read has the name of a result: they are copied elsewhere.
    for list in ["verification_failures.csv", "lists/manifest-1-of-2.csv", "controls.csv", "skipped.csv"] {
        let mut listed = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
        listed.0.plan.as_mut().unwrap().also_read = vec![list.into()];
        let fetch = FETCH.replace("--to .", "--to rogo");
        listed.is(RunState::Complete, Exit::Done, "30 rows = 30 migrated", &fetch);
    }
    let reason = "rows of shards 1-2 have no outcome";
    let incomplete = Run::planned().done(&[0], 10).beat(1, minute(15)).summary(20, 20);
    incomplete.is(RunState::Incomplete, Exit::Incomplete, reason, RESUME);
    let line =
        "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set-literal shards.only=1-2";
    let in_cluster = Run::planned().done(&[0], 10).beat(1, minute(15)).summary(20, 20);
    let in_cluster = in_cluster.job("shards", "1", Some(failed())).job("finalize", "1", Some(failed()));
    in_cluster.is(RunState::Incomplete, Exit::Incomplete, reason, line);
    let unmerged =
        Run::planned().done(&[0], 95).job("shards", "1", Some(failed())).job("finalize", "1", Some(failed()));
    unmerged.is(RunState::Incomplete, Exit::Incomplete, reason, line);
    let silent = Run::planned().done(&[0], 10).beat(1, minute(80));
    silent.is(RunState::Stalled, Exit::Incomplete, "no heartbeat for 20m 00s", RESUME);
    // A clock that is half a day ahead keeps no run alive.
    let ahead = || Run::planned().done(&[0], 80).beat(1, minute(100 + 12 * 60));
    ahead().is(RunState::Stalled, Exit::Incomplete, "no heartbeat for 20m 00s", RESUME);
    let shard = &judge(&ahead().0).1.shards[1];
    assert_eq!((shard.phase, shard.rows_per_second), (ShardPhase::Silent, 0.0));
    assert!(shard.state.contains("of a clock that is 12h 00m ahead"), "{}", shard.state);
    let unfinished = Run::planned().done(&[0, 1, 2], 10);
    let next = "rogo-migrate finalize --run rogo --run-store az://runs";
    unfinished.is(RunState::Stalled, Exit::Incomplete, "nothing is merged", next);
    let mut rolled_back = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    rolled_back.0.rolled_back = true;
    rolled_back.is(RunState::RolledBack, Exit::Configuration, "use another name", "");
}

/// What the result says of its sweep.
#[derive(Debug, Clone, Copy)]
enum Sweep {
    GoesOn,
    Failed,
}

impl Run {
    fn sweep(mut self, sweep: Sweep) -> Self {
        let summary = self.0.summary.as_mut().unwrap();
        match sweep {
            Sweep::GoesOn => summary.sweeping = true,
            Sweep::Failed => {
                let code = WarningCode::SweepFailed;
                summary.warnings.push(Warning { code, detail: "the container did not answer".into() });
            }
        }
        self
    }
}

#[test]
fn a_result_whose_sweep_did_not_end_is_told_with_the_line_that_ends_it_and_never_as_done() {
    let all = [0, 1, 2];
    let complete = |at: i64, sweep| Run::planned().done(&all, 10).summary(0, at).sweep(sweep);
    let merge = "rogo-migrate finalize --run rogo --run-store az://runs";
    let upgrade =
        "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set-literal shards.only=0";
    let left = "30 rows = 30 migrated + 0 failed + 0 skipped; blobs that killed processes left may still be";
    let sweeps = "the results stand, and the finalizer removes blobs";
    let unless = "if it is not at work any more, the next line merges once more";
    // By hand nothing but the time of the result tells of a finalizer.
    complete(95, Sweep::GoesOn).is(RunState::Finalizing, Exit::Temporary, unless, merge);
    complete(20, Sweep::GoesOn).is(RunState::Complete, Exit::Temporary, left, merge);
    complete(95, Sweep::Failed).is(RunState::Complete, Exit::Temporary, left, merge);
    for sweep in [Sweep::GoesOn, Sweep::Failed] {
        let of_job = |end| complete(20, sweep).job("shards", "1", Some(failed())).job("finalize", "1", end);
        of_job(None).is(RunState::Finalizing, Exit::Temporary, sweeps, "");
        of_job(Some(failed())).is(RunState::Complete, Exit::Temporary, left, upgrade);
    }
    // Rows without an outcome outweigh it, and it is told beside them.
    let undone = |at: i64, sweep| Run::planned().done(&[0], 10).summary(20, at).sweep(sweep);
    let both = "rows of shards 1-2 have no outcome; blobs that killed processes left may still be";
    for (at, sweep) in [(20, Sweep::GoesOn), (20, Sweep::Failed), (95, Sweep::Failed)] {
        undone(at, sweep).is(RunState::Incomplete, Exit::Incomplete, both, RESUME);
    }
    undone(95, Sweep::GoesOn).is(RunState::Finalizing, Exit::Temporary, unless, merge);
    let again = undone(95, Sweep::GoesOn).beat(1, just_now());
    again.is(RunState::Running, Exit::Temporary, "1 process is at work", "");
    let in_cluster =
        |end| undone(95, Sweep::GoesOn).job("shards", "1", Some(failed())).job("finalize", "1", end);
    in_cluster(None).is(RunState::Finalizing, Exit::Temporary, sweeps, "");
}

/// A minute less a little: the heartbeats of pods that are gone are as young as those of pods that work.
fn just_now() -> DateTime<Utc> {
    minute(100) - TimeDelta::seconds(20)
}

#[test]
fn the_finalizers_result_outweighs_young_heartbeats_and_a_job_that_has_not_ended_yet() {
    let said = || Run::planned().done(&[0], 98).beat(1, minute(99)).summary(20, 99);
    let mut said_just_now = said();
    said_just_now.0.summary.as_mut().unwrap().at = minute(99) + TimeDelta::seconds(30);
    let reason = "rows of shards 1-2 have no outcome";
    said_just_now.is(RunState::Incomplete, Exit::Incomplete, reason, RESUME);
    // The last word of a process that the merge shut out comes after it.
    let fenced = said().stopped(1, just_now());
    fenced.is(RunState::Incomplete, Exit::Incomplete, reason, RESUME);
    let ending = said().stopped(1, just_now()).job("shards", "1", Some(failed())).job("finalize", "1", None);
    assert_eq!(judge(&ending.0).0.state, RunState::Incomplete);
}

#[test]
fn the_jobs_outweigh_the_heartbeats() {
    let line = "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set";
    let paused = Run::planned().beat(1, just_now()).job("shards", "1", None).suspended();
    let resume = format!("{line} shards.suspend=false");
    paused.is(RunState::Paused, Exit::Temporary, "Job r-shards is suspended", &resume);
    let killed = Run::planned().beat(1, just_now()).job("shards", "1", Some(failed()));
    let killed = killed.job("finalize", "1", Some(failed()));
    let rerun = format!("{line}-literal shards.only=0-2");
    killed.is(RunState::Incomplete, Exit::Incomplete, "rows of shards 0-2", &rerun);
    let mut waiting = Run::planned().job("shards", "1", None);
    let job = waiting.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap();
    job.state.active = 3;
    let what = "MountVolume.SetUp failed: secret \"s\" not found".to_owned();
    job.obstacles.push(Obstacle { kind: ObstacleKind::Node, pod: Some("p".into()), what });
    let reason = "0 of 3 pods of Job r-shards are ready (node or volume: MountVolume.SetUp failed: secret \"s\" not found)";
    waiting.is(RunState::Running, Exit::Temporary, reason, "");
}

#[test]
fn a_run_whose_processes_were_stopped_or_uninstalled_is_stalled_at_once() {
    let stopped = Run::planned().done(&[0], 98).stopped(1, just_now());
    let reason = "no process is at work; the last one stopped at 4 of 10 rows of shard 1";
    stopped.is(RunState::Stalled, Exit::Incomplete, reason, RESUME);
    let of_chart = |no_jobs_in| {
        let mut run = Run::planned().done(&[0], 98).stopped(1, just_now());
        (run.0.is_of_chart, run.0.no_jobs_in) = (true, no_jobs_in);
        run
    };
    // Its pod is started again elsewhere, as far as this laptop knows.
    of_chart(None).is(RunState::Running, Exit::Temporary, "no process gives a heartbeat just now", "");
    let reason = "namespace ns of the cluster has no Job of this run (any more), and no process is at work";
    of_chart(Some(Searched::Chosen("ns".into()))).is(RunState::Stalled, Exit::Incomplete, reason, RESUME);
}

#[test]
fn what_a_namespace_that_nobody_chose_does_not_have_is_not_known() {
    let in_context = "; namespace ns of the cluster (that of the context) has no Job of this run: whether it is paused or failed \
                      in another namespace is not known (ROGO_NAMESPACE names it)";
    let nowhere = "; this machine knows no cluster: whether it is paused or failed there is not known (KUBECONFIG and \
                   ROGO_NAMESPACE name cluster and namespace)";
    let status = "rogo-migrate status --run rogo --run-store az://runs";
    let looked = [
        (Searched::OfContext("ns".into()), in_context, format!("ROGO_NAMESPACE='<namespace>' {status}")),
        (Searched::Nowhere, nowhere, format!("KUBECONFIG='<file>' ROGO_NAMESPACE='<namespace>' {status}")),
    ];
    for (searched, unknown, ask) in looked {
        let of_chart = |at| {
            let mut run = Run::planned().done(&[0], at).stopped(1, minute(at));
            (run.0.is_of_chart, run.0.no_jobs_in) = (true, Some(searched.clone()));
            run
        };
        let reason = format!("no process gives a heartbeat just now{unknown}");
        of_chart(99).is(RunState::Running, Exit::Temporary, &reason, "");
        let reason = format!("no heartbeat for 40m 00s{unknown}");
        of_chart(60).is(RunState::Stalled, Exit::Incomplete, &reason, &ask);
        // Without the chart there is no Job to look for.
        let mut by_hand = of_chart(60);
        by_hand.0.is_of_chart = false;
        by_hand.is(
            RunState::Stalled,
            Exit::Incomplete,
            "no process is at work; the last one stopped",
            RESUME,
        );
    }
}

#[test]
fn counts_come_from_segments_or_heartbeats_whichever_knows_more() {
    let rows = |recorded: u64| {
        let mut run = Run::planned().beat(1, minute(88));
        run.0.recorded.insert(ShardIndex(1), books(recorded));
        run.0.recorded.insert(ShardIndex(2), books(3));
        judge(&run.0).1.shards.iter().map(|shard| shard.rows.migrated).collect::<Vec<_>>()
    };
    assert_eq!(rows(7), [0, 7, 3]);
    assert_eq!(rows(2), [0, 4, 3]);
}

#[test]
fn what_limits_the_shards_that_are_alive_and_what_limited_a_run_that_has_ended() {
    let work = || Work {
        elapsed_us: 60_000_000,
        worker_us: 60_000_000,
        rows: 30,
        row_us: 30_000_000,
        waited_us: BTreeMap::from([("connection".to_owned(), 15_000_000)]),
        ..Work::default()
    };
    let codes = |run: &Run| {
        let (_, standing) = judge(&run.0);
        let text = standing.text(80);
        for limit in &standing.limits {
            assert!(text.contains(&format!("limit: {}\n", limit.text)), "{text}");
        }
        standing.limits.iter().map(|limit| limit.code).collect::<Vec<_>>()
    };
    let mut run = Run::planned().done(&[0], 10).beat(1, minute(100)).beat(2, minute(10));
    for beat in run.0.beats.values_mut() {
        beat.work = work();
    }
    assert_eq!(codes(&run), [LimitCode::DatabasePool]);
    run.0.beats.remove(&ShardIndex(1));
    assert_eq!(codes(&run), [], "what limited a process that is gone");
    let mut ended = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    let limit = Limit { code: LimitCode::Cpu, text: "processor: 95 %".into() };
    ended.0.summary.as_mut().unwrap().limits = vec![limit];
    assert_eq!(codes(&ended), [LimitCode::Cpu]);
}

#[test]
fn a_run_that_is_not_there_names_those_that_are_and_no_verdict_is_said_twice() {
    let mut unknown = Run::unplanned();
    unknown.0.other_runs = ["may", "trial"].map(|name| name.parse().unwrap()).to_vec();
    let reason = "there is no plan at az://runs yet, and no process makes it: `rogo-migrate plan` does; runs that have one \
                  there: may, trial (--run)";
    unknown.is(RunState::Planning, Exit::Temporary, reason, "");
    let text = judge(&Run::planned().done(&[0, 1, 2], 10).summary(0, 20).0).1.text(80);
    assert!(text.starts_with("COMPLETE: run rogo: 30 rows = 30 migrated"), "{text}");
    assert_eq!(text.matches("COMPLETE").count(), 1, "{text}");
}

#[test]
fn lost_rows_are_told_with_the_finalizers_own_command() {
    let lost = || {
        let mut run = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
        let summary = run.0.summary.take().unwrap().lost(Lost { rows: 2, ..Lost::default() });
        run.0.summary = Some(Summary { next_command: "redo them".into(), ..summary });
        run
    };
    let reason = "2 rows that were migrated are not in the target any more (lost.csv names them); if the database lost them, \
                  move them again (--redo lost); if they were deleted on purpose, accept that";
    lost().is(RunState::Incomplete, Exit::Incomplete, reason, "redo them");
    let again = lost().job("shards-again", "1", None);
    again.is(RunState::Running, Exit::Temporary, "Job r-shards-again has no pod", "");
}

#[test]
fn a_result_with_every_row_outweighs_done_markers_and_nothing_is_whole_while_rows_are_lost() {
    let result = |mut run: Run, migrated: u64, lost: u64| {
        let mut summary = run.0.summary.take().unwrap();
        summary.books = books(migrated);
        run.0.summary =
            Some(summary.lost(Lost { rows: lost, shards: vec![ShardIndex(1)], ..Lost::default() }));
        run
    };
    let line = |run: &Run| {
        let (_, standing) = judge(&run.0);
        standing.text(80).lines().nth(1).unwrap_or_default().to_owned()
    };
    let lost = || result(Run::planned().done(&[0, 1, 2], 10).summary(0, 20), 28, 2);
    let said = "28 migrated, 0 failed, 0 skipped, 2 lost; 3 of 3 shards done";
    assert_eq!(line(&lost()), format!("28 of 30 rows (93.3%): {said}"));
    // They are moved again: a shard is done anew, the other is not.
    let mut redone = lost();
    redone.0.done.get_mut(&ShardIndex(1)).unwrap().at = minute(95);
    redone.0.unmerged = moved_again(just_now(), false).0.unmerged;
    assert_eq!(line(&redone), format!("at the last result: {said}"));
    // Rows are lost, others never had an outcome, and those are moved now.
    let both = result(Run::planned().done(&[0, 1], 10).beat(2, just_now()).summary(10, 20), 18, 2);
    let counted = "22 of 30 rows (73.3%): 22 migrated, 0 failed, 0 skipped, 2 lost; 2 of 3 shards done";
    assert_eq!(line(&both), counted);
    // What a COMPLETE result calls whole may lack rows once they are moved again.
    let said = "at the last result: 30 migrated, 0 failed, 0 skipped; 3 of 3 shards done";
    assert_eq!(line(&moved_again(just_now(), false)), said);
    let mut rolled_back = Run::planned().done(&[0, 1, 2], 10);
    rolled_back.0.rolled_back = true;
    let said = "before the rollback: 30 migrated, 0 failed, 0 skipped; 3 of 3 shards done";
    assert_eq!(line(&rolled_back), said);
}

/// Minutes after the plan: a COMPLETE result at 20, and a process of shard 1 that registered later.
fn moved_again(sign: DateTime<Utc>, is_stopped: bool) -> Run {
    let mut run = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    let (host, shard) = ("h".to_owned(), ShardIndex(1));
    run.0.unmerged = vec![Unmerged { shard, host, sign_at: sign, is_stopped, has_recorded: true }];
    run
}

#[test]
fn a_result_is_not_the_last_word_while_rows_are_moved_again_or_not_merged() {
    let finalize = "rogo-migrate finalize --run rogo --run-store az://runs";
    let reason = "rows of shards 1 are moved again since the last result: 1 process is at work";
    moved_again(just_now(), false).is(RunState::Running, Exit::Temporary, reason, "");
    let reason = "rows of shards 1 were moved again after the last result, and are not merged yet";
    moved_again(just_now(), true).is(RunState::Finalizing, Exit::Temporary, reason, finalize);
    moved_again(minute(95), false).is(RunState::Finalizing, Exit::Temporary, reason, finalize);
    let reason = "rows of shards 1 were moved again after the last result, and nothing of that has been merged for 20m 00s";
    moved_again(minute(80), false).is(RunState::Stalled, Exit::Incomplete, reason, finalize);
    // Of an INCOMPLETE run the shards without a done marker tell.
    let mut missing = moved_again(minute(80), false);
    missing.0.done.remove(&ShardIndex(1));
    missing = missing.summary(10, 90);
    missing.is(RunState::Incomplete, Exit::Incomplete, "rows of shards 1 have no outcome", RESUME);
}

#[test]
fn the_jobs_that_move_lost_rows_again_outweigh_the_result_of_before() {
    let before = || {
        let ended = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
        ended.job("shards", "1", Some(JobEnd::Complete)).job("finalize", "1", Some(JobEnd::Complete))
    };
    let redo = |mut run: Run, shard_job: Option<&str>| {
        let job = run.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap();
        (job.redo, job.shard_job) = (true, shard_job.map(str::to_owned));
        run
    };
    let moving = || redo(before().job("shards-again", "1", None), None);
    let reason = "lost rows are moved again: Job r-shards-again has no pod just now";
    moving().is(RunState::Running, Exit::Temporary, reason, "");
    let line = "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set";
    let reason = "lost rows are moved again: Job r-shards-again is suspended";
    let next = format!("{line} shards.suspend=false");
    moving().suspended().is(RunState::Paused, Exit::Temporary, reason, &next);

    let moved = || redo(before().job("shards-again", "1", Some(JobEnd::Complete)), None);
    let finalizer = |end| redo(moved().job("finalize-again", "1", end), Some("r-shards-again"));
    let reason = "lost rows were moved again, and the finalizer is at work";
    finalizer(None).is(RunState::Finalizing, Exit::Temporary, reason, "");
    let reason =
        "lost rows were to be moved again, but Job r-finalize-again failed: submission_files.csv changed";
    let next =
        format!("{line} shards.redo=lost --set-literal shards.reason='<why>' --set-literal shards.only=0-2");
    let failed = finalizer(Some(failed())).said(78, "submission_files.csv changed");
    failed.is(RunState::Incomplete, Exit::Configuration, reason, &next);
    // The result is that finalizer's own: only its exit is left.
    let mut ended = finalizer(None);
    ended.0.summary.as_mut().unwrap().shard_job = Some("r-shards-again".into());
    ended.is(RunState::Complete, Exit::Done, "30 rows = 30 migrated", FETCH);
    // A shard Job that has not ended in the API yet is no news for a result.
    let ending = Run::planned().done(&[0, 1, 2], 10).summary(0, 20).job("shards", "1", None);
    ending.is(RunState::Complete, Exit::Done, "30 rows = 30 migrated", FETCH);
}

#[test]
fn a_redo_after_one_that_succeeded_makes_jobs_of_its_own_and_a_queue_is_not_resumed_by_helm() {
    let mut again = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
    again = again.job("shards-again", "1", Some(JobEnd::Complete)).job(
        "finalize-again",
        "1",
        Some(JobEnd::Complete),
    );
    let line = "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set shards.redo=lost \
                --set-literal shards.reason='<why>'";
    let all = "--set-literal shards.only=0-2";
    assert_eq!(redo_of(&again.0).unwrap(), format!("{line} {all}"));
    for job in &mut again.0.jobs.as_mut().unwrap().jobs {
        job.redo = true;
    }
    assert_eq!(
        redo_of(&again.0).unwrap(),
        format!("{line} --set shards.again=1200 {all}"),
        "of the result's time"
    );

    let mut queued = Run::planned().job("shards", "1", None).suspended();
    queued.0.jobs.as_mut().unwrap().jobs[0].queue = Some("q".into());
    let reason = "Job r-shards is suspended: its queue q has no room for it yet, or is held";
    queued.is(RunState::Paused, Exit::Temporary, reason, "");
}

#[test]
fn no_line_moves_rows_of_which_another_runs_submissions_stand() {
    let lost = |rows, of_another_run| {
        let mut run = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
        let summary = run.0.summary.as_mut().unwrap();
        summary.result = RunResult::Incomplete;
        summary.lost = Lost { rows, of_another_run, shards: vec![ShardIndex(1)] };
        summary.next_command = "accept it".into();
        run
    };
    assert!(redo_of(&lost(2, 1).0).unwrap().contains("--redo lost"));
    assert_eq!(redo_of(&lost(2, 2).0), None);
    let reason = "of 2 of them another run's submission stands, which --redo lost does not move \
                  (lost_to_another_run.csv names them); if that is right, accept that this run's are gone";
    lost(2, 2).is(RunState::Incomplete, Exit::Incomplete, reason, "accept it");
}

#[test]
fn a_release_merges_by_its_own_line() {
    let line =
        "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set-literal shards.only=0";
    let all_done = || Run::planned().done(&[0, 1, 2], 95).job("shards", "1", Some(JobEnd::Complete));
    all_done().is(RunState::Finalizing, Exit::Temporary, "nothing is merged yet (if no finalizer", line);
    let stalled = Run::planned().done(&[0, 1, 2], 10).job("shards", "1", Some(JobEnd::Complete));
    stalled.is(RunState::Stalled, Exit::Incomplete, "nothing is merged", line);
}

#[test]
fn a_finalizer_that_failed_before_it_merged_gives_its_own_words_and_code() {
    let line =
        "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set-literal shards.only=0";
    let ended = || {
        let done = Run::planned().done(&[0, 1, 2], 99).job("shards", "1", Some(JobEnd::Complete));
        done.job("finalize", "1", Some(failed()))
    };
    let words = "every shard is done, but Job r-finalize failed: FailedIndexes: Job has failed indexes";
    ended().is(RunState::Incomplete, Exit::Incomplete, words, line);
    let words = "every shard is done, but Job r-finalize failed: submission_files.csv changed";
    let said = |code| ended().said(code, "submission_files.csv changed");
    for (code, exit) in
        [(65, Exit::DataRefused), (78, Exit::Configuration), (75, Exit::Incomplete), (137, Exit::Incomplete)]
    {
        said(code).is(RunState::Incomplete, exit, words, line);
    }
    let again = said(78).job("finalize-again", "1", None);
    again.is(RunState::Finalizing, Exit::Temporary, "the finalizer is at work", "");
}

#[test]
fn a_finalizer_that_gave_up_outweighs_the_shard_job_that_never_ends() {
    let line = "helm upgrade r oci://a/b --namespace ns --reset-then-reuse-values --set \
                shards.resources.ephemeralStorage='<more>' --set replaceRunning=true";
    let words =
        "Job r-shards: pods of one shard were evicted 10 times because they used too much ephemeral storage";
    let reason = format!("Job r-finalize waits no longer for Job r-shards: {words}");
    let awaits = |mut run: Run, shard_job: &str| {
        run.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap().shard_job = Some(shard_job.into());
        run
    };
    let evicted = || Run::planned().done(&[0], 98).beat(1, just_now()).job("shards", "1", None);
    let ended = |code| awaits(evicted().job("finalize", "1", Some(failed())), "r-shards").said(code, words);
    let gave_up = || ended(69);
    gave_up().is(RunState::Incomplete, Exit::Incomplete, &reason, line);
    assert_eq!(redo_of(&gave_up().0), None, "Helm renders no other Job while this one goes on");
    // After any other end the shards go on to theirs.
    ended(78).is(RunState::Running, Exit::Temporary, "Job r-shards has no pod just now", "");
    // Their rows are moved again, by Jobs that are waited for.
    let again =
        awaits(gave_up().job("shards-again", "1", None).job("finalize-again", "1", None), "r-shards-again");
    again.is(RunState::Running, Exit::Temporary, "has no pod just now", "");

    // It is the same where lost rows are moved again, unless the finalizer has merged and only its Job's end is to come.
    let redo = |mut run: Run| {
        run.0.jobs.as_mut().and_then(|jobs| jobs.jobs.last_mut()).unwrap().redo = true;
        run
    };
    let moved = || {
        let before = Run::planned().done(&[0, 1, 2], 10).summary(0, 20);
        let moved = redo(before.job("shards", "1", None));
        awaits(redo(moved.job("finalize", "1", Some(failed()))), "r-shards").said(69, words)
    };
    moved().is(RunState::Incomplete, Exit::Incomplete, &reason, line);
    let mut merged = moved();
    merged.0.summary.as_mut().unwrap().shard_job = Some("r-shards".into());
    assert!(!judge(&merged.0).0.reason.contains("no longer"), "{:?}", judge(&merged.0).0);
}

#[test]
fn a_refusal_beside_a_plan_counts_where_it_is_of_the_jobs_epoch() {
    let refused = || Run::planned().done(&[0], 95).refused("2", 65, 96);
    refused().job("shards", "2", Some(failed())).is(RunState::Refused, Exit::DataRefused, "because of 2", "");
    refused().job("shards", "3", None).is(RunState::Running, Exit::Temporary, "no pod", "");
    refused().is(RunState::Running, Exit::Temporary, "no process", "");
}

#[test]
fn another_plans_summary_says_nothing_of_this_one() {
    let mut run = Run::planned().done(&[0, 1, 2], 95).summary(0, 99);
    run.0.summary.as_mut().unwrap().plan = writer().as_str().parse().unwrap();
    assert_eq!(judge(&run.0).0.state, RunState::Finalizing);
}

#[test]
fn the_text_tells_progress_rate_and_what_is_not_done() {
    let alive = minute(100) - TimeDelta::seconds(20);
    let run = Run::planned().done(&[0], 50).beat(1, alive).beat(2, minute(88)).job("shards", "1", None);
    assert_eq!(
        judge(&run.0).1.text(80),
        "\
running: run rogo: Job r-shards has no pod just now
18 of 30 rows (60.0%): 18 migrated, 0 failed, 0 skipped; 1 of 3 shards done
2.0 rows/s, about 6s left

shard  done  of  rows/s  state
─────  ────  ──  ──────  ──────────────────────────────────
    1     4  10     2.0  throttled: 503 from target blobs
    2     4  10     0.0  stalled (no heartbeat for 12m 00s)

Job r-shards: 0 active, 0 ready; 0 of 3 succeeded; shards failed: 1
"
    );
}

#[test]
fn without_shards_and_processes_the_rate_is_zero_and_not_negative() {
    assert_eq!(lines::sum_of_rates(std::iter::empty()).to_string(), "0");
    assert_eq!(lines::sum_of_rates([1.5, 0.5].into_iter()).to_string(), "2");
}
