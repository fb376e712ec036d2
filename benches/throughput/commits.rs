//! The share of PostgreSQL's own speed: blobs are answered by a stub, and the lower bound is pgbench, which sends the
//! program's statement for one submission with the program's documents, over as many connections.

use std::fmt::Write as _;

use tempfile::NamedTempFile;

use super::{
    Options,
    goals::{Goal, Goals},
    heard::heard,
    latency::{Bench, CONNECTIONS, Distance, shown},
    median,
    support::postgres::TestDatabase,
};

/// Floor and program in turn.
pub async fn commits(goals: &mut Goals, options: &Options) {
    let rows = options.distant;
    let bench = Bench::start(rows, options.stub_bytes).await;
    let documents = Documents::of(&bench).await;
    println!("{rows} submissions, blobs answered by a stub, beside pgbench with the same documents");
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        // Which of the two is first changes from round to round.
        let (floor, program) = if round % 2 == 0 {
            let floor = documents.floor().await;
            (floor, bench.shard(Distance::default()).await)
        } else {
            let program = bench.shard(Distance::default()).await;
            (documents.floor().await, program)
        };
        shown(&format!("floor {floor:8.1}, program"), &program, None);
        ratios.push(program.rate / floor);
        rates.push(program.rate);
    }
    goals.demand("ratio to PostgreSQL's floor", median(ratios), "", Goal::AtLeast(0.8));
    Goals::figure("submissions per second", median(rates), "");
}

/// The documents of a run and the statement that writes one of them.
struct Documents {
    /// Has the target's empty tables, and the documents in `sent`.
    template: TestDatabase,
    /// A transaction of pgbench.
    script: NamedTempFile,
    each: u64,
}

impl Documents {
    /// What the program sends, heard in a run of its own.
    async fn of(bench: &Bench) -> Self {
        let (statement, commits) = heard(bench).await;
        // With the catalogue that the documents name.
        let template = bench.app().await.database;
        template.run("create table sent (n serial primary key, body text, digest bytea)").await;
        let (bodies, digests): (Vec<String>, Vec<Vec<u8>>) =
            commits.into_iter().map(|commit| (commit.document, commit.digest)).unzip();
        sqlx::query("insert into sent (body, digest) select * from unnest($1::text[], $2::bytea[])")
            .bind(bodies)
            .bind(digests)
            .execute(template.pool())
            .await
            .unwrap();
        template.run("grant select on sent to public; analyze sent").await;
        let sent = template.number("select count(*) from sent").await;
        let script = NamedTempFile::new().unwrap();
        std::fs::write(script.path(), transaction(&statement)).unwrap();
        Self { template, script, each: sent.unsigned_abs() / u64::from(CONNECTIONS) }
    }

    /// Submissions per second of pgbench in a new target.
    async fn floor(&self) -> f64 {
        let database = self.template.copy().await;
        let (clients, each) = (CONNECTIONS.to_string(), self.each.to_string());
        let (define, script) = (format!("each={each}"), self.script.path().display().to_string());
        let arguments = ["-n", "-M", "prepared", "-c", &clients, "-t", &each, "-D", &define, "-D", "i=0"];
        let said = database.pgbench(&[arguments.as_slice(), &["-f", &script]].concat());
        let written = database.number("select count(*) from assignment_submissions").await;
        assert_eq!(
            written.unsigned_abs(),
            self.each * u64::from(CONNECTIONS),
            "pgbench wrote every document"
        );
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")).expect("pgbench tells its rate");
        rate.split(' ').next().unwrap().parse().unwrap()
    }
}

/// The statement, with a document that no other transaction takes.
fn transaction(statement: &str) -> String {
    let mut text = statement.to_owned();
    for (parameter, value) in [
        ("$1::text", "(select body from sent where n = :n)"),
        ("$2::boolean", "false"),
        ("$3::text", "null::text"),
        ("$4::boolean", "false"),
        ("$5::bytea", "(select digest from sent where n = :n)"),
        ("$6::bytea", "null::bytea"),
    ] {
        assert!(text.contains(parameter), "{parameter} is a parameter of the statement");
        text = text.replace(parameter, value);
    }
    // pgbench takes a colon before a letter for a variable.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut script = String::from("\\set i :i + 1\n\\set n :client_id * :each + :i\n");
    writeln!(script, "{text};").unwrap();
    script
}
