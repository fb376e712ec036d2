//! A panic: data cannot cause one, so a target that panics stands at the worker's seam.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use rogo_migrate::{
    adapters::blobs,
    domain::{
        AttemptId, Books, Catalogue, Digest, FailCode, Receipt, ReceiptFrom, ShardIndex, SubmissionIds,
        TargetIdentity,
    },
    exit::{Exit, Stop},
    ports::{
        Committed, Compared, CopiedMigration, Fault, HeldSubmission, Holdings, Service, StandingSubmission,
        TargetReader, TargetWriter,
    },
    report::{events::Events, observed::Observed},
    rules::RuleConfig,
    run,
    run::{RunStore, segments::recorded},
    sample::{self, SampleOptions},
    settings::{AccountSettings, Place, SourceAuth, SourceSettings},
    shard::{
        self, ShardInputs, WorkerServices,
        copy::{Budget, Copier},
        in_flight::InFlight,
        pace::Pace,
    },
};
use tokio_util::sync::CancellationToken;

use super::{Target as Folder, folder_sample, inputs::Inputs, tables::tables};
use crate::support::app::TestApp;

const ROWS: u64 = 12;
const WRITER: &str = "0123456789ab";

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
impl TargetWriter for Panics {
    async fn prove_fence(&self) -> Result<(), Fault> {
        Ok(())
    }

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
    let folder = Folder::folder(&mut app);
    let warehouse = format!("file://{}", sample.path("warehouse").display());
    app.run(&["plan", "--warehouse", &warehouse]).await.expect(0);

    let open = |url: &str, service| {
        let place = Place::Folder(url.strip_prefix("file://").unwrap().into());
        blobs::open(&place, &AccountSettings::default(), service).unwrap()
    };
    let allow = vec![app.variable("ROGO_SOURCE_ALLOW").parse().unwrap()];
    let source =
        SourceSettings { allow: allow.clone(), auth: SourceAuth::Anonymous, connection_string: None };
    let source = blobs::source(&source, &AccountSettings::default()).unwrap();
    let store =
        RunStore::new(open(app.variable("ROGO_RUN_STORE"), Service::RunStore), &"rogo".parse().unwrap());
    let target_blobs = open(&folder.url, Service::TargetBlobs);
    let plan = Arc::new(store.plan().await.unwrap().unwrap());
    let found = recorded(&store, &plan, ShardIndex(0)).await.unwrap();
    let stop = CancellationToken::new();
    let ending = stop.child_token();
    run::writers::register(&store, &WRITER.parse().unwrap(), ShardIndex(0), "here").await.unwrap();
    let target = Arc::new(Panics(unlucky(&Inputs::read(&sample.path("")))));
    let inputs = ShardInputs {
        plan: plan.clone(),
        index: ShardIndex(0),
        writer: WRITER.parse().unwrap(),
        epoch: "0".parse().unwrap(),
        rules: RuleConfig {
            lms_instance: sample::LMS_INSTANCE.into(),
            return_url: "https://lms.example.org/course".into(),
            unit_versions: vec!["24".into(), "25".into()],
            migrate_marker_only: false,
            warehouse_time_zone: chrono_tz::UTC,
            allowed_sources: allow,
        },
        catalogue: Arc::new(catalogue(&app).await.into()),
        workers: vec![WorkerServices {
            target: target.clone(),
            warehouse: None,
            target_blobs: target_blobs.clone(),
            copier: Copier::new(target_blobs, source, Budget::new(), target),
        }],
        in_flight: InFlight::new(None, 1),
        flush: Duration::from_secs(1),
        breaker,
        guard: None,
        pace: Arc::new(Pace::new(Duration::from_secs(10), ending.clone())),
        observed: Arc::new(Observed::new(rows, &Events::default())),
        recorded: found,
        lost: run::RowSet::new(0),
        store: store.clone(),
        stop,
        ending,
    };
    let ended = shard::run(inputs).await;
    let books = recorded(&store, &plan, ShardIndex(0)).await.unwrap().books;
    (ended, books, store.exists(&format!("writers/{WRITER}.clean")).await.unwrap())
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

/// As the seed has it; the sections are all that a plain row needs of the rest.
async fn catalogue(app: &TestApp<'_>) -> Catalogue {
    use rogo_migrate::domain::{Assessment, Section};
    let tables = tables(&app.database).await;
    let text = |row: &serde_json::Map<String, serde_json::Value>, column: &str| {
        row[column].as_str().unwrap_or_default().to_owned()
    };
    let sections = |id: &str| {
        let rows = tables["assessment_sections"].values().filter(|row| row["assessment_id"] == id);
        rows.map(|row| Section { id: text(row, "id"), question_text: text(row, "question_text") }).collect()
    };
    let assessments = tables["assessments"].iter().map(|(id, row)| Assessment {
        id: id.clone(),
        name: text(row, "name"),
        code: text(row, "code"),
        sections: sections(id),
    });
    Catalogue {
        assessments: assessments.collect(),
        malpractice_levels: Vec::new(),
        rule_owner_id: "user-admin-a".into(),
    }
}
