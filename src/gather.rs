//! Gather: everything that decides rows, fetched for many at once. The caller says how each service is asked (a shard
//! waits out its faults), so that what only predicts or explains gathers the same facts.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
};

use crate::{
    domain::{AttemptId, Facts, Held, QueuedRow, SubmissionIds},
    ports::{Absent, HeldSubmission, Session},
    rules::{self, RuleConfig},
};

/// Bytes of the rows that are gathered together ([`row_bytes`]), about: a row with a megabyte is no reason to hold 500 of
/// them.
pub const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a row's cells and of the facts that a facts file holds of it.
pub fn row_bytes(row: &QueuedRow, facts: Option<&Facts>) -> usize {
    row.cells.size_bytes() + facts.map_or(0, Facts::size_bytes)
}

/// Asks the services. Each question is about many rows.
pub trait Ask {
    /// Reason why a question has no answer.
    type Error;

    /// What the target holds under these launch ids, in no order.
    fn held(
        &self,
        launch_ids: &[String],
    ) -> impl Future<Output = Result<Vec<HeldSubmission>, Self::Error>> + Send;

    /// Which of these launch ids (at most 1,000) lack their submission, in no order. The target reads two keys of each,
    /// where [`Self::held`] reads the files too.
    fn absent(&self, launch_ids: &[String]) -> impl Future<Output = Result<Vec<Absent>, Self::Error>> + Send;

    /// Whether this run wrote the submission.
    fn wrote(&self, held: &HeldSubmission) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Which of these launch ids (at most 1,000) a submission names, with or without a launch session.
    fn submitted(
        &self,
        launch_ids: &[String],
    ) -> impl Future<Output = Result<HashSet<String>, Self::Error>> + Send;

    /// Which submissions of these ids stand in the target.
    fn standing(
        &self,
        submission_ids: &[String],
    ) -> impl Future<Output = Result<HashSet<String>, Self::Error>> + Send;

    /// Whether the row is moved again by a person's decision (`--redo lost`): the target lost what this run recorded as
    /// migrated, or what an earlier run migrated.
    fn was_lost(&self, row: &QueuedRow) -> bool;

    /// The facts of the first of these attempts, in their order: of as many as take at most `room` bytes, at least one
    /// ([`crate::ports::in_order`]).
    fn facts(
        &self,
        attempts: &[AttemptId],
        room: usize,
    ) -> impl Future<Output = Result<Vec<Facts>, Self::Error>> + Send;
}

/// A row with all that its decision needs.
#[derive(Debug, Clone, PartialEq)]
pub struct GatheredRow {
    /// The row, as the queue holds it.
    pub row: QueuedRow,
    /// What the warehouse holds; empty if the row is decided without.
    pub facts: Facts,
    /// Whether the decision takes the facts.
    pub takes_facts: bool,
    /// State of the attempt in the target.
    pub held: Held,
    /// The submission itself, for [`Held::ByThisRun`].
    pub written: Option<HeldSubmission>,
}

/// Rows of which the target has said what it holds; the warehouse is asked about them in parts.
pub struct Gathering(VecDeque<Waiting>);

/// A row, and the attempt whose facts it waits for.
struct Waiting {
    row: GatheredRow,
    asks: Option<AttemptId>,
}

impl Gathering {
    /// Asks the target about every row that may be there. The warehouse is left to be asked about those that are still
    /// undecided; facts that came with a row stand for it.
    pub async fn begin<A: Ask + Sync>(
        ask: &A,
        config: &RuleConfig,
        rows: Vec<(QueuedRow, Option<Facts>)>,
    ) -> Result<Self, A::Error> {
        let mut found = found(ask, config, &rows).await?;
        let without_session = without_session(ask, config, &rows, &found).await?;
        let gone = gone(ask, &rows).await?;
        let mut waiting = VecDeque::with_capacity(rows.len());
        for (mut row, facts) in rows {
            let found =
                row.attempt.filter(|_| rules::asks_target(&row)).and_then(|attempt| found.remove(&attempt));
            let (held, written) = match found {
                Some(found) => weigh(ask, &row, found).await?,
                None if row.held_launch_id.as_ref().is_some_and(|id| without_session.contains(id)) => {
                    (Held::Elsewhere(row.held_launch_id.clone().unwrap_or_default()), None)
                }
                None if row.held_submission_id.as_ref().is_some_and(|id| gone.contains(id)) => {
                    (Held::Nothing, None)
                }
                None => (rules::held_elsewhere(&row, config), None),
            };
            let is_absent = matches!(held, Held::Nothing | Held::Lost);
            if is_absent
                && row.earlier.as_ref().is_some_and(|earlier| !earlier.accepted)
                && ask.was_lost(&row)
            {
                row.earlier = None;
            }
            let is_undecided = rules::decide_without_facts(&row, &held, config).is_none();
            let asks = row.attempt.filter(|_| is_undecided && facts.is_none());
            // Facts files may bring along facts of a row that needs none any more.
            let facts = facts.filter(|_| is_undecided).unwrap_or_default();
            let row = GatheredRow { row, facts, takes_facts: is_undecided, held, written };
            waiting.push_back(Waiting { row, asks });
        }
        Ok(Self(waiting))
    }

