//! The wait for the plan, of shards and of a finalizer in a cluster.

use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use crate::{
    exit::{Exit, Moment, Stop},
    ports::{Backoff, Fault, FaultKind, Patience, pause},
    report::WaitTeller,
    run::{Plan, Refusal, RunStore, named_instead, names, pins, planning},
    settings::Settings,
    watch::rerun::release_with,
};

const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
/// Every so many looks the wait asks for a refusal too. With a look in 10 s a refusal is found within half a minute.
const REFUSAL: u64 = 3;
/// Every so many lines that the wait says in a pod, it looks at the heartbeat of the process that makes the plan: many pods wait
/// for one plan. Elsewhere each line says whether a process makes it, and so each line looks.
const SIGNS: u32 = 8;

/// Waits for the plan of this run; obeys a refusal of its own epoch only. Only a look that succeeded and found
/// nothing says that there is no plan.
pub async fn await_plan(settings: &Settings, store: &RunStore) -> Result<Plan, Stop> {
    // Many pods wait for one plan, so each asks only every 10 s after the first seconds.
    let mut absent = Patience::new(LOOKS);
    let mut away = Patience::new(LOOKS);
    let mut wait = Wait {
        settings,
        store,
        began: Instant::now(),
        teller: WaitTeller::default(),
        making: None,
        others: String::new(),
    };
    let mut looks = 0;
    loop {
        let pausing = match glance(settings, store, looks).await {
            Ok(Some(found)) => return found,
            Ok(None) => {
                looks += 1;
                away.answered();
                if !wait.goes_on().await {
                    let last = look(settings, store).await?;
                    return last.unwrap_or_else(|| Err(no_plan(settings, store)));
                }
                let (pausing, left) = (absent.failed(), wait.left());
                if left.is_zero() { pausing } else { pausing.min(left) }
            }
            Err(fault) => {
                let Some(limit) = patience(settings, &fault) else { return Err(fault.into()) };
                let Some(pausing) = away.failed_within(limit) else {
                    return Err(given_up(away.failing_for(), &fault));
                };
                tracing::warn!(fault = %fault.chain(), "cannot look for the plan");
                pausing
            }
        };
        pause(pausing).await;
    }
}

/// A wait that has found no plan so far.
struct Wait<'a> {
    settings: &'a Settings,
    store: &'a RunStore,
    began: Instant,
    teller: WaitTeller,
    /// What the process that makes the plan said last; it may read a warehouse for an hour.
    making: Option<String>,
    /// Which runs have a plan there, for the person who mistyped a name.
    others: String,
}

impl Wait<'_> {
    /// How much of wait-plan is left.
    fn left(&self) -> Duration {
        self.settings.wait_plan.saturating_sub(self.began.elapsed())
    }

    /// Whether to look again: within wait-plan, and as long as a process of this epoch makes the plan. Says what is waited
    /// for.
    async fn goes_on(&mut self) -> bool {
        let is_over = self.left().is_zero();
        let looks_at = |line: u32| self.settings.pod.name.is_none() || line.is_multiple_of(SIGNS);
        if is_over || self.teller.due().is_some_and(looks_at) {
            match planning::of(self.store, &self.settings.epoch, Utc::now()).await {
                Ok(None) if is_over => return false,
                Ok(planning) => self.making = planning.map(|planning| planning.to_string()),
                // A store that does not answer is the next look's matter.
                Err(fault) => tracing::debug!(fault = %fault.chain(), "cannot look who makes the plan"),
            }
        }
        if self.settings.pod.name.is_none() && self.teller.due() == Some(0) {
            self.others = named_instead(&self.store.other_runs().await.unwrap_or_default());
        }
        let Self { settings, store, began, teller, making, others } = self;
        let for_s = began.elapsed().as_secs();
        let limit_s = settings.wait_plan.as_secs();
        teller.tell(|| match making {
            Some(making) => format!("waiting for the plan for {for_s} s: {making}"),
            None => format!(
                "waiting for the plan for {for_s} s of {limit_s} s (wait-plan): there is none at {} yet{}{others}",
                store.describe(names::PLAN),
                who_makes_it(settings)
            ),
        });
        true
    }
}

