//! Every command of the program in deploy/RUNNING.md, README.md and the chart's notes: typed in the order of its document on
//! real runs, and it ends with the exit code that the document claims; or the table says which test types it instead. A command
//! that is new, or that moved, has to be entered here.

use std::{fs, path::Path};

use super::plain_sample;
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    csv::Csv,
    documents::{read, shell},
};

/// How a command of a document is typed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Typed {
    /// By the test of its document below: the exit code.
    Here(i32),
    /// By another test: its file and name.
    By(&'static str, &'static str),
}

use Typed::{By, Here};

const EVIDENCE: Typed = By(
    "tests/it/after/documents.rs",
    "the_evidence_is_made_signed_and_checked_by_the_commands_of_its_chapter",
);
/// A script of the repository: that it stands where it is called is all that can be tested from inside the tests.
const SCRIPT: Typed = By("tests/it/chart/commands.rs", "every_script_of_the_documents_exists");
const STEPS: Typed =
    By("tests/it/after/typed.rs", "the_steps_of_the_readme_move_everything_and_then_what_failed");
/// It needs a cluster, whose Jobs run the shards again.
const IN_A_CLUSTER: Typed = By(
    "tests/it/after/api_server.rs",
    "resume_that_is_to_move_lost_rows_again_prints_the_line_of_the_release",
);

const RUNNING: &[(&str, Typed)] = &[
    // Of so few rows not every kind of corruption can be planted.
    ("rogo-migrate verify --self-test", Here(69)),
    ("rogo-migrate plan --predict --dry-run --out prediction", Here(0)),
    ("rogo-migrate plan --predict --probe --out prediction", Here(0)),
    (
        "rogo-migrate status --watch --run-store az://runs/rogo --account-url https://ACCOUNT.blob.core.windows.net",
        Here(0),
    ),
    ("rogo-migrate status", Here(0)),
    ("rogo-migrate resume", Here(0)),
    ("rogo-migrate explain target_guard", Here(0)),
    ("rogo-migrate resume", Here(0)),
    ("rogo-migrate status", Here(0)),
    ("rogo-migrate resume --redo lost", IN_A_CLUSTER),
    ("rogo-migrate resume --same-database", Here(0)),
    (
        "rogo-migrate results --run-store az://runs/rogo --account-url https://ACCOUNT.blob.core.windows.net --to results",
        Here(0),
    ),
    ("rogo-migrate verify --run rogo --verify-store az://verify/rogo --out verified", Here(0)),
    ("rogo-migrate verify --run rogo --verify-store az://verify/rogo --shard 0/4", Here(0)),
    ("rogo-migrate status --run rogo --verify-store az://verify/rogo", Here(0)),
    ("rogo-migrate explain CHECK", Here(0)),
    ("rogo-migrate explain CHECK", Here(0)),
    ("rogo-migrate rollback", Here(0)),
    ("rogo-migrate rollback --run rogo", Here(0)),
    ("rogo-migrate rollback --run rogo --yes --reason TICKET-4711", Here(0)),
    ("rogo-migrate resume", Here(0)),
    ("rogo-migrate rollback --run rogo --attempts wrong.csv --yes --reason TICKET-4712", Here(0)),
    ("rogo-migrate run --run repair --attempts wrong.csv --out repair", Here(0)),
    (
        "rogo-migrate plan --run second --after rogo --submissions second.csv --predict --dry-run --out second",
        Here(0),
    ),
    ("rogo-migrate rollback --run rogo --attempts exclude.csv --yes --reason REQUEST-17", Here(0)),
    (
        "rogo-migrate run --run second --after rogo --submissions second.csv --exclude exclude.csv --reason REQUEST-17 \
         --out second",
        Here(0),
    ),
    (
        "rogo-migrate resume --run second --submissions second.csv --redo lost --reason FAILOVER-1 --out second",
        Here(0),
    ),
    ("grep ,changed_at_source, second/skipped.csv | cut -d, -f1 > changed.txt", Here(0)),
    ("rogo-migrate rollback --run rogo --attempts changed.txt --yes --reason REMARK-3", Here(0)),
    (
        "rogo-migrate run --run replaced --submissions second.csv --attempts changed.txt --out replaced",
        Here(0),
    ),
    ("rogo-migrate status --watch", Here(0)),
    ("rogo-migrate explain --attempt N", Here(0)),
    (
        "rogo-migrate results --evidence evidence.zip --verify-store \"$VERIFY_STORE\" --logs run.log --image \"$IMAGE\"",
        Here(0),
    ),
    ("unzip -q evidence.zip -d evidence", EVIDENCE),
    ("(cd evidence && sha256sum --check --strict --quiet SHA256SUMS)", EVIDENCE),
    ("ssh-keygen -Y sign -f auditor_key -n rogo-migrate-evidence evidence/SHA256SUMS", EVIDENCE),
    ("(cd evidence && sha256sum --check --strict --quiet SHA256SUMS)", EVIDENCE),
    (
        "printf 'auditor@example.org namespaces=\"rogo-migrate-evidence\" %s\\n' \"$(cut -d ' ' -f 1,2 auditor_key.pub)\" > \
         allowed_signers",
        EVIDENCE,
    ),
    (
        "ssh-keygen -Y verify -f allowed_signers -I auditor@example.org -n rogo-migrate-evidence -s \
         evidence/SHA256SUMS.sig < evidence/SHA256SUMS",
        EVIDENCE,
    ),
    ("rogo-migrate purge --run rogo", Here(0)),
    ("rogo-migrate purge --run rogo --yes --reason TICKET-4713", Here(0)),
    ("rogo-migrate purge --attempts FILE", Here(0)),
];

