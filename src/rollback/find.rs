//! What a rollback looks at: the submissions that name writers of this run, and those that the run recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;

use super::{
    Rollback, Touched,
    judge::{EarlierRule, Judge},
    marks::RecordedAttempts,
};
use crate::{
    domain::{AttemptId, Fate, SubmissionIds, place_of_blob},
    exit::Stop,
    ports::stored_form,
    run::{WriterId, decisions, enforcements, names, segments::segments, writers::registered},
};

/// Submissions whose dates are asked for at a time.
const DATES_AT_A_TIME: usize = 1_000;

/// Everything that is known before the first submission is looked at.
pub struct Found {
    /// The run's writers.
    pub writers: BTreeSet<WriterId>,
    /// Marks of those that ended in order.
    pub clean: Vec<String>,
    /// The attempts to look at, ascending.
    pub candidates: Vec<AttemptId>,
    /// Decides about each.
    pub judge: Judge,
    /// Blobs that a row of another submission names: they stay.
    pub shared_blobs: HashSet<String>,
    /// Writers of attempts of `--attempts` of which fewer files are named than were moved: the target lost them, or the
    /// application deleted them, and no row leads to their blobs.
    pub unnamed_by: BTreeSet<WriterId>,
    /// Attempts that an earlier `--attempts` rolled back.
    rolled_back: HashSet<AttemptId>,
}

impl Found {
    /// Whether the run recorded the attempt as migrated, or rolled it back.
    pub fn was_migrated(&self, attempt: AttemptId) -> bool {
        self.judge.migrated.has(attempt) || self.is_rolled_back(attempt)
    }

    /// Whether an earlier rollback of some attempts named it.
    pub fn is_rolled_back(&self, attempt: AttemptId) -> bool {
        self.rolled_back.contains(&attempt)
    }
}

/// What the run's segments say.
#[derive(Default)]
struct Recorded {
    migrated: RecordedAttempts,
    /// Attempts with an outcome, if only some are rolled back.
    any: HashSet<AttemptId>,
    /// Files of these that were moved, at least one, and who recorded it.
    files: HashMap<AttemptId, (u32, BTreeSet<WriterId>)>,
}

impl Rollback<'_> {
    /// Reads the run's documents, and the target's files once.
    pub(super) async fn find(&self) -> Result<Found, Stop> {
        let store = self.run.store;
        let (writers, unclean) = registered(store).await?;
        let clean = writers.iter().filter(|id| !unclean.contains(id)).map(names::clean).collect();
        let (mut written, mut shared, mut shared_blobs) = (Vec::new(), HashSet::new(), HashSet::new());
        let ids: Vec<WriterId> = writers.iter().cloned().collect();
        let mut each = |files: Vec<(String, String)>| {
            for (id, name) in files {
                let Some((attempt, order)) = place_of_blob(&name) else { continue };
                if SubmissionIds::new(self.lms_instance, attempt).row("submission_files", order) == id {
                    written.push(attempt);
                } else {
                    shared.insert(attempt);
                    shared_blobs.insert(stored_form(&name).into_owned());
                }
            }
        };
        self.undo.files_of(&ids, &mut each).await?;
        let Recorded { migrated, any, mut files } = self.recorded().await?;
        for attempt in &written {
            if let Some((unnamed, _)) = files.get_mut(attempt) {
                *unnamed = unnamed.saturating_sub(1);
            }
        }
        let unnamed = files.into_values().filter(|(unnamed, _)| *unnamed > 0);
        let unnamed_by = unnamed.flat_map(|(_, by)| by).filter(|id| writers.contains(id)).collect();
        let candidates = if let Some(attempts) = self.attempts {
            attempts.to_vec()
        } else {
            written.extend(migrated.attempts());
            written.sort_unstable();
            written.dedup();
            written
        };
        let judge = Judge {
            writers: writers.clone(),
            migrated,
            unrecorded: self
                .attempts
                .map(|attempts| attempts.iter().copied().filter(|attempt| !any.contains(attempt)).collect())
                .unwrap_or_default(),
            earlier: self.earlier_rules().await?,
            shared,
            touched: self.touched,
        };
        let rolled_back = decisions::rolled_back(store).await?.into_keys().collect();
        Ok(Found { writers, clean, candidates, judge, shared_blobs, unnamed_by, rolled_back })
    }

    async fn recorded(&self) -> Result<Recorded, Stop> {
        let (mut recorded, mut all) = (Recorded::default(), Vec::new());
        let mut found = segments(self.run.store, self.run.plan, None);
        while let Some(segment) = found.try_next().await? {
            for read in segment.outcomes() {
                let outcome = read?;
                let Some(attempt) = outcome.attempt else { continue };
                if let Some(attempts) = self.attempts {
                    if attempts.binary_search(&attempt).is_err() {
                        continue;
                    }
                    recorded.any.insert(attempt);
                }
                if let Fate::Migrated(migrated) = outcome.fate {
                    all.push((attempt, migrated.marks));
                    if self.attempts.is_some() {
                        let (moved, by) = recorded.files.entry(attempt).or_default();
                        *moved = (*moved).max(migrated.files.max(1));
                        by.insert(segment.writer.clone());
                    }
                }
            }
        }
        recorded.migrated = RecordedAttempts::new(all);
        Ok(recorded)
    }

    /// The malpractice rules as they were before the run changed them, by id, with the date of each.
    async fn earlier_rules(&self) -> Result<HashMap<String, EarlierRule>, Stop> {
        let images = enforcements::images(self.run.store).await?;
        let named: BTreeSet<String> = images.values().filter_map(EarlierRule::submission_of).collect();
        let named: Vec<String> = named.into_iter().collect();
        let mut dates = BTreeMap::new();
        for ids in named.chunks(DATES_AT_A_TIME) {
            dates.extend(self.undo.created(ids).await?);
        }
        Ok(images.into_iter().map(|(id, image)| (id, EarlierRule::new(image, &dates))).collect())
    }
}

impl Touched {
    /// Whether the application's work is no obstacle.
    pub(super) fn is_removed(self) -> bool {
        self == Self::Remove
    }
}