    /// Whether every row was handed out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next rows, in their order: all that are left, if their facts take no more than [`CHUNK_BYTES`].
    pub async fn part<A: Ask + Sync>(&mut self, ask: &A) -> Result<Vec<GatheredRow>, A::Error> {
        let attempts: Vec<AttemptId> = self.0.iter().filter_map(|waiting| waiting.asks).collect();
        let answers =
            if attempts.is_empty() { Vec::new() } else { ask.facts(&attempts, CHUNK_BYTES).await? };
        let mut answers = answers.into_iter();
        let mut part = Vec::with_capacity(self.0.len());
        while let Some(mut waiting) = self.0.pop_front() {
            if waiting.asks.is_some() {
                let Some(facts) = answers.next() else {
                    self.0.push_front(waiting);
                    break;
                };
                waiting.row.facts = facts;
            }
            part.push(waiting.row);
        }
        Ok(part)
    }
}

/// Gathers rows all at once: for few.
pub async fn gather<A: Ask + Sync>(
    ask: &A,
    config: &RuleConfig,
    rows: Vec<(QueuedRow, Option<Facts>)>,
) -> Result<Vec<GatheredRow>, A::Error> {
    let mut all = Vec::with_capacity(rows.len());
    let mut gathering = Gathering::begin(ask, config, rows).await?;
    while !gathering.is_empty() {
        all.extend(gathering.part(ask).await?);
    }
    Ok(all)
}

/// What the target holds under the launch ids that this program gives these rows, by attempt. Of what the plan saw there
/// already only that it stands is of interest, for it is not this run's.
async fn found<A: Ask>(
    ask: &A,
    config: &RuleConfig,
    rows: &[(QueuedRow, Option<Facts>)],
) -> Result<HashMap<AttemptId, HeldSubmission>, A::Error> {
    let (mut seen, mut unseen) = (HashMap::new(), HashMap::new());
    for (row, _) in rows.iter().filter(|(row, _)| rules::asks_target(row)) {
        let Some(attempt) = row.attempt else { continue };
        let ids = SubmissionIds::new(&config.lms_instance, attempt);
        let launch_id = ids.launch_id();
        if row.held_launch_id.as_ref() == Some(&launch_id) {
            seen.insert(launch_id, ids);
        } else {
            unseen.insert(launch_id, attempt);
        }
    }
    let mut found = HashMap::with_capacity(seen.len());
    if !unseen.is_empty() {
        let launch_ids: Vec<String> = unseen.keys().cloned().collect();
        let held = ask.held(&launch_ids).await?.into_iter();
        found.extend(held.filter_map(|held| Some((*unseen.get(&held.launch_id)?, held))));
    }
    if !seen.is_empty() {
        let launch_ids: Vec<String> = seen.keys().cloned().collect();
        let absent = ask.absent(&launch_ids).await?;
        let absent: HashMap<String, Session> =
            absent.into_iter().map(|absent| (absent.launch_id, absent.session)).collect();
        for (launch_id, ids) in seen {
            let submission_id = match absent.get(&launch_id) {
                Some(Session::Absent) => continue,
                Some(Session::Alone) => None,
                None => Some(ids.row("assignment_submissions", 1)),
            };
            found.insert(
                ids.attempt(),
                HeldSubmission { launch_id, submission_id, ..HeldSubmission::default() },
            );
        }
    }
    Ok(found)
}

/// Launch ids of this program that the plan saw in the target and that no launch session has now: those of them that a
/// submission still names. Only these are read without an index.
async fn without_session<A: Ask>(
    ask: &A,
    config: &RuleConfig,
    rows: &[(QueuedRow, Option<Facts>)],
    found: &HashMap<AttemptId, HeldSubmission>,
) -> Result<HashSet<String>, A::Error> {
    let seen: Vec<String> = rows
        .iter()
        .filter(|(row, _)| rules::asks_target(row))
        .filter_map(|(row, _)| {
            let attempt = row.attempt.filter(|attempt| !found.contains_key(attempt))?;
            let own = SubmissionIds::new(&config.lms_instance, attempt).launch_id();
            row.held_launch_id.clone().filter(|held| *held == own)
        })
        .collect();
    if seen.is_empty() { Ok(HashSet::new()) } else { ask.submitted(&seen).await }
}

/// Submissions of other programs that the plan saw in the target, and that stand there no more.
async fn gone<A: Ask>(ask: &A, rows: &[(QueuedRow, Option<Facts>)]) -> Result<HashSet<String>, A::Error> {
    let seen: Vec<String> = rows
        .iter()
        .filter(|(row, _)| rules::asks_target(row))
        .filter_map(|(row, _)| row.held_submission_id.clone())
        .collect();
    if seen.is_empty() {
        return Ok(HashSet::new());
    }
    let standing = ask.standing(&seen).await?;
    Ok(seen.into_iter().filter(|id| !standing.contains(id)).collect())
}

/// Finds out who wrote the rows in the target. Rows that existed when the plan was made are not this run's.
async fn weigh<A: Ask>(
    ask: &A,
    row: &QueuedRow,
    found: HeldSubmission,
) -> Result<(Held, Option<HeldSubmission>), A::Error> {
    if found.submission_id.is_none() && ask.was_lost(row) {
        return Ok((Held::Lost, None));
    }
    if found.submission_id.is_none() {
        return Ok((Held::SessionOnly(found.launch_id), None));
    }
    let stood_before = row.held_launch_id.as_ref() == Some(&found.launch_id);
    if !stood_before && ask.wrote(&found).await? {
        return Ok((Held::ByThisRun, Some(found)));
    }
    Ok((Held::Elsewhere(found.launch_id), None))
}
