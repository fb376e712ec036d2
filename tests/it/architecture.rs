//! Promises of the house: imports go one way, rules know no world, one module reads the environment, one
//! prints. Checked over the tokens of every file in `src`, so that comments and texts do not count.

use std::{fs, path::Path};

/// The rooms of the house from the ground up, and which rooms each may name, beside itself. A room names only rooms
/// that stand above it in this list: so there is no circle.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ids", &[]),
    ("identity", &[]),
    ("rules", &["domain", "ids"]),
    ("ports", &["domain", "ids"]),
    ("exit", &["ports"]),
    ("inputs", &["domain", "ports", "exit"]),
    ("settings", &["domain", "exit", "ids"]),
    ("gather", &["domain", "rules", "ports"]),
    ("run", &["domain", "ids", "ports", "exit", "inputs", "settings"]),
    ("report", &["domain", "ports", "run", "ids"]),
    ("explain", &[]),
    ("telemetry", &["domain", "ports", "run", "exit", "settings", "report"]),
    ("sample", &["domain", "exit"]),
    ("cli", &["domain", "sample"]),
    ("plan", STAGE),
    ("predict", STAGE),
    ("shard", STAGE),
    ("finalize", STAGE),
    ("rollback", STAGE),
    ("watch", STAGE),
    ("dossier", STAGE),
    ("verify", VERIFY),
    ("adapters", &["domain", "rules", "ports", "run", "ids", "exit", "settings", "identity", "inputs"]),
    ("commands", ANY),
    ("lib", ANY),
    ("main", ANY),
];

/// Rooms on one floor: none may name another.
const FLOOR: [&str; 9] =
    ["plan", "predict", "shard", "finalize", "rollback", "watch", "dossier", "verify", "adapters"];
/// What a stage stands on.
const STAGE: &[&str] =
    &["domain", "rules", "ports", "gather", "run", "ids", "report", "exit", "settings", "inputs"];
/// What `verify` stands on: neither the rules nor anything that moved the rows, for it must not share their mistakes.
const VERIFY: &[&str] = &["domain", "ports", "inputs", "run", "ids", "exit"];
/// A rule that stands in the domain, since plan and inputs need it too; verify has its own.
const RULE_OF_BLANKS: &str = "crate::domain::text";
const ANY: &[&str] = &["*"];

/// The one mechanism for waiting.
const WAITING: &str = "src/ports/backoff.rs";
/// What only that mechanism calls.
const WAITS: [&str; 4] = ["sleep", "sleep_until", "interval", "interval_at"];

/// The one way to a thread that may block.
const THREADS: &str = "src/ports/task.rs";
/// Files that may name `tokio::fs`, each with its reason. Everything else asks a file system through `ports::deadline`: that of a
/// network may never answer.
const FILES_WITHOUT_DEADLINE: &[(&str, &str)] = &[
    ("src/ports/deadline.rs", "gives each read its deadline"),
    ("src/adapters/blobs/azure.rs", "reads drafts in TMPDIR, which is a disk of this machine"),
];

/// What domain and rules must not name: I/O and clocks.
const WORLD: &[&str] = &[
    "tokio",
    "tokio_util",
    "futures_util",
    "sqlx",
    "tiberius",
    "azure_core",
    "azure_identity",
    "azure_storage_blob",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "Local::now",
    "chrono::Utc::now",
    "chrono::Local",
];

