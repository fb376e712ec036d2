//! Runs as they may have gone, and the pages that tell them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rogo_migrate::{
    domain::{
        Books, Digest, FailCode, Fate, InputDigest, Migrated, Note, NoteCode, Outcome, ShardIndex, SkipCode,
        TargetIdentity, shard_of,
    },
    finalize::fold::Fold,
    report::html::{Documents, render},
    run::{
        Compared, ComparedDuration, Course, Difference, Lost, Missing, Plan, ResultFile, State, Summary,
        Verification, Waited, Warning, WarningCode, receipts::Folding,
    },
};

use crate::support::{plans, results::RESULTS};

/// What must stand on no page: names, addresses, file names, notes, tokens and queries of learners and services.
pub const PLANTED: [&str; 6] = [
    "Plantedsurname",
    "planted@example.org",
    "PlantedFile.docx",
    "plantednote",
    "plantedsig",
    "planted-launch",
];

/// A run that went as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    Well,
    WithFailures,
    Incomplete,
    Empty,
}

/// The documents of a run.
pub struct Made {
    pub plan: Plan,
    pub summary: Summary,
    pub course: Course,
    pub verification: Option<Verification>,
}

impl Made {
    /// A run of so many rows and shards.
    pub fn new(went: Went, rows: u64, shards: u32) -> Self {
        let plan = plan(rows, shards);
        let mut fold = Fold::begin(&plan).unwrap();
        let mut folding = Folding::begin(&plan, Digest::of(b"program"));
        let mut books = Books::default();
        let (mut missing, mut lost) = (Missing::default(), Lost::default());
        let mut ended = plan.created_at;
        for row in 1..=rows {
            let place = rows - row;
            let shard = shard_of(place, shards);
            if went == Went::Incomplete && (shard.0 % 7 == 3 && noise(row).is_multiple_of(3)) {
                missing.add(row);
                if !missing.shards.contains(&shard) {
                    missing.shards.push(shard);
                }
                continue;
            }
            let outcome = outcome(went, row, place, rows, shards);
            let is_lost = went == Went::Incomplete && row % 1_009 == 0;
            ended = ended.max(outcome.at);
            fold.add(shard, &outcome, is_lost);
            folding.add(shard, &outcome, is_lost);
            if is_lost {
                lost.rows += 1;
                lost.shards.push(shard);
            } else {
                books.count(&outcome.fate);
            }
        }
        for shard in 0..shards {
            fold.process(ShardIndex(shard), &waits(went, shard, plan.created_at));
        }
        lost.shards.sort_unstable();
        lost.shards.dedup();
        missing.shards.sort_unstable();
        let files = &RESULTS[..4];
        let pinned =
            |file: &&str| ResultFile { file: (*file).into(), sha256: "ab".repeat(32), size_bytes: 12_345 };
        let mut course = fold.finish(files.iter().map(pinned).collect());
        course.settings = [("workers", "5"), ("pool", "3"), ("DATABASE_URL", "set")]
            .map(|(n, v)| (n.into(), v.into()))
            .into();
        let took = (ended - plan.created_at).to_std().unwrap();
        let mut summary =
            Summary::balance(&plan.run, &plan.id, rows, books, missing, ended).lost(lost).took(took);
        summary.receipts = Some(folding.finish());
        summary.results = files.iter().map(|file| format!("/results/{file}")).collect();
        summary.next_command = next_command(went, &summary);
        if went == Went::WithFailures {
            summary.warnings = vec![Warning {
                code: WarningCode::SourceNotFrozen,
                detail: "the warehouse changed since the plan: dbo.Reports had 300,000 rows and has 300,002"
                    .into(),
            }];
            summary.prediction = Some(compared(&summary));
        }
        let verification = (went == Went::Well).then(|| verification(&plan, &summary));
        Self { plan, summary, course, verification }
    }

    /// The page.
    pub fn page(&self) -> String {
        render(&Documents {
            plan: &self.plan,
            summary: &self.summary,
            course: &self.course,
            verification: self.verification.as_ref(),
        })
        .unwrap()
    }
}

fn plan(rows: u64, shards: u32) -> Plan {
    let digest = |location: &str| InputDigest {
        location: location.into(),
        sha256: "0123456789abcdef".repeat(4),
        size_bytes: rows * 300,
        rows,
    };
    let settings = [
        ("lms-name", "Example LMS"),
        ("unit-versions", "24,25"),
        ("rule-owner", "Plantedsurname"),
        ("consumer-key", "sha256 plantedsig"),
        ("source-allow", "https://source.blob.core.windows.net/files"),
    ];
    Plan {
        created_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        program_version: "0.1.0".into(),
        mapping: digest("attempt_number_mapping.csv"),
        database: "assessments".into(),
        identity: TargetIdentity {
            host: "db.example.org".into(),
            port: 5432,
            database: "assessments".into(),
            ..TargetIdentity::default()
        },
        target: "az://files".into(),
        warehouse: "warehouse at sql.example.org".into(),
        warehouse_rows: None,
        facts_files: true,
        settings: settings.map(|(name, value)| (name.into(), value.into())).into(),
        ..plans::plan(digest("submission_files.csv"), shards)
    }
}

/// Numbers that look like chance and are none.
fn noise(row: u64) -> u64 {
    row.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % 1_000
}