/// In a pod the release's own Job makes the plan.
fn who_makes_it(settings: &Settings) -> &'static str {
    match settings.pod.name {
        Some(_) => "; the plan's Job makes it",
        None => {
            ", and no process makes it: `rogo-migrate plan` does; to end at once when there is no plan: --wait-plan 0s"
        }
    }
}

/// How long a run store is waited for that cannot be looked at; `None`: not at all. A secret may be about to change; in
/// a pod rights too may come later than the pods of a new release.
fn patience(settings: &Settings, fault: &Fault) -> Option<Duration> {
    match &fault.kind {
        FaultKind::Unauthenticated => Some(settings.wait_plan),
        FaultKind::Denied if settings.pod.name.is_some() => Some(settings.wait_plan),
        kind => Moment::BeforePlan.waits_for(kind).then_some(settings.work.give_up_after),
    }
}

fn no_plan(settings: &Settings, store: &RunStore) -> Stop {
    let message = format!(
        "no plan at {} after {} s (wait-plan), nor a process that makes it: {}",
        store.describe(names::PLAN),
        settings.wait_plan.as_secs(),
        next(settings)
    );
    Stop::new(Exit::Temporary, message)
}

/// In a pod the release's own Job makes the plan.
fn next(settings: &Settings) -> String {
    let pod = &settings.pod;
    let Some(namespace) = pod.name.as_ref().and(pod.namespace.as_ref()) else {
        return "run `rogo-migrate plan` first, or see why it did not end".to_owned();
    };
    let logs = format!(
        "see why the plan's Job did not make it: kubectl --namespace {namespace} logs -l \
         app.kubernetes.io/name=rogo-migrate,app.kubernetes.io/component=plan --tail=-1"
    );
    match &pod.release {
        Some(release) => {
            // Shards that wait for the plan too are unfinished.
            let anew = release_with(release, &["generation='<the next number>'", "replaceRunning=true"]);
            format!("{logs}; when that is mended: {anew}")
        }
        None => logs,
    }
}

fn given_up(away_for: Duration, fault: &Fault) -> Stop {
    let message = format!(
        "the plan could not be looked for during {} s: {}; mend that and run again",
        away_for.as_secs(),
        fault.chain()
    );
    Stop::new(Exit::Temporary, message)
}

/// As [`look`], with one request for most looks: many pods wait for one plan. The other documents are read in the first
/// look and where something new is there.
async fn glance(
    settings: &Settings,
    store: &RunStore,
    looks: u64,
) -> Result<Option<Result<Plan, Stop>>, Fault> {
    let is_news = looks == 0
        || store.exists(names::PLAN).await?
        || (looks.is_multiple_of(REFUSAL) && store.refusal(&settings.epoch).await?.is_some());
    if is_news { look(settings, store).await } else { Ok(None) }
}

/// The plan, or the reason why there will be none; `None` if neither document exists.
async fn look(settings: &Settings, store: &RunStore) -> Result<Option<Result<Plan, Stop>>, Fault> {
    if let Some(refusal) = pins::ended(store).await? {
        return Ok(Some(Err(Stop::new(Exit::Configuration, refusal))));
    }
    // The refusal comes first: this epoch's settings may have been refused although an older plan exists. Outside the
    // chart there is no epoch, so a refusal may belong to another process; the shard then compares its own settings
    // with the plan.
    let refusal = store.refusal(&settings.epoch).await?;
    if let Some(refusal) = refusal.as_ref().filter(|_| !settings.epoch.is_outside_the_chart()) {
        return Ok(Some(Err(refused(refusal))));
    }
    let plan = store.plan().await?;
    Ok(plan.map(Ok).or_else(|| refusal.as_ref().map(|refusal| Err(refused(refusal)))))
}

fn refused(refusal: &Refusal) -> Stop {
    Stop::new(Exit::Configuration, format!("the plan was refused: {}", refusal.reasons.join("; ")))
}