/// Everything in this file's text that breaks a promise of the house.
fn violations(file: &str, source: &str) -> Vec<String> {
    let module = module_of(file);
    let top = room_of(&module);
    let is_test = module.last().is_some_and(|name| name == "tests");
    let tokens = tokens(source);
    let paths = paths(&tokens, &module);
    let mut found = Vec::new();

    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == top) else {
        return vec![format!("{file}: {top} has no place in the layers yet")];
    };
    for path in &paths {
        if let Some(inner) = path.strip_prefix("crate::")
            && !may_name(&module, allowed, inner)
        {
            found.push(format!("{file}: {top} must not import {path}"));
        }
        if top == "verify" && is_below(path, RULE_OF_BLANKS) {
            found.push(format!("{file}: verify states what is blank and equal itself: {path}"));
        }
        if path.starts_with("std::env") && top != "settings" && path != "std::env::temp_dir" {
            found.push(format!("{file}: only settings reads the environment: {path}"));
        }
        let prints = ["std::io::stdout", "std::io::stderr", "io::stdout", "io::stderr"];
        if prints.contains(&path.as_str()) && top != "report" {
            found.push(format!("{file}: only report prints: {path}"));
        }
        if is_below(path, "tokio::fs") && FILES_WITHOUT_DEADLINE.iter().all(|(allowed, _)| *allowed != file) {
            found.push(format!("{file}: {path} has no deadline: use ports::deadline"));
        }
        if path.ends_with("::spawn_blocking") && file != THREADS && !is_test {
            found.push(format!("{file}: {path} has no deadline: use ports::deadline, or on_thread"));
        }
        if ["domain", "rules"].contains(&top.as_str()) && WORLD.iter().any(|name| is_below(path, name)) {
            found.push(format!("{file}: {top} must not know {path}"));
        }
    }
    for (word, next) in tokens.iter().zip(tokens.iter().skip(1)) {
        let prints = ["print", "println", "eprint", "eprintln", "dbg"].contains(&word.as_str());
        if prints && next == "!" && top != "report" {
            found.push(format!("{file}: only report prints: {word}!"));
        }
        if WAITS.contains(&word.as_str()) && next == "(" && file != WAITING && !is_test {
            found.push(format!(
                "{file}: only ports::backoff sleeps: wait with Patience, every, due or overdue"
            ));
        }
        if ["async", "await"].contains(&word.as_str()) && ["domain", "rules"].contains(&top.as_str()) {
            found.push(format!("{file}: {top} must not know {word}"));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The room that the module belongs to: its first word.
fn room_of(module: &[String]) -> String {
    module.first().cloned().unwrap_or_default()
}

fn may_name(module: &[String], allowed: &[&str], path: &str) -> bool {
    let same_top = path.split("::").next() == module.first().map(String::as_str);
    if same_top && module.first().is_some_and(|top| top == "adapters") {
        // An adapter may name itself; only the folder's own file names them all.
        return module.get(1).is_none_or(|own| is_below(path, &format!("adapters::{own}")));
    }
    same_top || allowed.iter().any(|name| *name == "*" || is_below(path, name))
}

fn is_below(path: &str, name: &str) -> bool {
    path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
}

/// `src/adapters/blobs/azure.rs` is `adapters::blobs::azure`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').map(str::to_owned).collect()
}

/// All tokens in order, without comments and texts. What follows `mod tests` is left out: tests may know
/// the world, and stand last.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => text_length(rest),
            'r' | 'b' if raw_text_length(rest).is_some() => raw_text_length(rest).unwrap_or(1),
            '\'' => character_length(rest),
            ':' if rest.starts_with("::") => 2,
            _ if is_word(rest) => {
                rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (token, left) = rest.split_at(length);
        rest = left;
        let is_code = !(token.starts_with("//") || token.starts_with("/*") || token.contains(['"', '\'']));
        if is_code && !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        if tokens.ends_with(&["mod".to_owned(), "tests".to_owned()]) {
            break;
        }
    }
    tokens
}

/// The length of `"…"` at the beginning.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#` or `br"…"` at the beginning, if there is one.
fn raw_text_length(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest.len() - body.len() + body.find(&end)? + end.len())
}

