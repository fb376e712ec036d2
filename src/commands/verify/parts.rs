//! One process of a verification: it compares its partitions, and the one that ends last merges.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Asked, Known, Told, files::Places};
use crate::{
    exit::{Exit, Stop},
    report::{self, grid::count},
    run::{
        Verification, lines, names,
        outcomes::{Outcomes, Ranges},
        receipts::{Folding, program_digest},
        verifying::{Claim, Open, Verifying},
    },
    settings::Part as Share,
    verify::{
        blobs::Storage,
        content::ReadFiles,
        facts::{FactsSource, SharedLines},
        merging::Merging,
        part::Part,
        pass::Pass,
        report::Values,
        run::{self as comparing, Task, Verified},
    },
};

/// Parts that are read at a time.
const READS: usize = 8;

/// One process with its share of the partitions.
pub(super) struct Process<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) known: &'a Known<'a>,
    pub(super) part: Share,
    pub(super) ranges: Ranges,
    pub(super) state: Verifying,
    pub(super) places: Places,
}

impl Process<'_> {
    /// Compares what is not compared yet, until nothing of this process's share is left. A part that vanished meanwhile
    /// is compared again, unless another process has merged.
    pub(super) async fn work(&self) -> Result<Told, Stop> {
        let all = self.ranges.count();
        let mine: BTreeSet<usize> =
            (0..all).filter(|part| part % self.part.of as usize == self.part.index as usize).collect();
        let mut facts = self.known.facts();
        loop {
            if self.state.is_merged().await? {
                return self.earlier_result().await;
            }
            let written = self.state.parts().await?;
            let missing: BTreeSet<usize> = mine.difference(&written).copied().collect();
            if !missing.is_empty() {
                self.begin(&mine, &missing);
                self.compare(&missing, &mut facts).await?;
            } else if written.len() < all {
                if let Some(told) = self.part_ends().await? {
                    return Ok(told);
                }
            } else {
                match self.state.claim().await? {
                    Claim::Theirs(shard) => {
                        return Ok(Told::Part(self.ended(&format!("part {shard} is merging"))));
                    }
                    Claim::Ours => {
                        if let Some(told) = self.merge(&mut facts).await? {
                            return Ok(told);
                        }
                    }
                }
            }
        }
    }

    /// How this part ends while partitions of other parts are open; `None` if it goes on.
    async fn part_ends(&self) -> Result<Option<Told>, Stop> {
        let (Share { index, of }, all) = (self.part, self.ranges.count());
        let Some(open) = self.state.end_part((index as usize, of as usize), all).await? else {
            return Ok(None);
        };
        let Open { partitions: open, never } = open;
        if never.is_empty() {
            let why = format!("{open} of {all} partitions are open in other parts");
            return Ok(Some(Told::Part(self.ended(&why))));
        }
        let again = match self.asked.settings.pod.name {
            Some(_) => "let the Job verify once more, under another name (verify.again)".to_owned(),
            None => format!(
                "start `rogo-migrate verify --shard {}` again, where the same can be read as here",
                never.join("`, `--shard ")
            ),
        };
        Ok(Some(Told::Open(format!(
            "part {index}/{of} is compared ({} rows), but {open} of {all} partitions are open, and part(s) {} of this verification \
             ended without them: beside another result of the run, or where more or less could be read. They are not compared by \
             themselves, and there is no result: {again}",
            count(self.known.progress.total()),
            never.join(", ")
        ))))
    }

    fn begin(&self, mine: &BTreeSet<usize>, missing: &BTreeSet<usize>) {
        let rows = |parts: &BTreeSet<usize>| parts.iter().map(|part| self.ranges.rows(*part)).sum::<u64>();
        self.known.progress.begin(rows(mine), rows(mine) - rows(missing));
        if missing.len() < mine.len() {
            let done = mine.len() - missing.len();
            report::tell(&format!(
                "verify resumes: {done} of {} partitions of {} rows were compared before",
                mine.len(),
                self.ranges.each()
            ));
        }
    }

    /// Compares these partitions, and writes what is found in each.
    async fn compare<'f>(
        &'f self,
        missing: &BTreeSet<usize>,
        facts: &mut Option<FactsSource<'f>>,
    ) -> Result<(), Stop> {
        let Asked { store, plan, .. } = *self.asked;
        self.known.progress.says("reading outcomes");
        let outcomes = Outcomes::of_ranges(store, plan, self.ranges, |part| missing.contains(&part)).await?;
        let others = self.shared(facts).await?;
        let Some(facts) = facts else { return Ok(()) };
        let world = self.known.world(&outcomes, facts);
        let others = match others {
            Some(others) => others,
            None => comparing::others(&world).await?,
        };
        self.known.progress.says("comparing");
        let storage = self.places.storage(self.asked);
        let mut pass = Pass::begin(&world, &others).await?.with_files(storage.as_ref());
        for part in missing {
            let mut found = comparing::compare(&mut pass, *part).await?;
            found.manifest = self.keep_manifest(&mut found).await?;
            self.state.write_part(*part, &found).await?;
            self.known.progress.written();
            self.asked.kept.partitions.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps a line for each file that was read, in a file of this process.
    async fn keep_manifest(&self, found: &mut Part) -> Result<Option<SharedLines>, Stop> {
        let lines = found.read.as_mut().map(|read| std::mem::take(&mut read.lines)).unwrap_or_default();
        if lines.is_empty() {
            return Ok(None);
        }
        let name = self.state.shared_name(&format!("manifest-{:05}.jsonl", found.part));
        let sha256 = lines::create(self.state.store(), &name, lines.into_iter().map(Ok)).await?;
        Ok(Some(SharedLines { name, sha256 }))
    }

    /// All parts, together; `None` if one of them is gone.
    async fn gathered(
        &self,
        folding: Folding,
        storage: Option<&Storage<'_>>,
    ) -> Result<Option<Merging>, Stop> {
        let mut merging = Merging::new(self.ranges, &self.known.settings.lms_instance, folding)?;
        if let Some(content) = storage.and_then(|storage| storage.content) {
            merging = merging.reading(ReadFiles::new(&content, self.asked.plan.last_row())?);
        }
        let mut parts =
            stream::iter(0..self.ranges.count()).map(|part| self.state.part(part)).buffered(READS);
        while let Some(part) = parts.try_next().await? {
            let Some(mut part): Option<Part> = part else { return Ok(None) };
            let manifest = part.manifest.take();
            merging.add(part)?;
            if let Some(file) = manifest {
                let mut lines = lines::open(self.state.store(), &file.name, &file.sha256).await?;
                while let Some(line) = lines.next().await? {
                    merging.line(&line)?;
                }
            }
        }
        Ok(Some(merging))
    }

    /// Merges all parts; `None` if one of them is gone.
    async fn merge<'f>(&'f self, facts: &mut Option<FactsSource<'f>>) -> Result<Option<Told>, Stop> {
        let Asked { verify, plan, accepted, args, store, .. } = *self.asked;
        self.known.progress.says("merging");
        let receipts = self.asked.receipts();
        let program = receipts.map_or_else(|_| program_digest(), |receipts| receipts.program);
        let folding = Folding::begin(plan, program);
        let storage = self.places.storage(self.asked);
        let Some(merging) = self.gathered(folding, storage.as_ref()).await? else { return Ok(None) };
        let again = merging.parts();
        if !again.is_empty() {
            self.shared(facts).await?;
        }
        // The files are those of all rows.
        let needed = |part: usize| storage.is_some() || again.contains(&part);
        let outcomes = if (0..self.ranges.count()).any(needed) {
            Outcomes::of_ranges(store, plan, self.ranges, needed).await?
        } else {
            Outcomes::none(self.ranges)?
        };
        let nothing = FactsSource::Absent(String::new());
        let world = self.known.world(&outcomes, facts.as_ref().unwrap_or(&nothing));
        let task = Task {
            level: verify.level,
            recheck: verify.recheck,
            accepted,
            values: if args.show_values { Values::Shown } else { Values::Hidden },
            rows: plan.last_row(),
            images: &self.known.images,
            receipts,
            storage,
        };
        let began_at = merging.began_at().unwrap_or_else(Utc::now);
        let verified = merging.end(&world, &task, &self.known.absent).await?;
        self.publish(&verified, began_at).await.map(Some)
    }

    /// Publishes the results, and ends the verification.
    async fn publish(&self, verified: &Verified, began_at: chrono::DateTime<Utc>) -> Result<Told, Stop> {
        let mut verification = self.asked.told(verified, began_at);
        self.asked.sign(&mut verification, self.known).await?;
        self.asked.publish_controls(self.known, &mut verification).await?;
        self.asked.keep(verified, &mut verification, self.state.subject()).await?;
        self.state.merged().await?;
        Ok(Told::Verification(Box::new(verification)))
    }

    /// The result that another process has merged.
    pub(super) async fn earlier_result(&self) -> Result<Told, Stop> {
        let results = self.asked.results;
        let name = names::result(names::VERIFICATION);
        let verification: Option<Verification> = results.read(&name).await?;
        verification.map(|verification| Told::Verification(Box::new(verification))).ok_or_else(|| {
            let message = format!(
                "this verification is over, but {} is gone; verify again to get the results again",
                results.describe(&name)
            );
            Stop::new(Exit::Temporary, message)
        })
    }

    fn ended(&self, why: &str) -> String {
        let Share { index, of } = self.part;
        format!(
            "part {index}/{of} is compared ({} rows); {why}, and the process that ends last writes the result",
            count(self.known.progress.total())
        )
    }
}
