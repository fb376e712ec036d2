//! The states of other verifications beside this one's: which of them stay, and which parts have ended there.

use std::collections::BTreeSet;

use chrono::Utc;

use super::{
    Subject, Verifying, beats,
    documents::{DISCARDED, Ended, LIVES, discarded},
    folders, parts_of,
};
use crate::{
    ports::Fault,
    run::clocks::{is_beating, may_be_at_work},
};

impl Verifying {
    /// Removes the states of other verifications that no process may still work on. What was compared of this verification by
    /// processes that could read more or less stays, and so does what the pods of a Job have compared, some of which have ended:
    /// none of them compares it again.
    pub(super) async fn discard_others(&self) -> Result<Vec<String>, Fault> {
        let mut told = Vec::new();
        for (folder, documents) in folders(&self.store).await? {
            if folder == self.folder {
                continue;
            }
            let of: Option<Subject> = self.store.read(&format!("{folder}subject.json")).await?;
            let is_over = documents.contains(&format!("{folder}merged.json"));
            let differs = of.as_ref().map(|of| self.subject.differs(of)).unwrap_or_default();
            let is_other_part = of.is_some() && differs.is_empty();
            if is_other_part && !is_over {
                continue;
            }
            let kept = of.as_ref().filter(|_| !is_over).and_then(|of| self.subject.keeps(of));
            let end = match kept {
                Some(why) => why,
                None if beats(&self.store, &documents, may_be_at_work).await?.is_empty() => {
                    self.discard(&folder, &documents, of.as_ref().filter(|_| !is_over)).await?;
                    if parts_of(&documents).is_empty() {
                        continue;
                    }
                    DISCARDED
                }
                None => LIVES,
            };
            if let (Some(of), false) = (of, is_over) {
                told.push(discarded(&of, &differs, parts_of(&documents).len(), end));
            }
        }
        Ok(told)
    }

    /// Deletes a state. Of one of this verification it stays which of its parts have ended there: they compare nothing any more.
    async fn discard(&self, folder: &str, documents: &[String], of: Option<&Subject>) -> Result<(), Fault> {
        let is_of_this = of.is_some_and(|of| self.subject.has_parts_in(of));
        let mut deleted = documents.to_vec();
        if is_of_this && documents.iter().any(|name| is_mark(name)) {
            deleted.retain(|name| !is_mark(name) && *name != format!("{folder}subject.json"));
        }
        if deleted.is_empty() { Ok(()) } else { self.store.delete(&deleted).await }
    }

    /// Removes what this verification's result takes the place of, unless a process may work on it: states of processes that could
    /// read less, and states of which only is left which parts have ended there.
    pub(super) async fn discard_superseded(&self) -> Result<(), Fault> {
        for State { folder, documents, of } in self.states().await? {
            let holds_marks_only =
                parts_of(&documents).is_empty() && documents.iter().any(|name| is_mark(name));
            if folder != self.folder
                && (holds_marks_only || of.lacks_more_than(&self.subject))
                && beats(&self.store, &documents, may_be_at_work).await?.is_empty()
            {
                self.store.delete(&documents).await?;
            }
        }
        Ok(())
    }

    /// Ends this part, if partitions of other parts are open: how many, and which parts never compare them. `None` if it goes on,
    /// because all are written meanwhile, one of its own is gone, or the results stand. It is part `index` of `of`, and there are
    /// `all` partitions.
    pub async fn end_part(&self, (index, of): (usize, usize), all: usize) -> Result<Option<Open>, Fault> {
        // Said first, and asked afterwards: of parts that end at once, the one that says it last sees all others.
        self.part_ended().await?;
        let ended = self.ended_parts().await?;
        let written = self.parts().await?;
        let open: Vec<usize> = (0..all).filter(|part| !written.contains(part)).collect();
        let parts: BTreeSet<usize> = open.iter().map(|part| part % of).collect();
        // Asked last: a process that merges says so before it removes the partitions.
        if open.is_empty() || parts.contains(&index) || self.is_merged().await? {
            self.part_goes_on().await?;
            return Ok(None);
        }
        let parts = parts.into_iter().map(|part| format!("{part}/{of}"));
        let never: Vec<String> = parts.filter(|part| ended.contains(part)).collect();
        // A Job starts its pod again. By hand the others are told that this part has ended too, until a person starts it.
        if !never.is_empty() && !self.subject.job.is_empty() {
            self.part_goes_on().await?;
        }
        Ok(Some(Open { partitions: open.len(), never }))
    }

    /// Says that this process's part has ended, although partitions of other parts are open.
    pub async fn part_ended(&self) -> Result<(), Fault> {
        self.store.replace(&self.path(&ended_name(&self.shard)), &Ended { at: Utc::now() }).await
    }

    /// Takes that back, in whichever state of this verification it was said: the part is at work, or is going to be.
    pub async fn part_goes_on(&self) -> Result<(), Fault> {
        let own = format!("/{}", ended_name(&self.shard));
        let marks: Vec<String> =
            self.marks().await?.into_iter().filter(|name| name.ends_with(&own)).collect();
        if marks.is_empty() { Ok(()) } else { self.store.delete(&marks).await }
    }

    /// The parts, as `0/4`, that have ended: in this state, or in one of this verification that is of another result or of
    /// processes that could read more or less.
    pub async fn ended_parts(&self) -> Result<BTreeSet<String>, Fault> {
        let part = |name: &String| {
            let (_, part) = name.rsplit_once("/ended/")?;
            Some(part.strip_suffix(".json")?.replace("-of-", "/"))
        };
        Ok(self.marks().await?.iter().filter_map(part).collect())
    }

    /// Whether the part `shard` (as `0/4`) has ended, or works on another state of this verification: it reads nothing for this one.
    pub async fn is_elsewhere(&self, shard: &str) -> Result<bool, Fault> {
        let mark = format!("/{}", ended_name(shard));
        let of_shard = format!("/beats/{}-", shard.replace('/', "-of-"));
        for State { folder, mut documents, .. } in self.states().await? {
            if documents.iter().any(|name| name.ends_with(&mark)) {
                return Ok(true);
            }
            documents.retain(|name| folder != self.folder && name.contains(&of_shard));
            if !beats(&self.store, &documents, is_beating).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The names of what says that parts of this verification have ended.
    async fn marks(&self) -> Result<Vec<String>, Fault> {
        let documents = self.states().await?.into_iter().flat_map(|state| state.documents);
        Ok(documents.filter(|name| is_mark(name)).collect())
    }

    /// The states of this verification: this one, those of another result, and those of processes that could read more or less.
    async fn states(&self) -> Result<Vec<State>, Fault> {
        let mut states = Vec::new();
        for (folder, documents) in folders(&self.store).await? {
            let of: Option<Subject> = self.store.read(&format!("{folder}subject.json")).await?;
            if let Some(of) = of.filter(|of| self.subject.has_parts_in(of)) {
                states.push(State { folder, documents, of });
            }
        }
        Ok(states)
    }
}

/// The partitions that are open when a part ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Those that no process has written.
    pub partitions: usize,
    /// The parts, as `0/4`, that have ended without theirs: no process compares these.
    pub never: Vec<String>,
}

/// A state of this verification.
struct State {
    folder: String,
    documents: Vec<String>,
    of: Subject,
}

fn is_mark(name: &str) -> bool {
    name.contains("/ended/")
}

fn ended_name(shard: &str) -> String {
    format!("ended/{}.json", shard.replace('/', "-of-"))
}