/// The length of `'x'` or `'\n'` at the beginning; 1 for the mark of a lifetime.
fn character_length(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest.get(3..).and_then(|more| more.find('\'')).map_or(1, |end| end + 4),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Every path of two or more words, groups unfolded, `self` and `super` resolved to `crate::…`.
fn paths(tokens: &[String], module: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = "";
    for (at, token) in tokens.iter().enumerate() {
        let begins = is_word(token) && before != "::";
        if begins && tokens.get(at + 1).is_some_and(|next| next == "::") {
            unfold(tokens, at, "", &mut found);
        }
        before = token;
    }
    found.iter().map(|path| resolve(path, module)).collect()
}

/// Follows the path that begins at `at` and returns where it ends.
fn unfold(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    loop {
        let token = tokens.get(at).map_or("", String::as_str);
        if is_word(token) || token == "*" {
            path = if path.is_empty() { token.to_owned() } else { format!("{path}::{token}") };
            at += 1;
            if tokens.get(at).is_some_and(|next| next == "::") {
                at += 1;
                continue;
            }
            found.push(path);
            return at;
        }
        if token == "{" {
            at += 1;
            while let Some(next) = tokens.get(at).filter(|next| *next != "}") {
                at = if is_word(next) { unfold(tokens, at, &path, found) } else { at + 1 };
            }
            return at + 1;
        }
        found.push(path);
        return at;
    }
}

fn resolve(path: &str, module: &[String]) -> String {
    let mut words = path.split("::").peekable();
    let mut base: Vec<&str> = match words.peek() {
        Some(&"super" | &"self") => module.iter().map(String::as_str).collect(),
        _ => return path.to_owned(),
    };
    while let Some(word) = words.next_if(|word| ["super", "self"].contains(word)) {
        if word == "super" {
            base.pop();
        }
    }
    ["crate"].into_iter().chain(base).chain(words).collect::<Vec<_>>().join("::")
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Every Rust file below `src` or `tests`, by its path from the repository's root, and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    files_of(folder, "rs")
}

/// The files with this extension in the folder and below it, by name.
fn files_of(folder: &str, extension: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                files.push((name, fs::read_to_string(&path).expect("the source can be read")));
            }
        }
    }
    files
}

