//! What a person sees on standard error while rows move.

use std::process::Stdio;

use futures_util::future::join_all;
use rogo_migrate::{
    adapters::blobs,
    domain::InputDigest,
    ports::Service,
    run::{RunName, RunStore, names},
    settings::{AccountSettings, Place},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::{
    app::{Sample, TestApp},
    plans,
    postgres::TestServer,
    process::{output, signal, within},
    proxy::Proxy,
};

const PROGRAM: &str = concat!("'", env!("CARGO_BIN_EXE_rogo-migrate"), "'");

/// A line of shell with the environment of the program, on a terminal of so many columns. What is written to the terminal is
/// its standard output.
fn terminal(app: &TestApp<'_>, columns: u16, line: &str) -> Command {
    let program = app.command(&[]);
    let environment = program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &format!("stty columns {columns} rows 40; {line}"), "/dev/null"])
        .env_clear()
        .envs(environment)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .current_dir(app.out.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    terminal
}

#[tokio::test]
async fn where_nobody_watches_the_progress_block_tells_every_row() {
    let sample = Sample::with(12, 75, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.set("ROGO_LOG_FORMAT", "text");
    let ended = app.run(&["run"]).await.expect(0);
    for line in [
        "progress  12/12 rows (100.0%) · ",
        "12 succeeded · 0 failed · 0 skipped · ",
        "workers   #1 ",
        "state     running",
    ] {
        assert!(ended.stderr.contains(line), "{line:?} is not in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "no control characters: {}", ended.stderr);
    assert!(!ended.stdout.contains("workers   #1"), "{}", ended.stdout);
}

#[tokio::test]
async fn on_a_terminal_a_bar_moves() {
    let sample = Sample::with(40, 76, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    // The bar is drawn twice a second: the rows must take longer than that.
    let proxy = Proxy::start(TestServer::get().address()).await;
    proxy.delay(std::time::Duration::from_millis(30));
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    let shard = "shard --shard 0 --same-database --workers 1 --in-flight 1 >/dev/null";
    let terminal = terminal(&app, 120, &format!("exec {PROGRAM} {shard}"));
    let ended = output(terminal).await.expect(0);
    for part in ["\u{1b}[", "workers #1 ", "/40 rows (", "progress  40/40 rows (100.0%)"] {
        assert!(ended.stdout.contains(part), "{part:?} is not in {:?}", ended.stdout);
    }
}

#[tokio::test]
async fn a_terminal_with_a_bar_logs_warnings_only_unless_more_is_asked_for() {
    let sample = Sample::new(30, 85).await;
    let app = TestApp::new(&sample).await;
    let on_terminal = async |name: &str, environment: &str, more: &str| -> String {
        let run = format!("run --run {name} --out {name} --breaker off --reason test {more} >/dev/null");
        let line = format!("exec env {environment} {PROGRAM} {run}");
        output(terminal(&app, 120, &line)).await.expect(0).stdout
    };
    for (name, environment, more, is_told) in [
        ("first", "", "", false),
        ("short", "", "-v", true),
        ("long", "RUST_LOG=off", "--verbose", true),
        ("flag", "", "--log info", true),
        ("variable", "RUST_LOG=info", "", true),
        ("colour", "NO_COLOR=1", "", true),
        ("ci", "CI=true", "", true),
        ("dumb", "TERM=dumb", "", true),
    ] {
        let shown = on_terminal(name, environment, more).await;
        let plain = console::strip_ansi_codes(&shown);
        assert_eq!(plain.contains(" INFO "), is_told, "{name}: {plain}");
        assert!(plain.contains(" WARN row failed") || environment == "RUST_LOG=off", "{name}: {plain}");
        if ["colour", "ci", "dumb"].contains(&name) {
            assert!(!shown.contains('\u{1b}'), "plain lines: {shown:?}");
        }
    }
    let piped =
        app.run(&["run", "--run", "pipe", "--out", "pipe", "--breaker", "off", "--reason", "test"]).await;
    assert!(piped.stderr.contains(r#""level":"INFO""#), "a pipe has every line: {}", piped.stderr);
    let both = app.run(&["status", "-v", "--log", "debug"]).await.expect(64);
    assert!(both.stderr.contains("--log"), "{}", both.stderr);
}

#[tokio::test]
async fn the_status_of_a_thousand_shards_is_a_map_that_fits_the_terminal() {
    let sample = Sample::with(1, 86, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let folder = app.out.path().join("runs");
    std::fs::create_dir(&folder).unwrap();
    app.set("ROGO_RUN_STORE", format!("file://{}", folder.display()));
    let blobs = blobs::open(&Place::Folder(folder), &AccountSettings::default(), Service::RunStore).unwrap();
    let store = RunStore::new(blobs, &RunName::default());
    let digest = InputDigest { location: String::new(), sha256: String::new(), size_bytes: 0, rows: 1_000 };
    let plan = plans::plan(digest, 1_000);
    store.create(names::PLAN, &plan).await.unwrap();
    let line = format!("{PROGRAM} status --watch || true");
    let shown = output(terminal(&app, 120, &line)).await.expect(0).stdout;
    let map: Vec<&str> = shown.lines().filter(|line| line.contains("····")).collect();
    assert_eq!(map.len(), 10, "{shown}");
    assert_eq!(map.concat().matches('·').count(), 1_000, "a mark for each shard");
    assert!(shown.contains("0 of 1,000 rows (0.0%)") && shown.contains("… and 992 more"), "{shown}");
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 120), "{shown}");
}

#[tokio::test]
async fn sigusr1_shows_the_block_at_once_and_ends_nothing() {
    let sample = Sample::with(60, 80, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    proxy.delay(std::time::Duration::from_millis(30));
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.set("ROGO_LOG_FORMAT", "text");
    let mut command = app.command(&["run", "--workers", "1", "--in-flight", "1"]);
    command.stdout(Stdio::null());
    let mut program = command.spawn().unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    // A process that has said something listens for signals.
    within("it says something", lines.next_line()).await.unwrap();
    let mut blocks = 0;
    let asking = async {
        loop {
            // While the plan is made nothing is shown.
            signal(&program, "USR1");
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    };
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            blocks += usize::from(line.starts_with("progress  "));
        }
    };
    let shown = async {
        tokio::select! {
            () = reading => {}
            () = asking => {}
        }
    };
    within("it ends", shown).await;
    assert!(within("it ends", program.wait()).await.unwrap().success());
    assert!(blocks >= 3, "one is the last, and the rows take seconds: {blocks}");
}

#[tokio::test]
async fn what_limits_the_speed_is_said_in_progress_summary_and_status() {
    let sample = Sample::with(60, 77, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    proxy.delay(std::time::Duration::from_millis(30));
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.set("ROGO_LOG_FORMAT", "text");
    // With a trigger that runs after the row each submission has a transaction of its own, and all share one connection.
    let trigger = "create function look() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger look after insert on submission_files for each row execute function look()";
    app.database.run(trigger).await;
    let ended = app.run(&["run", "--workers", "1", "--pool", "1"]).await.expect(0);
    let advice = "PostgreSQL pool: workers waited for a connection ";
    assert!(ended.stderr.contains(&format!("limit     {advice}")), "{}", ended.stderr);
    assert!(ended.stdout.contains(&format!("what limited the speed\n  {advice}")), "{}", ended.stdout);
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let limit = &summary["limits"][0];
    assert_eq!(limit["code"], "database_pool", "{summary}");
    let text = limit["text"].as_str().unwrap();
    assert!(text.contains(" % of the time (shown above 10 %); raise --pool or lower --workers"), "{text}");
    let status = app.run(&["status", "--json"]).await.expect(0);
    let standing: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(standing["limits"], summary["limits"]);
    assert!(app.result("report.html").contains(&format!("<li><code>database_pool</code> {text}</li>")));
}

#[tokio::test]
async fn a_watched_run_is_one_screen_that_is_drawn_again_and_plain_lines_if_they_are_asked_for() {
    let sample = Sample::with(60, 81, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan"]).await.expect(0);
    // The status is asked for every ten seconds, for 25 s: the shard takes longer than that.
    app.commit_slowly("0.5").await;
    let mut shard = app.command(&["shard", "--shard", "0", "--workers", "1", "--in-flight", "1"]);
    shard.stdout(Stdio::null()).stderr(Stdio::null());
    let mut shard = shard.kill_on_drop(true).spawn().unwrap();
    let watched = async |environment: &str| -> String {
        let line = format!("timeout 25 env {environment} {PROGRAM} status --watch 2>/dev/null || true");
        output(terminal(&app, 100, &line)).await.expect(0).stdout
    };
    let plain = join_all(["NO_COLOR=1", "CI=true", "TERM=dumb"].map(watched));
    let (shown, plain) = tokio::join!(watched(""), plain);
    shard.kill().await.unwrap();
    for shown in plain {
        assert!(!shown.contains('\u{1b}'), "no control characters: {shown:?}");
        assert!(shown.matches("running: run ").count() > 1, "looked at twice: {shown:?}");
    }
    let looks: Vec<&str> = shown.split("running: run ").collect();
    assert!(looks.len() > 2, "looked at twice: {shown:?}");
    for look in looks.get(2..).unwrap() {
        assert!(look.contains(" rows ("), "{look:?}");
    }
    let between = looks.get(1).unwrap();
    let lines = between.lines().filter(|line| !line.contains('\u{1b}')).count();
    let taken_back = between.matches("\u{1b}[2K").count();
    assert!(
        taken_back >= lines.saturating_sub(1) && taken_back > 1,
        "{lines} lines, {taken_back} taken back: {between:?}"
    );
}
