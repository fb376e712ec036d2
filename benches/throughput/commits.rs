//! The share of PostgreSQL's own speed: blobs are answered by a stub, and the lower bound is pgbench, which sends the
//! program's statement for one submission with the program's documents, over as many connections.

use std::fmt::Write as _;

use tempfile::NamedTempFile;

use super::{
    Options,
    goals::{Goal, Goals},
    latency::{Bench, CONNECTIONS, Distance, shown},
    median,
    support::postgres::{TestDatabase, TestServer},
};

/// What the program's statement for one submission, and that for several, begin with in the server's log.
const STATEMENTS: [(&str, usize, usize); 2] = [
    ("with document as materialized (select $1::text", 1, 5),
    ("with document as materialized (\n            select given.place", 1, 2),
];

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
    /// Runs the program once, and takes what it sent from the server's log.
    async fn of(bench: &Bench) -> Self {
        // With the catalogue that the documents name.
        let template = bench.app().await.database;
        let app = bench.app().await;
        let name = app.database.name();
        app.database.run(&format!("alter database {name} set log_min_duration_statement = 0")).await;
        bench.run(&app, Distance::default()).await;
        template.run("create table sent (n serial primary key, body text, digest bytea)").await;
        let mut statement = None;
        for (text, parameters) in logged(&TestServer::get().log()) {
            let Some((number, (_, body, digest))) =
                STATEMENTS.iter().enumerate().find(|(_, (begin, ..))| text.starts_with(begin))
            else {
                continue;
            };
            let (body, digest) = (parameter(&parameters, *body), parameter(&parameters, *digest));
            let values = if number == 0 {
                statement = Some(text);
                format!("values ({body}, {digest}::bytea)")
            } else {
                format!("select * from unnest({body}::text[], {digest}::bytea[])")
            };
            template.run(&format!("insert into sent (body, digest) {values}")).await;
        }
        template.run("grant select on sent to public; analyze sent").await;
        let sent = template.number("select count(*) from sent").await;
        let statement = statement.expect("the program sent a submission by itself");
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

/// The executed statements of the server's log, each with its parameters. Further lines of an entry begin with a tab.
fn logged(log: &str) -> Vec<(String, String)> {
    let mut entries: Vec<String> = Vec::new();
    for line in log.split('\n') {
        match (line.strip_prefix('\t'), entries.last_mut()) {
            (Some(more), Some(entry)) => write!(entry, "\n{more}").unwrap(),
            _ => entries.push(line.to_owned()),
        }
    }
    let executed = |entry: &str| {
        let (_, said) = entry.split_once("  execute ")?;
        said.split_once(": ").map(|(_, statement)| statement.to_owned())
    };
    let pairs = entries.iter().zip(entries.iter().skip(1));
    pairs
        .filter_map(|(entry, detail)| {
            let (_, parameters) = detail.split_once("DETAIL:  parameters: ")?;
            Some((executed(entry)?, parameters.to_owned()))
        })
        .collect()
}

/// A parameter as the log writes it, which is a literal of SQL; a quote inside is doubled.
fn parameter(parameters: &str, number: usize) -> &str {
    let begin = format!("${number} = '");
    let at = parameters.find(&begin).expect("the parameter was logged") + begin.len() - 1;
    let literal = &parameters[at..];
    let mut quotes = literal.char_indices().skip(1).filter(|(_, one)| *one == '\'').map(|(at, _)| at);
    while let Some(quote) = quotes.next() {
        if !literal[quote + 1..].starts_with('\'') {
            return &literal[..=quote];
        }
        quotes.next();
    }
    panic!("the parameter has no end")
}