#[test]
fn every_file_of_the_program_keeps_its_place() {
    let files = sources("src");
    assert!(files.len() > 30, "the sources are found: {}", files.len());
    let broken: Vec<String> = files.iter().flat_map(|(file, source)| violations(file, source)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_room_names_a_room_above_it_or_beside_it() {
    for (place, (room, allowed)) in LAYERS.iter().enumerate() {
        let below: Vec<&str> = LAYERS.iter().take(place).map(|(name, _)| *name).collect();
        for name in allowed.iter().filter(|name| **name != "*") {
            assert!(below.contains(name), "{room} names {name}, which does not stand below it");
            let beside = FLOOR.contains(room) && FLOOR.contains(name);
            assert!(!beside, "{room} and {name} stand side by side");
        }
    }
    assert!(FLOOR.iter().all(|room| LAYERS.iter().any(|(name, _)| name == room)));
}

/// The consumers of events, each with its module and those below it; `report::board` shows two of them side by side.
const CONSUMERS: [&str; 6] = [
    "report::progress",
    "report::limits",
    "report::log_lines",
    "report::invariants",
    "telemetry::metrics",
    "telemetry::traces",
];

#[test]
fn no_consumer_of_events_names_another() {
    let mut seen = 0;
    for (file, source) in sources("src") {
        let module = module_of(&file);
        let own = CONSUMERS.iter().find(|consumer| is_below(&module.join("::"), consumer));
        let Some(own) = own.filter(|_| module.last().is_none_or(|name| name != "tests")) else { continue };
        seen += 1;
        let named = paths(&tokens(&source), &module);
        for other in CONSUMERS.iter().filter(|other| *other != own) {
            let found = named.iter().find(|path| is_below(path, &format!("crate::{other}")));
            assert_eq!(found, None, "{file} names another consumer of events");
        }
    }
    assert!(seen >= CONSUMERS.len(), "{seen}");
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let files = sources("src").into_iter().chain(sources("tests"));
    let silent: Vec<_> =
        files.filter(|(_, source)| !source.starts_with("//! ")).map(|(file, _)| file).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// Files of `src` that may have more than [`MOST_LINES`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/report/limits/advice/tests.rs", "tests of one module, and nothing else"),
    ("src/shard/pace/tests.rs", "tests of one module, and nothing else"),
    ("src/watch/standing/judge/tests.rs", "tests of one module, and nothing else"),
];
const MOST_LINES: usize = 300;

#[test]
fn no_file_of_the_program_is_long_without_a_reason() {
    let files = sources("src");
    let lines = |name: &str| {
        let file = files.iter().find(|(file, _)| file == name);
        file.map_or(0, |(_, text)| text.lines().count())
    };
    let long: Vec<String> = files
        .iter()
        .filter(|(file, _)| lines(file) > MOST_LINES && LONG_FILES.iter().all(|(long, _)| long != file))
        .map(|(file, _)| format!("{file}: {} lines: make it two, or give a reason", lines(file)))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

const MOST_FUNCTION_LINES: usize = 60;

/// Functions of more than [`MOST_FUNCTION_LINES`] lines, from `fn` to the closing brace, blank lines and comments too.
/// rustfmt indents that brace like its function. What follows `mod tests` is left out.
fn long_functions(source: &str) -> Vec<String> {
    let program = source.split("\nmod tests").next().unwrap_or_default();
    let lines: Vec<&str> = program.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.trim_start().split_once("fn ") else { continue };
        let is_qualifier = |word: &str| {
            word.starts_with("pub") || word.starts_with("crate::") || ["async", "const"].contains(&word)
        };
        if !before.split_whitespace().all(is_qualifier) || line.ends_with([';', '}']) {
            continue;
        }
        let indent = " ".repeat(line.len() - line.trim_start().len());
        let (brace, parenthesis) = (format!("{indent}}}"), format!("{indent})"));
        let is_end =
            |line: &&str| line.starts_with(&brace) || line.starts_with(&parenthesis) && line.ends_with(';');
        let Some(after_first) = lines.iter().skip(at).position(is_end) else { continue };
        let name = after.split(|next: char| !next.is_alphanumeric() && next != '_').next();
        if after_first >= MOST_FUNCTION_LINES {
            found.push(format!(
                "line {}: {} has {} lines",
                at + 1,
                name.unwrap_or_default(),
                after_first + 1
            ));
        }
    }
    found
}

#[test]
fn no_function_of_the_program_is_long() {
    let function = |first: &str, body: usize| {
        format!(
            "impl Row {{\n    {first}(\n        &self,\n    ) {{\n{}    }}\n}}\n",
            "        // why\n\n".repeat(body / 2)
        )
    };
    assert_eq!(long_functions(&function("pub(in crate::run) async fn read", 56)), Vec::<String>::new());
    let found = long_functions(&function("pub(in crate::run) async fn read", 58));
    assert_eq!(found, ["line 2: read has 62 lines"]);
    let declared =
        format!("trait T {{\n    fn f(\n        &self,\n    );\n{}}}\n", "    // why\n".repeat(80));
    assert_eq!(long_functions(&declared), Vec::<String>::new());
    let files = sources("src").into_iter().filter(|(file, _)| !file.ends_with("/tests.rs"));
    let long: Vec<String> = files
        .flat_map(|(file, text)| {
            long_functions(&text).into_iter().map(move |found| format!("{file} {found}"))
        })
        .collect();
    assert!(long.is_empty(), "make two of each:\n{}", long.join("\n"));
}

/// Statements of SQL that look at the sessions or locks of a server, and do not say of which database or role.
fn of_every_database(source: &str) -> Vec<String> {
    let views = ["pg_stat_activity", "pg_locks"].into_iter();
    let places = views.flat_map(|view| source.match_indices(view));
    let statements = places.filter_map(|(at, _)| {
        let (before, after) = source.split_at(at);
        Some(&source[before.rfind('"')? + 1..at + after.find('"')?])
    });
    let is_of_every = |sql: &&str| {
        let narrowed = ["current_database()", "datname = ", "usename = "];
        sql.contains("from ") && !narrowed.iter().any(|words| sql.contains(words))
    };
    statements.filter(is_of_every).map(str::to_owned).collect()
}

#[test]
fn a_test_looks_only_at_sessions_and_locks_of_its_own_database() {
    for (source, found) in [
        (r#"let waits = "select count(*) from pg_locks where not granted";"#, 1),
        (
            r#"run("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'x'")"#,
            1,
        ),
        (r#"let a = "current_database()"; let b = "select 1 from pg_locks";"#, 1),
        (r#"let waits = "select count(*) from pg_stat_activity where datname = current_database()";"#, 0),
        (r#"block.contains("pg_locks")"#, 0),
    ] {
        assert_eq!(of_every_database(source).len(), found, "{source}");
    }
    // This file holds the words themselves. A cluster's server is shared too, and its tests name their roles and databases.
    let files = sources("tests/it").into_iter().filter(|(file, _)| file != "tests/it/architecture.rs");
    let found: Vec<String> = files
        .flat_map(|(file, text)| {
            of_every_database(&text).into_iter().map(move |sql| format!("{file}: {sql}"))
        })
        .collect();
    assert!(
        found.is_empty(),
        "other tests work on the same server: add `datname = current_database()`\n{}",
        found.join("\n")
    );
}

/// Statements that wait for the end of a process without a limit: one that hangs would hang all tests.
fn without_a_limit(source: &str) -> Vec<String> {
    let starts = ["Command::new(", "command(", "command_as(", "laptop(", "through_bash(", "helm("];
    let waits = |statement: &str| {
        let is_of_a_process = starts.iter().any(|start| statement.contains(start));
        let for_output = [".output()", ".wait_with_output()"].iter().any(|end| statement.contains(end));
        // Answers of servers have a status too.
        (for_output || statement.contains(".status()") && is_of_a_process) && !statement.contains("timeout(")
    };
    source
        .split(';')
        .filter(|statement| waits(statement))
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// The only tests that may wait without [`without_a_limit`] finding it, each with its reason.
const OTHER_LIMITS: &[(&str, &str)] = &[
    ("tests/it/support/process.rs", "gives each wait its limit"),
    ("tests/it/architecture.rs", "holds the words themselves"),
    ("tests/it/support/npm.rs", "fetches what the machine lacks, and shows how far it is"),
    ("tests/it/support/prometheus.rs", "builds what the machine lacks, and shows how far it is"),
];

#[test]
fn every_process_that_a_test_waits_for_has_a_limit() {
    for (source, found) in [
        ("let a = Command::new(env!(\"CARGO_BIN_EXE_rogo-migrate\")).arg(\"x\").output().unwrap();", 1),
        ("let mut a = Command::new(env!(\"CARGO_BIN_EXE_rogo-migrate\")); let b = a.output().unwrap();", 1),
        ("let b = app.command(&[]).status().await;", 1),
        ("let b = helm().args([\"uninstall\"]).status().unwrap();", 1),
        ("let b = Command::new(\"kubectl\").output().unwrap();", 1),
        ("let mut a = self.command(arguments).spawn(); let b = a.wait_with_output().unwrap();", 1),
        ("let a = Command::new(env!(\"CARGO_BIN_EXE_rogo-migrate\")); let b = process::blocking(a);", 0),
        ("let b = process::blocking(helm().args([\"uninstall\"]));", 0),
        ("let a = client.get(url).send().await.unwrap().status();", 0),
        ("let a = timeout(Duration::from_mins(2), watch.wait_with_output()).await;", 0),
    ] {
        assert_eq!(without_a_limit(source).len(), found, "{source}");
    }
    let files = sources("tests/it").into_iter();
    let files = files.filter(|(file, _)| OTHER_LIMITS.iter().all(|(other, _)| other != file));
    let found: Vec<String> = files
        .flat_map(|(file, text)| {
            without_a_limit(&text).into_iter().map(move |line| format!("{file}: {line}"))
        })
        .collect();
    assert!(found.is_empty(), "run it by process::output or process::blocking:\n{}", found.join("\n"));
}

/// Doc comments of one or two words, with their lines: they repeat the name. One that quotes a name of a column, a file
/// or an option says what that name stands for.
fn short_docs(source: &str) -> Vec<String> {
    let docs: Vec<Option<&str>> =
        source.lines().map(|line| line.trim_start().strip_prefix("///").map(str::trim)).collect();
    let is_doc = |at: Option<usize>| at.and_then(|at| docs.get(at)).is_some_and(Option::is_some);
    let is_short = |text: &str| {
        !text.is_empty() && text.split_whitespace().count() <= 2 && !text.contains(['`', '"', '['])
    };
    let alone = |at: usize| !is_doc(at.checked_sub(1)) && !is_doc(Some(at + 1));
    docs.iter()
        .enumerate()
        .filter_map(|(at, doc)| doc.filter(|text| is_short(text) && alone(at)).map(|text| (at, text)))
        .map(|(at, text)| format!("line {}: {text}", at + 1))
        .collect()
}

#[test]
fn no_doc_comment_only_repeats_a_name() {
    assert_eq!(short_docs("/// Its name.\npub name: String,\n"), ["line 1: Its name."]);
    for says_more in ["/// `assessments.id`.\n", "/// Time of writing (UTC).\n", "/// Its\n/// name.\n"] {
        assert_eq!(short_docs(says_more), Vec::<String>::new());
    }
    let found: Vec<String> = sources("src")
        .iter()
        .flat_map(|(file, text)| short_docs(text).into_iter().map(move |doc| format!("{file} {doc}")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Words that leave out who acts. Names and values in code may hold them, comments and documents may not.
const VAGUE: [&str; 4] = ["whoever", "nobody", "somebody", "signs of life"];

/// Lines that hold a vague word: of a document every line, of Rust each comment on a line of its own.
fn vague_lines(text: &str, is_rust: bool) -> Vec<String> {
    let is_prose = |line: &str| !is_rust || line.trim_start().starts_with("//");
    let vague = |line: &str| {
        let line = line.to_lowercase();
        VAGUE.into_iter().find(|word| line.contains(word))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_prose(line));
    lines.filter_map(|(at, line)| Some(format!("line {}: {}", at + 1, vague(line)?))).collect()
}

#[test]
fn comments_and_documents_name_who_acts() {
    assert_eq!(vague_lines("let nobody = 1;\n    /// Nobody waits.\n", true), ["line 2: nobody"]);
    assert_eq!(vague_lines("For whoever asks.\n", false), ["line 1: whoever"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];
    let mut files: Vec<_> = documents
        .map(|name| (name.to_owned(), fs::read_to_string(root.join(name)).expect("the document can be read")))
        .into();
    for folder in ["src", "docs", "deploy", "charts"] {
        files.extend(files_of(folder, "md"));
    }
    assert!(files.len() > 50, "the documents and the text of each code: {}", files.len());
    for folder in ["src", "tests", "benches"] {
        files.extend(sources(folder));
    }
    // This file holds the words themselves.
    files.retain(|(file, _)| file != "tests/it/architecture.rs");
    let found: Vec<String> = files
        .iter()
        .flat_map(|(file, text)| {
            let is_rust = Path::new(file).extension().is_some_and(|extension| extension == "rs");
            let lines = vague_lines(text, is_rust).into_iter();
            lines.map(move |line| format!("{file} {line}: name the person, the process or the service"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_breaks_the_house_is_found() {
    for (file, source, expected) in [
        ("src/domain/row.rs", "use crate::ports::Fault;", "domain must not import crate::ports::Fault"),
        ("src/domain/row.rs", "use super::super::exit;", "domain must not import crate::exit"),
        ("src/domain/row.rs", "use std::{fmt, fs::File};", "domain must not know std::fs::File"),
        ("src/domain/row.rs", "fn f() { chrono::Utc::now(); }", "domain must not know chrono::Utc::now"),
        ("src/rules.rs", "use tokio::sync::Mutex;", "rules must not know tokio::sync::Mutex"),
        ("src/rules/decide.rs", "async fn decide() {}", "rules must not know async"),
        ("src/rules/decide.rs", "use crate::{domain, report};", "rules must not import crate::report"),
        ("src/report.rs", "use crate::adapters;", "report must not import crate::adapters"),
        ("src/shard/copy.rs", "use crate::adapters::blobs;", "shard must not import crate::adapters::blobs"),
        ("src/plan.rs", "fn f() { crate::commands::run() }", "plan must not import crate::commands::run"),
        ("src/plan/pins.rs", "use crate::shard::Shard;", "plan must not import crate::shard::Shard"),
        ("src/shard/feed.rs", "use crate::{plan::Draft};", "shard must not import crate::plan::Draft"),
        ("src/finalize/books.rs", "use crate::watch::rerun;", "finalize must not import crate::watch::rerun"),
        ("src/watch/wait.rs", "use crate::finalize;", "watch must not import crate::finalize"),
        ("src/adapters/blobs.rs", "use crate::plan::Draft;", "adapters must not import crate::plan::Draft"),
        ("src/run/pins.rs", "use crate::report::grid;", "run must not import crate::report::grid"),
        ("src/predict/ask.rs", "use crate::plan::Draft;", "predict must not import crate::plan::Draft"),
        ("src/rules/decide.rs", "use crate::run::RunStore;", "rules must not import crate::run::RunStore"),
        ("src/ids.rs", "use crate::run::RunStore;", "ids must not import crate::run::RunStore"),
        ("src/ports/jobs.rs", "use crate::run::Epoch;", "ports must not import crate::run::Epoch"),
        (
            "src/adapters/blobs.rs",
            "use super::postgres::Pool;",
            "adapters must not import crate::adapters::postgres::Pool",
        ),
        (
            "src/adapters/blobs/azure.rs",
            "use crate::{adapters::{postgres::Reader}};",
            "adapters must not import crate::adapters::postgres::Reader",
        ),
        (
            "src/shard.rs",
            "fn f() { std::env::var(\"X\"); }",
            "only settings reads the environment: std::env::var",
        ),
        ("src/shard.rs", "use std::{env, fmt};", "only settings reads the environment: std::env"),
        ("src/commands/plan.rs", "fn f() { println!(\"x\") }", "only report prints: println!"),
        ("src/main.rs", "fn f() { std::io::stdout(); }", "only report prints: std::io::stdout"),
        (
            "src/rules.rs",
            "const Q: char = '\"'; use std::fs::read; // '\"'",
            "rules must not know std::fs::read",
        ),
        ("src/rules.rs", "const Q: &str = r\"\\\"; use std::fs::read;", "rules must not know std::fs::read"),
        (
            "src/shard/keep.rs",
            "async fn f() { tokio::time::sleep(PAUSE).await; }",
            "only ports::backoff sleeps: wait with Patience, every, due or overdue",
        ),
        (
            "src/shard/record.rs",
            "async fn f() { select! { () = sleep_until(at) => {} } }",
            "only ports::backoff sleeps: wait with Patience, every, due or overdue",
        ),
        (
            "src/report.rs",
            "fn f() { tokio::time::interval(FRAME); }",
            "only ports::backoff sleeps: wait with Patience, every, due or overdue",
        ),
        (
            "src/inputs/source.rs",
            "async fn f() { tokio::fs::metadata(path).await; }",
            "tokio::fs::metadata has no deadline: use ports::deadline",
        ),
        ("src/plan.rs", "use tokio::{fs, sync::Mutex};", "tokio::fs has no deadline: use ports::deadline"),
        (
            "src/run/lines.rs",
            "fn f() { tokio::task::spawn_blocking(work); }",
            "tokio::task::spawn_blocking has no deadline: use ports::deadline, or on_thread",
        ),
        (
            "src/verify/expect/files.rs",
            "use crate::domain::{AttemptId, text::trim};",
            "verify states what is blank and equal itself: crate::domain::text::trim",
        ),
        ("src/utils.rs", "", "utils has no place in the layers yet"),
    ] {
        let found = violations(file, source);
        assert_eq!(found, [format!("{file}: {expected}")], "{source}");
    }
}

#[test]
fn what_keeps_the_house_is_let_through() {
    for (file, source) in [
        (
            "src/domain/row.rs",
            "use super::AttemptId; use std::{fmt, str::FromStr}; use chrono::{DateTime, Utc};",
        ),
        (
            "src/domain/row.rs",
            "//! Not `use crate::ports`.\nconst T: &str = \"std::fs \\\" async println!\";",
        ),
        (
            "src/domain/row.rs",
            "const T: &str = r#\"a\" std::fs::read\"#; const C: [char; 2] = ['\"', '\\''];",
        ),
        ("src/domain/row.rs", "fn f<'a>(t: &'a str) -> &'a str { /* tokio::spawn */ t }"),
        ("src/rules/decide.rs", "use crate::domain::{Decision, Skip}; use crate::rules::files;"),
        ("src/rules/decide.rs", "#[cfg(test)] mod tests { use super::*; use std::fs; }"),
        ("src/adapters/blobs/azure.rs", "use super::account::Key; use crate::adapters::blobs::Folder;"),
        ("src/rules/blob_name.rs", "use crate::ids::WriterId;"),
        ("src/run/pins.rs", "use super::{RunStore, PlanId}; use crate::{ids::Epoch, settings::Settings};"),
        ("src/adapters.rs", "pub mod inputs; pub use self::inputs::Reader;"),
        ("src/settings/source.rs", "fn f() { std::env::vars_os(); }"),
        ("src/finalize/merge.rs", "fn f() { std::env::temp_dir(); }"),
        ("src/ports/backoff.rs", "async fn f() { sleep(PAUSE).await; }"),
        ("src/ports/task.rs", "use tokio::task::{JoinHandle, spawn_blocking};"),
        ("src/ports/deadline.rs", "fn f() { tokio::fs::File::from_std(file); }"),
        ("src/report.rs", "fn f() { std::io::stdout(); print!(\"\"); }"),
        ("src/commands/run.rs", "use crate::{adapters::{blobs, postgres}, settings::Settings};"),
    ] {
        assert_eq!(violations(file, source), Vec::<String>::new(), "{source}");
    }
}