const README: &[(&str, Typed)] = &[
    ("deploy/local/demo.sh", SCRIPT),
    ("tests/run.sh", SCRIPT),
    ("rogo-migrate settings", STEPS),
    ("rogo-migrate plan --dry-run", STEPS),
    ("rogo-migrate run --run trial --limit 20", STEPS),
    ("rogo-migrate run", STEPS),
    ("rogo-migrate run --run second --submissions submissions_failed_migration.csv --out second", STEPS),
    ("rogo-migrate rollback", Here(0)),
    ("rogo-migrate resume --redo lost --reason TEXT", Here(0)),
    ("rogo-migrate finalize --accept lost --reason TEXT", Here(0)),
    ("rogo-migrate run --after RUN", Here(0)),
    ("rogo-migrate verify", Here(0)),
    ("rogo-migrate verify --self-test", Here(69)),
    ("rogo-migrate status", Here(0)),
];

const NOTES: &[(&str, Typed)] =
    &[("rogo-migrate results --to DIR", Here(0)), ("rogo-migrate verify", Here(0))];

/// The commands of a Markdown document in their order: lines of `sh` blocks, and code between backticks in other lines. Those for
/// `kubectl` and `helm`, and the variables that they need, are typed by `chart::live_documents`.
fn commands_of(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block: Option<String> = None;
    for line in document.lines().map(str::trim) {
        match (line.strip_prefix("```"), &block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language.to_owned()),
            (None, Some(language)) if language == "sh" => {
                let line = line.split(" # ").next().unwrap_or_default().trim();
                let of_cluster = ["kubectl ", "helm ", "R=", "NS=", "CHART=", "export ROGO_NAMESPACE="]
                    .iter()
                    .any(|word| line.starts_with(word));
                commands.extend((!line.is_empty() && !of_cluster).then(|| line.to_owned()));
            }
            (None, Some(_)) => {}
            (None, None) => {
                let code = line.split('`').skip(1).step_by(2);
                commands.extend(code.filter(|code| code.starts_with("rogo-migrate ")).map(str::to_owned));
            }
        }
    }
    commands
}

fn commands_of_notes(notes: &str) -> Vec<String> {
    notes
        .lines()
        .filter_map(|line| line.find("rogo-migrate ").map(|at| line[at..].trim().to_owned()))
        .collect()
}

#[test]
fn every_command_of_the_documents_is_typed_by_a_test() {
    let notes = read("charts/rogo-migrate/templates/NOTES.txt");
    for (document, found, table) in [
        ("deploy/RUNNING.md", commands_of(&read("deploy/RUNNING.md")), RUNNING),
        ("README.md", commands_of(&read("README.md")), README),
        ("NOTES.txt", commands_of_notes(&notes), NOTES),
    ] {
        let known: Vec<&str> = table.iter().map(|(command, _)| *command).collect();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        let first = known.iter().zip(&found).find(|(known, found)| known != found);
        assert!(
            first.is_none() && known.len() == found.len(),
            "{document}: {} commands, {} in the table; the first that differ (table, document): {first:#?}",
            found.len(),
            known.len()
        );
        for (command, typed) in table {
            if let By(file, test) = typed {
                assert!(read(file).contains(&format!("fn {test}(")), "{command}: no test {test} in {file}");
            }
        }
    }
}

/// Types the commands of a table in their order, each in the world that `world` prepares for it, with what stands for its words.
struct Typist<'sample> {
    sample: &'sample Sample,
    /// Of one after the other; the last one is the present.
    apps: Vec<TestApp<'sample>>,
    verify_store: String,
}

impl<'sample> Typist<'sample> {
    async fn new(sample: &'sample Sample) -> Self {
        let container = Azurite::shared().await.container().await;
        let mut typist = Self { sample, apps: Vec::new(), verify_store: format!("az://{container}") };
        typist.begin_anew().await;
        typist
    }

    /// A target and a run store that hold nothing.
    async fn begin_anew(&mut self) {
        self.apps.push(TestApp::without_cluster(self.sample).await);
    }

