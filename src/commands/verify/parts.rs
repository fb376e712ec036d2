//! One process of a verification: it compares its partitions, and the one that ends last merges.

use std::collections::BTreeSet;

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Asked, Known, Told, files::Places};
use crate::{
    domain::Digest,
    exit::{Exit, Stop},
    report::{self, grid::count},
    run::{
        RunResult, Verification, lines, names,
        outcomes::{Outcomes, Ranges},
        receipts::{Folding, Receipts, VERSION, program_digest},
        verifying::{Claim, Subject, Verifying, partitions},
    },
    settings::Part as Share,
    verify::{
        blobs::Storage,
        content::ReadFiles,
        facts::{FactsSource, SharedLines},
        findings::Lack,
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
    places: Places,
}

impl Asked<'_> {
    /// Compares this process's partitions, and merges if all are compared.
    pub(super) async fn verify(&self, known: &Known<'_>) -> Result<Told, Stop> {
        // A manifest that cannot be read is refused before anything is compared.
        let places = Places::open(self)?;
        let part = self.verify.shard.unwrap_or(Share { index: 0, of: 1 });
        let name = format!("{}/{}", part.index, part.of);
        let (state, joined) =
            Verifying::join(self.results.clone(), self.subject(known, &places), name).await?;
        for discarded in &joined.discarded {
            report::tell(discarded);
        }
        let ranges = partitions(self.plan.last_row());
        let process = Process { asked: self, known, part, ranges, state, places };
        if joined.is_over {
            return process.earlier_result().await;
        }
        let told = tokio::select! {
            told = process.work() => told,
            never = process.beat() => match never {},
        };
        if let Err(fault) = process.state.leave().await {
            tracing::debug!(fault = %fault.chain(), "the last heartbeat stays");
        }
        told
    }

    /// What tells this result of the plan from another one. Its time counts: rows that were moved again have the same
    /// receipts, and other blobs.
    fn result(&self) -> String {
        let root = self.summary.receipts.as_ref().map(|receipts| receipts.root.to_string());
        format!("{} of {}", root.unwrap_or_default(), self.summary.at.to_rfc3339())
    }

    /// The receipts that the result names. Of an INCOMPLETE run they are of the rows that it had then.
    fn receipts(&self) -> Result<&Receipts, Lack> {
        let complete = (self.summary.result == RunResult::Complete).then_some(self.summary);
        let receipts = complete.ok_or(Lack::Incomplete)?.receipts.as_ref().ok_or(Lack::Digest)?;
        if receipts.version == VERSION { Ok(receipts) } else { Err(Lack::Digest) }
    }

    /// What is verified, and how.
    fn subject(&self, known: &Known<'_>, places: &Places) -> Subject {
        let Self { plan, verify, settings, .. } = *self;
        let ids = self.attempts.map(|attempts| format!("{attempts:?}"));
        let alters = settings.database.target_alters.iter().map(|column| format!("target alters {column:?}"));
        let attempts = ids.map(|ids| format!("attempts {}", Digest::of(ids.as_bytes())));
        let manifest = places.manifest_sha256().map(|sha256| format!("manifest {sha256}"));
        let of_content =
            self.args.only_unproven.then(|| "only unproven".to_owned()).into_iter().chain(manifest);
        Subject {
            plan: plan.id.clone(),
            result: self.result(),
            rows: plan.last_row(),
            level: verify.level,
            content: verify.content.map(|part| format!("{}/{}", part.index + 1, part.of)).unwrap_or_default(),
            settings: alters.chain(attempts).chain(of_content).chain(known.lacks()).collect(),
            program: program_digest().to_string(),
            job: settings.pod.job_uid.clone().unwrap_or_default(),
        }
    }
}

impl Process<'_> {
    /// Compares what is not compared yet, until nothing of this process's share is left. A part that vanished meanwhile
    /// is compared again, unless another process has merged.
    async fn work(&self) -> Result<Told, Stop> {
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
                let open = all - written.len();
                return Ok(Told::Part(
                    self.ended(&format!("{open} of {all} partitions are open in other parts")),
                ));
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
    async fn earlier_result(&self) -> Result<Told, Stop> {
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
