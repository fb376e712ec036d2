//! A process joins the state of its verification, or begins one.

use super::{Asked, Known, Told, files::Places, parts::Process};
use crate::{
    domain::Digest,
    exit::{Exit, Stop},
    report::{self, grid::count},
    run::{
        RunResult, Summary,
        receipts::{Receipts, VERSION, program_digest},
        verifying::{self, Subject, Verifying, partitions},
    },
    settings::Part as Share,
    verify::findings::Lack,
};

impl Asked<'_> {
    /// Compares this process's partitions, and merges if all are compared.
    pub(super) async fn verify(&self, known: &Known<'_>) -> Result<Told, Stop> {
        // A manifest that cannot be read is refused before anything is compared.
        let places = Places::open(self)?;
        let part = self.verify.shard.unwrap_or(Share { index: 0, of: 1 });
        let (name, subject) = (format!("{}/{}", part.index, part.of), self.subject(known, &places));
        if known.warehouse_is_away {
            self.goes_on_with_the_warehouse(&subject, known).await?;
        }
        let (state, joined) = Verifying::join(self.results.clone(), subject, name).await?;
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
        // What is to be continued is not free to be discarded: its last heartbeat keeps it for a while.
        let left = match &told {
            Ok(Told::Open(_)) => Ok(()),
            Ok(_) => process.state.leave().await,
            Err(stop) if stop.exit == Exit::Temporary => Ok(()),
            Err(_) => process.state.leave_undone().await,
        };
        if let Err(fault) = left {
            tracing::debug!(fault = %fault.chain(), "the last heartbeat stays");
        }
        told
    }

    /// Refuses to begin anew without a warehouse that gives no answer, beside what was compared with it: it may answer again.
    async fn goes_on_with_the_warehouse(&self, subject: &Subject, known: &Known<'_>) -> Result<(), Stop> {
        let under_way = verifying::under_way(self.results).await?;
        let compared = under_way
            .iter()
            .filter(|one| one.rows_written > 0 && subject.lacks_more_than(&one.subject))
            .map(|one| one.rows_written)
            .max();
        let Some(rows) = compared else { return Ok(()) };
        let message = format!(
            "{}; {} rows of this verification were compared with it, and the rest is when it answers: verify again then. To \
             verify without it, begin another verification, in another place: --verify-store PLACE",
            known.absent.warehouse.as_deref().unwrap_or("the warehouse gives no answer"),
            count(rows)
        );
        Err(Stop::new(Exit::Temporary, message))
    }

    /// What tells this result of the plan from another one: its receipts, and which processes had recorded its outcomes, for rows
    /// that were moved again have the same receipts, and other blobs. Not its time: a merge that finds nothing new makes the
    /// same result again.
    fn result(&self) -> String {
        let Summary { receipts, writers_merged, newest_outcome_at, at, .. } = self.summary;
        let root = receipts.as_ref().map(|receipts| receipts.root.to_string()).unwrap_or_default();
        let Some(writers) = writers_merged else {
            // Results of earlier programs name nothing but their time.
            return format!("{root} of {}", at.to_rfc3339());
        };
        let newest = newest_outcome_at.map(|at| at.to_rfc3339()).unwrap_or_default();
        format!("{root} of {writers} writers, the newest outcome of {newest}")
    }

    /// The receipts that the result names. Of an INCOMPLETE run they are of the rows that it had then.
    pub(super) fn receipts(&self) -> Result<&Receipts, Lack> {
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
            settings: alters.chain(attempts).chain(of_content).collect(),
            lacks: known.lacks(),
            program: program_digest().to_string(),
            job: settings.pod.job_uid.clone().unwrap_or_default(),
        }
    }
}
