//! What deploy/RUNNING.md tells to type: every SQL statement runs on the real tables, and so does every query of the texts that
//! `explain` prints; the evidence is made, signed and checked by the commands of its chapter.

use std::fs;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{
    app::{Sample, TestApp},
    documents::{blocks, read, shell},
};

const RUNNING: &str = "deploy/RUNNING.md";

#[tokio::test]
async fn every_sql_statement_of_the_documents_runs_on_the_real_tables() {
    let sample = Sample::new(60, 81).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let mut reader = PgConnection::connect(&app.database.verifiers_url()).await.unwrap();
    let sql = blocks(&read(RUNNING), "sql", None);
    assert!(sql.len() >= 10, "{} blocks", sql.len());
    for block in sql {
        // What changes something is the owner's.
        let is_read = block.lines().all(|line| !line.starts_with("analyze"));
        let rows = if is_read {
            sqlx::raw_sql(AssertSqlSafe(block.clone())).fetch_all(&mut reader).await
        } else {
            app.database.pool().execute(AssertSqlSafe(block.clone())).await.map(|_| Vec::new())
        };
        let rows = rows.unwrap_or_else(|error| panic!("{block}: {error}"));
        let may_be_empty = !is_read
            || block.contains("pg_locks")
            || block.contains("blocked")
            || block.contains("malpractice");
        assert!(may_be_empty || !rows.is_empty(), "{block}: finds nothing of a run that has just ended");
    }
    let attempt = app.migrated().swap_remove(0);
    for text in rogo_migrate::explain::TEXTS {
        for query in queries(text.markdown) {
            let query = query.replace("<attempt>", &attempt);
            let read = sqlx::raw_sql(AssertSqlSafe(query.clone())).fetch_all(&mut reader).await;
            read.unwrap_or_else(|error| panic!("{}: {query}: {error}", text.code));
        }
    }
}

/// The words that each of these paragraphs must hold, by its beginning.
const EXPLAINED: [(&str, &[&str]); 8] = [
    (
        "**What `shards.maxFailed` means.**",
        &["`maxFailedIndexes`", "ends the whole Job", "does not depend on the parallelism"],
    ),
    ("**After evictions**", &["10 s, 20 s, 40 s, up to 10 min", "pods therefore seem to be missing"]),
    (
        "**Never `helm rollback`.**",
        &["without rendering the chart", "are deleted", "upgrade with the earlier values"],
    ),
    (
        "**SNAT ports.**",
        &["1,024 per node", "new connections time out", "private endpoints or a NAT gateway"],
    ),
    (
        "Rendered by `helm template`, Argo CD or Flux's dry runs",
        &["`lookup` is empty", "no check protects running"],
    ),
    (
        "**Argo CD.**",
        &["No prune and no self-heal", "pruning deletes a running Job", "self-heal undoes a pause"],
    ),
    ("**Flux.**", &["`disableWait`", "no remediation", "would delete running Jobs"]),
    ("| new connections time out", &["SNAT ports"]),
];

#[test]
fn what_a_cluster_and_its_tools_do_to_a_run_is_explained() {
    let running = read(RUNNING);
    for (beginning, words) in EXPLAINED {
        let paragraph = running.split("\n\n").find_map(|text| {
            let at = text.find(beginning)?;
            (at == 0 || text[..at].ends_with('\n')).then(|| &text[at..])
        });
        let paragraph = paragraph.unwrap_or_else(|| panic!("no paragraph begins with {beginning:?}"));
        let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(paragraph.contains(word), "{word:?}: {paragraph}");
        }
    }
    let blocks = blocks(&running, "yaml", Some("11. GitOps"));
    for setting in
        ["automated: {prune: false, selfHeal: false}", "disableWait: true", "remediation: {retries: 0}"]
    {
        assert!(blocks.iter().any(|block| block.contains(setting)), "{setting}");
    }
}

/// The indented queries of a text, but those of the warehouse.
fn queries(markdown: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        let code = line.strip_prefix("    ");
        if let Some(code) = code.filter(|code| open.is_some() || code.starts_with("select ")) {
            let query = open.get_or_insert_with(String::new);
            query.push_str(code);
            query.push('\n');
            if code.ends_with(';') {
                all.extend(open.take());
            }
        } else {
            open = None;
        }
    }
    all.retain(|query| !query.contains("dbo."));
    all
}