    fn app(&self) -> &TestApp<'sample> {
        self.apps.last().unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.app().out.path().join(file), text).unwrap();
    }

    /// Types a command with values for its words, as the role of the database that its chapter names.
    async fn types(&self, command: &str, code: i32, run: &str) {
        let app = self.app();
        let attempt = app.migrated_anywhere();
        let mut lines = command
            .replace("az://runs/rogo", app.variable("ROGO_RUN_STORE"))
            // The tests' account is named by its connection string, beside which the program refuses another name.
            .replace(" --account-url https://ACCOUNT.blob.core.windows.net", "")
            .replace("az://verify", &self.verify_store)
            .replace("CHECK", "grade_final")
            .replace("--attempt N", &format!("--attempt {attempt}"))
            .replace("--attempts FILE", "--attempts wrong.csv")
            .replace("--after RUN", "--after rogo")
            .replace("--reason TEXT", "--reason 'a reason'")
            .replace("--to DIR", "--to copies");
        if let Some(first) = lines.strip_suffix(" --shard 0/4").map(str::to_owned) {
            lines = [0, 1, 2, 3].map(|part| format!("{first} --shard {part}/4")).join("\n");
        }
        let url = match () {
            () if command.contains(" rollback") => app.database.removers_url(),
            () if command.contains(" verify") => app.database.verifiers_url(),
            () => app.database.url(),
        };
        let evidence = app.out.path().join("verified-elsewhere");
        fs::create_dir_all(&evidence).unwrap();
        let evidence = format!("file://{}", evidence.display());
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("ROGO_RUN", run),
            ("VERIFY_STORE", evidence.as_str()),
            ("IMAGE", "registry.example/rogo-migrate@sha256:0123456789abcdef"),
        ];
        let ended = shell(app, &lines, &variables).await;
        assert_eq!(ended.code, Some(code), "{lines}\n{}\n{}", ended.stdout, ended.stderr);
    }
}

impl TestApp<'_> {
    /// The first attempt of the results in the working directory; empty without results.
    fn migrated_anywhere(&self) -> String {
        let is_there = Path::new(self.out.path()).join("migrated.csv").exists();
        if is_there { self.migrated().swap_remove(0) } else { String::new() }
    }
}

/// Everything that chapters 7 and 8 speak of: attempts that are wrong, changed, or to be erased.
fn prepare_later_exports(typist: &Typist<'_>) {
    let mut export = Csv::read(&typist.sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    let [wrong, changed, erased] = [1, 2, 5].map(|row: usize| export.rows[row][place].clone());
    export.cell("Attempt ID", &changed, "Course Title").push_str(" (revised)");
    typist.write("second.csv", &export.text());
    typist.write("wrong.csv", &format!("{wrong}\n"));
    typist.write("exclude.csv", &format!("Attempt ID,Reason\n{erased},asked to be erased\n"));
    typist.write("run.log", "a log\n");
}

#[tokio::test]
async fn the_commands_of_running_a_migration_do_in_their_order_what_the_document_says() {
    let sample = plain_sample(24).await;
    let mut typist = Typist::new(&sample).await;
    for (place, (command, typed)) in RUNNING.iter().enumerate() {
        let Here(code) = *typed else { continue };
        let before = place.checked_sub(1).map_or("", |place| RUNNING[place].0);
        let mut run = "rogo";
        if place == 0 {
            // The rehearsal, on copies.
            typist.app().run(&["run", "--run", "rehearsal"]).await.expect(0);
            run = "rehearsal";
        } else if place == 1 {
            typist.begin_anew().await;
        } else if command.contains("status --watch --run-store") {
            // What the chart's Jobs do.
            typist.app().run(&["shard", "--shard", "0"]).await.expect(0);
            typist.app().run(&["finalize"]).await.expect(0);
        } else if before.ends_with("TICKET-4711") {
            // The run was rolled back: from here on the document speaks of one that stands.
            typist.begin_anew().await;
            typist.app().run(&["run"]).await.expect(0);
            prepare_later_exports(&typist);
        } else if command.ends_with("--attempts FILE") {
            // The run store of the first run was purged as a whole.
            run = "second";
        }
        typist.types(command, code, run).await;
    }
    let app = typist.app();
    assert_eq!(app.migrated_in("repair").len(), 1);
    assert_eq!(app.migrated_in("replaced").len(), 1);
    assert!(app.has_document("rogo/purged.json").await);
}

#[tokio::test]
async fn the_other_commands_of_the_readme_and_of_the_notes_do_what_they_say() {
    let sample = plain_sample(12).await;
    let typist = Typist::new(&sample).await;
    let app = typist.app();
    app.run(&["run"]).await.expect(0);
    let ids = app.migrated();
    for (command, typed) in README.iter().chain(NOTES) {
        let Here(code) = *typed else { continue };
        let mut run = "rogo";
        if command.contains(" lost ") {
            app.lose(if command.contains("redo") { &ids[0] } else { &ids[1] }).await;
            app.run(&["finalize"]).await.expect(69);
        } else if command.contains("--after") {
            run = "third";
        }
        let command = if run == "third" { format!("{command} --out third") } else { (*command).to_owned() };
        typist.types(&command, code, run).await;
    }
    assert!(app.out.path().join("copies/migrated.csv").exists());
}
