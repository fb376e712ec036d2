//! What these tests share: a small catalogue, a migration to write, a worker, a ledger in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use rogo_migrate::{
    adapters::postgres::{
        EnforcementLedger, FenceKey, OnSent, OnWait, PostgresOptions, PostgresReader, PostgresUndo,
        PostgresWriter, SharedFence, WriterOptions,
    },
    domain::{
        FileKind, Grade, Malpractice, Migration, PlannedFile, SectionMark, SubmissionIds, enforcement_id,
        form::AlteredColumn,
    },
    ports::{Committed, CopiedFile, CopiedMigration, Fault, Gate, TargetReader},
    settings::{DatabaseAuth, DatabaseSettings, Organisation, RuleSettings, SameDatabase, Secret},
};

use crate::support::{postgres::TestDatabase, settings::settings};

pub const LMS: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
pub const WRITER: &str = "0123456789ab";

/// Two users, one assessment with two sections, two levels.
const CATALOGUE: &str = "
    insert into users (id, username, email, password, role, created_at) values
        ('u2', 'newer', 'b@example.org', '-', 'admin', '2024-01-02'),
        ('u1', 'oldest', 'a@example.org', '-', 'admin', '2024-01-01'),
        ('u0', 'marker', 'c@example.org', '-', 'marker', '2023-01-01');
    insert into assessments (id, name, code, status) values
        ('a1', '5HR03 PQ 24_01', '5HR03', 'archived'), ('a2', '7HR01 PQ 24_01', '7HR01', 'active');
    insert into assessment_sections (id, assessment_id, question_text, \"order\") values
        ('s2', 'a1', 'Question 2', 2), ('s1', 'a1', 'Question 1', 1), ('s3', 'a1', null, 3);
    insert into malpractice_levels (id, level_text, sort_order, is_active) values
        ('l2', 'Considerable', 2, 'true'), ('l1', 'Moderate', 1, 'true'), ('l0', 'Old', 0, 'false');";

/// A database with the small catalogue.
pub async fn database() -> TestDatabase {
    let database = TestDatabase::new().await;
    database.run(CATALOGUE).await;
    database
}

/// How a test's worker differs from the ordinary one.
pub struct Worker {
    pub url: Secret,
    pub auth: DatabaseAuth,
    pub expect_host: Option<String>,
    pub credential: Option<Arc<dyn azure_core::credentials::TokenCredential>>,
    pub name: String,
    pub pool: u32,
    pub fence: SharedFence,
    pub ledger: Arc<Ledger>,
    pub rule_owner: Option<String>,
    pub target_alters: Vec<AlteredColumn>,
    pub sent: OnSent,
    pub gate: Arc<Gate>,
    pub waited: OnWait,
}

impl Worker {
    pub fn of(database: &TestDatabase) -> Self {
        Self::at(database.url())
    }

    pub fn at(url: String) -> Self {
        Self {
            url: Secret::Value(url),
            auth: DatabaseAuth::Password,
            expect_host: None,
            credential: None,
            name: format!("run/0/{WRITER}"),
            pool: 3,
            fence: SharedFence {
                key: FenceKey::of_plan(&"0123456789ab".parse().unwrap()),
                retired: Arc::new(|| Box::pin(async { Ok(false) })),
            },
            ledger: Arc::default(),
            rule_owner: None,
            target_alters: Vec::new(),
            sent: Arc::new(|_| {}),
            gate: Gate::new(3),
            waited: Arc::new(|_, _| {}),
        }
    }

    pub fn start(self) -> PostgresWriter {
        let writer = WriterOptions {
            fence: self.fence.clone(),
            ledger: self.ledger.clone(),
            container: "target".into(),
            gate: self.gate.clone(),
            waited: self.waited.clone(),
            sent: self.sent.clone(),
        };
        self.options(|options| PostgresWriter::new(options, writer))
    }

    /// The same, to read only.
    pub fn read(self) -> PostgresReader {
        self.options(PostgresReader::new)
    }

    /// The same, to roll back.
    pub fn undo(self) -> PostgresUndo {
        self.options(PostgresUndo::new)
    }

    fn options<T>(self, open: impl FnOnce(PostgresOptions<'_>) -> Result<T, Fault>) -> T {
        let settings = settings(std::path::Path::new("unused"));
        let opened = open(PostgresOptions {
            database: &DatabaseSettings {
                url: self.url,
                auth: self.auth,
                expect_host: self.expect_host,
                same_database: SameDatabase::No,
                target_alters: self.target_alters,
            },
            credential: self.credential,
            pool: self.pool,
            application_name: self.name,
            organisation: &Organisation { lms_instance: LMS.into(), ..settings.organisation },
            rules: &RuleSettings { rule_owner: self.rule_owner, ..settings.rules },
        });
        opened.unwrap()
    }
}

/// Keeps images in memory; writers equal to [`WRITER`] are this run's.
#[derive(Default)]
pub struct Ledger {
    pub images: Mutex<Vec<(String, serde_json::Value)>>,
}

#[async_trait]
impl EnforcementLedger for Ledger {
    async fn is_ours(&self, writers: &[rogo_migrate::run::WriterId]) -> Result<bool, Fault> {
        Ok(writers.iter().any(|id| id.as_str() == WRITER))
    }

    async fn keep_image(&self, id: &str, image: &serde_json::Value) -> Result<(), Fault> {
        self.images.lock().unwrap().push((id.into(), image.clone()));
        Ok(())
    }
}

/// Sends the server a question of one statement.
pub async fn ask(target: &dyn TargetReader) -> Result<(), Fault> {
    target.held(&["rogo_1_0".into()]).await.map(drop)
}

/// A moment, from RFC 3339.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A submission of two learner files and one marker file, two marks, no malpractice.
fn number(text: &str) -> rogo_migrate::domain::Decimal {
    text.parse().unwrap()
}

pub fn migration(attempt: i32) -> Migration {
    let attempt = attempt.try_into().unwrap();
    let file = |upload_order, kind, name: &str, uploaded_by: Option<&str>| PlannedFile {
        kind,
        upload_order,
        source: "https://source.example.org/f".parse().unwrap(),
        name: name.into(),
        file_type: name.rsplit('.').next().unwrap().into(),
        file_mime_type: "application/octet-stream",
        content_type: "application/octet-stream".into(),
        uploaded_by: uploaded_by.map(Into::into),
        listed: None,
    };
    Migration {
        attempt,
        takes_over_session: false,
        ids: SubmissionIds::new(LMS, attempt),
        lms_user_id: format!("{LMS}::user-1"),
        context_id: format!("{LMS}::section-1"),
        context_title: "Course".into(),
        return_url: "https://lms.example.org/sections/section-1".into(),
        course_name: "5HR03 PQ Attempt 2".into(),
        first_name: "Zoë".into(),
        last_name: "O'Hara 🎓".into(),
        full_name: "Zoë O'Hara 🎓".into(),
        email: "zoe@example.org".into(),
        assessment_id: "a1".into(),
        assessment_code: "5HR03".into(),
        attempt_number: 2,
        submitted_at: at("2024-05-03T10:00:00Z"),
        date_inserted: at("2024-05-01T09:00:00.123456Z"),
        date_modified: at("2024-05-02T09:00:00Z"),
        files: vec![
            file(1, FileKind::Learner, "essay.pdf", Some("77")),
            file(2, FileKind::Learner, "notes.zip", Some("77")),
            file(3, FileKind::Marker, "5HR03_Zo_-O_Hara_feedback.docx", None),
        ],
        section_marks: vec![
            SectionMark {
                section_id: "s1".into(),
                marks_awarded: number("12.5"),
                feedback: Some("Good".into()),
            },
            SectionMark { section_id: "s2".into(), marks_awarded: number("0"), feedback: None },
        ],
        grade: Grade {
            total_marks_awarded: number("12.5"),
            total_marks_possible: number("40"),
            percentage_score: number("31.25"),
            final_grade: "Refer".into(),
            overall_summary: None,
        },
        malpractice: None,
        notes: Vec::new(),
    }
}

/// The same with malpractice, entered at this moment.
pub fn malpractice(attempt: i32, entered: &str) -> Migration {
    let mut migration = migration(attempt);
    migration.date_inserted = at(entered);
    migration.attempt_number = attempt;
    migration.malpractice = Some(Malpractice {
        level_id: "l1".into(),
        notes: "Malpractice Moderate".into(),
        enforcement_id: enforcement_id(
            &migration.lms_user_id,
            &migration.assessment_code,
            &migration.context_id,
        ),
        enforced_max_attempts: Some(3),
        rule_applied_by: "u1".into(),
    });
    migration
}

/// Whether it was written, with no note and with a receipt and a transaction.
pub fn is_written(committed: &Committed) -> bool {
    matches!(committed, Committed::Inserted { notes, receipt } if notes.is_empty() && receipt.transaction.is_some())
}

/// Its files as they were copied by [`WRITER`]: 262,144 bytes each.
pub fn copied(migration: &Migration) -> CopiedMigration<'_> {
    copied_by(migration, WRITER)
}

/// The same, by this writer.
pub fn copied_by<'m>(migration: &'m Migration, writer: &str) -> CopiedMigration<'m> {
    let copy = async |file: &PlannedFile| {
        let blob_name =
            format!("LTI_Uploads/{writer}/{}_{}_{}", migration.attempt, file.upload_order, file.name);
        let url = format!("https://account.example.org/target/{blob_name}");
        Ok::<_, ()>(CopiedFile {
            blob_name,
            url,
            size_bytes: 262_144,
            md5_proven: true,
            md5: None,
            sha256: None,
        })
    };
    CopiedMigration::copy(migration, copy).now_or_never().unwrap().unwrap()
}

/// Ends the one session of the run, as an administrator does.
pub async fn end_its_session(database: &TestDatabase) {
    assert_eq!(database.end_sessions("run/%").await, 1);
}