#[tokio::test]
async fn the_evidence_is_made_signed_and_checked_by_the_commands_of_its_chapter() {
    let sample = Sample::new(60, 82).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan", "--predict"]).await.expect(0);
    let ran = app.run(&["run", "--breaker", "off", "--reason", "a rehearsal"]).await.expect(0);
    fs::write(app.out.path().join("run.log"), &ran.stderr).unwrap();
    let verify_store = app.out.path().join("verified").display().to_string();
    fs::create_dir(&verify_store).unwrap();
    let verify_store = format!("file://{verify_store}");
    let verify = ["verify", "--level", "content", "--verify-store", &verify_store, "--recheck", "0s"];
    app.run(&verify).await.expect(0);
    let commands = blocks(&read(RUNNING), "sh", Some("Evidence"));
    let [pack, sign, check] = commands.as_slice() else { panic!("three steps, not {}", commands.len()) };
    let image = "registry.example/rogo-migrate@sha256:0123456789abcdef";
    let variables = [("IMAGE", image), ("VERIFY_STORE", verify_store.as_str())];
    let made = shell(&app, pack, &variables).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let whole = fs::read(app.out.path().join("evidence.zip")).unwrap();
    let again = [
        "results",
        "--evidence",
        "again.zip",
        "--logs",
        "run.log",
        "--image",
        image,
        "--verify-store",
        &verify_store,
    ];
    app.run(&again).await.expect(0);
    assert!(
        fs::read(app.out.path().join("again.zip")).unwrap() == whole,
        "the same run gives the same bytes"
    );

    let key = "ssh-keygen -q -t ed25519 -N '' -C auditor@example.org -f auditor_key";
    assert_eq!(shell(&app, key, &variables).await.code, Some(0));
    let signed = shell(&app, sign, &variables).await;
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    let checked = shell(&app, check, &variables).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("Good \"rogo-migrate-evidence\" signature"), "{}", checked.stdout);

    let evidence = app.out.path().join("evidence");
    let listed = fs::read_to_string(evidence.join("SHA256SUMS")).unwrap();
    for entry in [
        "README.txt",
        "plan.json",
        "absent.json",
        "settings.json",
        "program.json",
        "prediction.json",
        "decisions.jsonl",
        "left-out.txt",
        "logs/run.log",
        "results/summary.json",
        "results/migrated.csv",
        "segments/0/",
        "verify-store/results/verification.json",
        "verify-store/results/controls.csv",
        "verify-store/results/controls.sql",
        "verify-store/results/manifest.csv",
    ] {
        assert!(listed.contains(&format!("  {entry}")), "{entry}: {listed}");
    }
    assert!(!listed.contains("submissions_failed") && !listed.contains("queues"), "{listed}");
    let left_out = fs::read_to_string(evidence.join("left-out.txt")).unwrap();
    for file in [
        "results/submissions_failed_migration.csv",
        "results/not_in_input.csv",
        "verify-store/results/verification_failures.csv",
    ] {
        assert!(left_out.contains(&format!("  {file}")), "{left_out}");
    }
    assert!(fs::read_to_string(evidence.join("program.json")).unwrap().contains(image));
    let decided = fs::read_to_string(evidence.join("decisions.jsonl")).unwrap();
    assert!(decided.contains("a rehearsal"), "{decided}");

    // One changed mark, one changed digest, another signer: each is noticed.
    let summary = evidence.join("results/summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    fs::write(&summary, text.replacen("COMPLETE", "UNFINISHED", 1)).unwrap();
    assert_ne!(shell(&app, check, &variables).await.code, Some(0), "a changed file");
    fs::write(&summary, &text).unwrap();
    fs::write(evidence.join("SHA256SUMS"), listed.replacen('a', "b", 1)).unwrap();
    assert_ne!(shell(&app, check, &variables).await.code, Some(0), "changed sums");
    fs::write(evidence.join("SHA256SUMS"), &listed).unwrap();
    assert_eq!(shell(&app, check, &variables).await.code, Some(0));

    let none = app.run(&["results", "--run", "none", "--evidence", "none.zip"]).await.expect(78);
    assert!(none.stderr.contains("there is no plan"), "{}", none.stderr);
}