fn outcome(went: Went, row: u64, place: u64, rows: u64, shards: u32) -> Outcome {
    let each = (rows / u64::from(shards)).max(1);
    let at_share = (place / u64::from(shards)) * 1_000 / each;
    // Three hours for millions of rows, minutes for thousands; the service throttles between 40 and 50 %.
    let length_ms = i64::try_from(rows * 4).unwrap().clamp(60_000, 10_800_000);
    let slowed = if (400..500).contains(&at_share) { 3 } else { 1 };
    let at_ms =
        length_ms * i64::try_from(at_share).unwrap() / 1_000 + i64::try_from(noise(row) * slowed).unwrap();
    let chance = noise(row);
    let copy_ms = 20 + chance * chance / 4_000 * slowed;
    let (files, bytes) = (1 + u32::try_from(chance % 4).unwrap(), 40_000 + chance * chance * 3);
    let fails = FailCode::ALL.len() as u64;
    let fate = match went {
        Went::WithFailures if chance.is_multiple_of(12) => Fate::Failed {
            code: FailCode::ALL[usize::try_from(row % fails).unwrap()],
            message: PLANTED.join(" "),
        },
        Went::Incomplete if chance < 4 => {
            Fate::Failed { code: FailCode::Unavailable, message: PLANTED.join(" ") }
        }
        _ if chance == 999 => Fate::Skipped { code: SkipCode::DuplicateRow, detail: PLANTED.join(" ") },
        _ => Fate::Migrated(Migrated {
            launch_id: "planted-launch".into(),
            user_id: "planted@example.org".into(),
            context_id: "Plantedsurname".into(),
            files,
            bytes,
            copy_ms,
            commit_ms: 4 + chance / 50,
            notes: if chance == 7 {
                vec![Note { code: NoteCode::NamesFromUrl, detail: PLANTED.join(" ") }]
            } else {
                Vec::new()
            },
            ..Migrated::default()
        }),
    };
    Outcome {
        row,
        attempt: i32::try_from(row).ok().and_then(|id| id.to_string().parse().ok()),
        at: DateTime::from_timestamp_millis(1_790_000_005_000 + at_ms).unwrap(),
        worker: 1 + usize::try_from(row % 5).unwrap(),
        milliseconds: copy_ms + 9 + chance / 50,
        gather_ms: 30 + chance / 9,
        source: None,
        fate,
    }
}

fn waits(went: Went, shard: u32, began: DateTime<Utc>) -> Vec<Waited> {
    if went == Went::Empty || shard % 3 == 1 {
        return Vec::new();
    }
    let wait = |from: i64, to: i64, state: State| Waited {
        from: began + TimeDelta::seconds(from),
        to: began + TimeDelta::seconds(to),
        state,
    };
    let mut waits = vec![wait(28, 34, State::Throttled("503 from target blobs".into()))];
    if went == Went::Incomplete {
        waits.push(wait(40, 55, State::Waiting("the target database does not answer".into())));
    }
    waits
}

fn next_command(went: Went, summary: &Summary) -> String {
    match went {
        Went::Incomplete => "rogo-migrate resume --run rogo --run-store az://runs".into(),
        _ if summary.books.rows_failed() > 0 => {
            "when the causes are mended: rogo-migrate run --run '<another name>' --submissions /results/submissions_failed_migration.csv --out '<another folder>'".into()
        }
        _ => String::new(),
    }
}

fn compared(summary: &Summary) -> Compared {
    let difference = |what: &str, predicted, outcome| Difference {
        what: what.into(),
        predicted,
        outcome,
        why: "cannot be known before files are copied and rows are committed".into(),
    };
    Compared {
        at: summary.at,
        same: false,
        differences: vec![
            difference("migrated", summary.rows, summary.books.migrated),
            difference("failed unavailable", 0, 12),
        ],
        duration: ComparedDuration {
            predicted_ms: summary.duration_ms * 8 / 9,
            outcome_ms: summary.duration_ms,
            off_percent: 12.5,
        },
    }
}

fn verification(plan: &Plan, summary: &Summary) -> Verification {
    let check = |name: &str| {
        serde_json::json!({
            "name": name, "what": "", "with": "", "compared": summary.books.migrated, "different": 0,
        })
    };
    // As a document: what other levels of verification add to it is left out.
    let document = serde_json::json!({
        "result": "VERIFIED", "verdict": "", "level": "rows", "run": plan.run, "plan": plan.id,
        "began_at": summary.at, "at": summary.at + TimeDelta::minutes(9),
        "rows": plan.rows, "rows_compared": plan.rows, "migrated": summary.books.migrated,
        "failed": summary.books.rows_failed(), "skipped": summary.books.rows_skipped(),
        "differences": 0, "rows_different": 0, "passed": 0, "accepted": 0, "recheck_ms": 30_000,
        "checks": [check("submission"), check("receipt_unchanged")],
        "independent": true, "role": "Plantedsurname", "database": "assessments", "host": "planted-launch",
        "program_version": "0.1.0", "program_sha256": "", "results": [],
    });
    let mut verification: Verification = serde_json::from_value(document).unwrap();
    verification.verdict = verification.sentence();
    verification
}

/// Names of the pages that a person should look at.
pub const NAMES: [&str; 6] = ["empty", "failures", "good", "incomplete", "outdated", "thousand"];

/// A run whose results changed after they were verified.
fn outdated() -> Made {
    let mut made = Made::new(Went::Well, 20_000, 8);
    made.summary.newest_outcome_at =
        made.verification.as_ref().map(|verification| verification.began_at + TimeDelta::minutes(40));
    made
}

/// Every page that a person should look at, by name.
pub fn all() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("good", Made::new(Went::Well, 20_000, 8).page()),
        ("failures", Made::new(Went::WithFailures, 9_000, 6).page()),
        ("incomplete", Made::new(Went::Incomplete, 12_000, 24).page()),
        ("outdated", outdated().page()),
        ("empty", Made::new(Went::Empty, 0, 1).page()),
        ("thousand", Made::new(Went::WithFailures, 300_000, 1_000).page()),
    ])
}
