//! A panic: data cannot cause one, so a target that panics stands at the worker's seam.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use rogo_migrate::{
    domain::{
        AttemptId, Books, Catalogue, Digest, FailCode, Receipt, ReceiptFrom, SubmissionIds, TargetIdentity,
    },
    exit::{Exit, Stop},
    ports::{
        Committed, Compared, CopiedMigration, Fault, HeldSubmission, Holdings, MayWrite, StandingSubmission,
        TargetReader, TargetWriter,
    },
    sample::SampleOptions,
};

use super::{Target as Folder, folder_sample, inputs::Inputs};
use crate::support::{app::TestApp, inside::Inside};

const ROWS: u64 = 12;

/// Commits every row but those at which it panics: one, or all.
struct Panics(Option<AttemptId>);

#[async_trait]
impl TargetReader for Panics {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        unreachable!("the shard is given one")
    }

    async fn held(&self, _: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        Ok(Vec::new())
    }

    async fn blob_names_of_writers(&self, _: &[String]) -> Result<HashSet<String>, Fault> {
        unreachable!("a shard sweeps nothing")
    }

    async fn launch_ids(&self, _: &mut (dyn FnMut(Vec<StandingSubmission>) + Send)) -> Result<(), Fault> {
        unreachable!("the plan has asked")
    }

    async fn standing(&self, _: &[String]) -> Result<HashSet<String>, Fault> {
        unreachable!("the plan saw none")
    }

    async fn holdings(&self) -> Result<Holdings, Fault> {
        unreachable!("the plan has asked")
    }

    async fn preflight(&self, _: u32) -> Result<Vec<String>, Fault> {
        unreachable!("the plan has asked")
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        unreachable!("the process has asked")
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        unreachable!("the process has asked")
    }
}

#[async_trait]
impl MayWrite for Panics {
    async fn prove_fence(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl TargetWriter for Panics {
    async fn commit(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        assert!(self.0.is_some_and(|unlucky| copied.migration().attempt != unlucky), "this row's panic");
        let receipt = Receipt {
            sha256: Digest::of(b"rows"),
            from: ReceiptFrom::Sent,
            enforcement: None,
            transaction: None,
        };
        Ok(Committed::Inserted { notes: Vec::new(), receipt })
    }

    async fn compare(&self, _: &CopiedMigration<'_>) -> Result<Compared, Fault> {
        unreachable!("nothing is recovered")
    }

    async fn stored_digest(&self, _: &SubmissionIds) -> Result<Digest, Fault> {
        unreachable!("nothing is recovered")
    }
}

/// Moves the rows of a sample into a target that panics; how the shard ended, what it recorded, and whether it left
/// nothing behind.
async fn moved(
    rows: u64,
    breaker: Option<f64>,
    unlucky: impl FnOnce(&Inputs) -> Option<AttemptId>,
) -> (Result<(), Stop>, Books, bool) {
    let small = |options: &mut SampleOptions| {
        options.plain = true;
        options.file_bytes = "10".parse().unwrap();
    };
    let sample = folder_sample(small, rows, |_| {}).await;
    let mut app = TestApp::new(&sample).await;
    Folder::folder(&mut app);
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", format!("file://{}", sample.path("warehouse").display()));
    app.run(&["plan"]).await.expect(0);
    let target = Arc::new(Panics(unlucky(&Inputs::read(&sample.path("")))));
    let inside = Inside::of(&app).await;
    let ended = inside.moved(target, breaker).await;
    (ended, inside.books().await, inside.is_clean().await)
}

#[tokio::test]
async fn a_panic_is_its_own_rows_internal_error() {
    let fifth = |inputs: &Inputs| Some(inputs.row(5)["Attempt ID"].parse().unwrap());
    let (ended, books, clean) = moved(ROWS, None, fifth).await;
    ended.unwrap_or_else(|stop| panic!("{}", stop.message));
    assert_eq!(books.migrated, ROWS - 1);
    assert_eq!(books.failed.into_iter().collect::<Vec<_>>(), [(FailCode::InternalError, 1)]);
    assert!(!clean, "the row's blobs are the sweep's to judge");
}

#[tokio::test]
async fn rows_that_panic_open_the_breaker() {
    let (ended, _, _) = moved(60, Some(0.05), |_| None).await;
    let stop = ended.unwrap_err();
    assert_eq!(stop.exit, Exit::DataRefused);
    assert!(stop.message.contains("circuit breaker: all of the first 50 rows"), "{}", stop.message);
}
