//! The states of other verifications beside this one's: which of them stay, and which parts have ended there.

use std::collections::BTreeSet;

use chrono::Utc;

use super::{
    Subject, Verifying, beats,
    documents::{DISCARDED, Ended, LIVES, discarded},
    folders, parts_of,
};
use crate::{ports::Fault, run::clocks::may_be_at_work};

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
                    self.store.delete(&documents).await?;
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

    /// The names of what says that parts of this verification have ended.
    async fn marks(&self) -> Result<Vec<String>, Fault> {
        let mut marks = Vec::new();
        for (folder, mut documents) in folders(&self.store).await? {
            documents.retain(|name| name.contains("/ended/"));
            if documents.is_empty() {
                continue;
            }
            let of: Option<Subject> = self.store.read(&format!("{folder}subject.json")).await?;
            if of.is_some_and(|of| self.subject.has_parts_in(&of)) {
                marks.extend(documents);
            }
        }
        Ok(marks)
    }
}

fn ended_name(shard: &str) -> String {
    format!("ended/{}.json", shard.replace('/', "-of-"))
}
