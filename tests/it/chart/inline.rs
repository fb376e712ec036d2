//! Commands that stand between backticks in deploy/RUNNING.md and in the texts of `explain`, and those for a cluster that the
//! program says to type: each is run by `live_documents` with real names, or the table says which test runs it. A new one has to
//! be entered here.

use std::{fs, path::Path};

use crate::support::documents::read;

/// How a command is typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Typed {
    /// By `live_documents`, as [`with_names`] completes it.
    Live,
    /// By another test: its file and name.
    By(&'static str, &'static str),
}

use Typed::{By, Live};

/// Of deploy/RUNNING.md, in its order.
pub const INLINE: &[(&str, Typed)] = &[
    ("kubectl create namespace $NS", Live),
    ("kubectl -n $NS patch localqueue QUEUE --type merge -p '{\"spec\":{\"stopPolicy\":\"Hold\"}}'", Live),
    (
        "helm upgrade $R $CHART -n $NS -f values.yaml --set shards.suspend=true --set generation=2 --set replaceRunning=true",
        Live,
    ),
    ("kubectl delete node NODE", Live),
    ("kubectl -n $NS delete pod POD --force", Live),
    (
        "psql \"$ADMIN_URL\" --set ON_ERROR_STOP=1 --file deploy/roles.sql",
        By("tests/it/postgres/roles.rs", "the_command_of_the_document_makes_the_roles"),
    ),
    ("kubectl -n $NS describe pod POD", Live),
];

/// Of the texts of `explain`: the code, and the command.
pub const EXPLAINED: &[(&str, &str, Typed)] = &[("cpu", "kubectl --namespace NAMESPACE top pod", Live)];

/// Of the program: the file, and the words of its source.
pub const SAID: &[(&str, &str, Typed)] = &[
    (
        "src/commands/await_plan.rs",
        "kubectl --namespace {namespace} logs -l \
         app.kubernetes.io/name=rogo-migrate,app.kubernetes.io/component=plan --tail=-1",
        Live,
    ),
    (
        "src/watch/rerun.rs",
        "helm upgrade {} {} --namespace {} --reset-then-reuse-values",
        By(
            "tests/it/chart/live.rs",
            "every_line_of_helm_that_the_program_makes_is_taken_by_helm_as_it_stands",
        ),
    ),
    ("src/watch/standing/judge/unplanned.rs", "kubectl --namespace {} logs job/{}", Live),
    (
        "src/watch/wait/warnings.rs",
        "kubectl --namespace {} delete pod {names} --grace-period=0 --force",
        Live,
    ),
    ("src/watch/wait/warnings.rs", "kubectl delete node {nodes}", Live),
    ("src/watch/wait/warnings.rs", "kubectl --namespace {} describe {kind} {name}", Live),
];

/// What `live_documents` types: variables of the shell in place of what a person fills in. What would delete is only tried.
pub fn with_names(command: &str) -> String {
    let mut line = command.to_owned();
    for (word, name) in [
        ("--namespace {}", "--namespace $NS"),
        ("{namespace}", "$NS"),
        (" NAMESPACE ", " $NS "),
        ("job/{}", "job/$JOB"),
        ("{kind} {name}", "pod $POD"),
        ("{names}", "$POD"),
        ("{nodes}", "$NODE"),
        (" QUEUE ", " $QUEUE "),
        ("node NODE", "node $NODE"),
        ("pod POD", "pod $POD"),
        // The test's own is there already.
        ("create namespace $NS", "create namespace $NS-new"),
    ] {
        line = line.replace(word, name);
    }
    let only_tried = [" delete ", "create namespace"].iter().any(|word| line.contains(word));
    if only_tried { format!("{line} --dry-run=server") } else { line }
}

/// A command of a document: a line of an `sh` block without its comment, or a span between backticks in another line.
#[derive(Debug, PartialEq)]
pub enum Found {
    Line(String),
    Span(String),
}

/// The commands of a Markdown document in their order. Of spans those of these programs that hold more than a program and its
/// verb, unless a block has the same line.
pub fn commands_in_order(document: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut block: Option<&str> = None;
    for line in document.lines().map(str::trim) {
        match (line.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language),
            (None, Some("sh")) => {
                let line = line.split(" # ").next().unwrap_or_default().trim();
                assert!(!line.ends_with('\\'), "a line of its own: {line}");
                found.extend((!line.is_empty()).then(|| Found::Line(line.to_owned())));
            }
            (None, Some(_)) => {}
            (None, None) => {
                let spans = line.split('`').skip(1).step_by(2);
                let is_command = |span: &&str| {
                    let program =
                        ["kubectl ", "helm ", "psql "].iter().any(|program| span.starts_with(program));
                    program && span.split_whitespace().count() > 2
                };
                found.extend(spans.filter(is_command).map(|span| Found::Span(span.to_owned())));
            }
        }
    }
    let lines: Vec<String> = found.iter().filter_map(Found::line).map(str::to_owned).collect();
    found.retain(|one| one.line().is_some() || !lines.iter().any(|line| line == one.text()));
    found
}

impl Found {
    fn line(&self) -> Option<&str> {
        match self {
            Self::Line(line) => Some(line),
            Self::Span(_) => None,
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Line(text) | Self::Span(text) => text,
        }
    }
}

/// The texts of a source, with a line that ends with a backslash joined to the next, that tell commands of these programs: each
/// from the program's name to the end of its line.
fn said_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in joined(source).lines().filter(|line| line.contains('"')) {
        for name in ["kubectl ", "helm "] {
            let at = line.match_indices(name).map(|(at, _)| at);
            let begins = |at: &usize| !line[..*at].ends_with(|before: char| before.is_alphanumeric());
            found.extend(at.filter(begins).filter_map(|at| line.get(at..).map(str::to_owned)));
        }
    }
    found
}

/// The lines of a source without its comments and its tests; one that ends with a backslash goes on in the next.
pub fn joined(source: &str) -> String {
    let program = source.split("\nmod tests").next().unwrap_or_default();
    let mut joined = String::new();
    for line in program.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        joined.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            joined.push('\n');
        }
    }
    joined
}

/// The Rust files below a folder.
pub fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("tests.rs")
        {
            let name = entry.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&entry).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn every_command_between_backticks_is_run_by_a_test() {
    let running = commands_in_order(&read("deploy/RUNNING.md"));
    let spans: Vec<&str> = running.iter().filter(|found| found.line().is_none()).map(Found::text).collect();
    let known: Vec<&str> = INLINE.iter().map(|(command, _)| *command).collect();
    assert_eq!(spans, known, "deploy/RUNNING.md beside the table");
    let document =
        "`helm upgrade` and `helm uninstall r` `kubectl get x y`\n```sh\nhelm uninstall r # all\n```\n";
    let expected = [Found::Span("kubectl get x y".into()), Found::Line("helm uninstall r".into())];
    assert_eq!(commands_in_order(document), expected);
}

#[test]
fn every_command_that_explain_prints_is_run_by_a_test() {
    let mut printed = Vec::new();
    for text in rogo_migrate::explain::TEXTS {
        let found = commands_in_order(text.markdown);
        printed.extend(found.iter().map(|found| (text.code, found.text().to_owned())));
    }
    let known: Vec<_> = EXPLAINED.iter().map(|(code, command, _)| (*code, (*command).to_owned())).collect();
    assert_eq!(printed, known, "what explain prints beside the table");
}

#[test]
fn every_command_for_a_cluster_that_the_program_says_is_run_by_a_test() {
    let mut said = Vec::new();
    for (file, source) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for text in said_in(&source) {
            let known = SAID.iter().find(|(of, words, _)| *of == file && text.starts_with(words));
            said.push(known.unwrap_or_else(|| panic!("{file} tells a command that no test runs: {text}")).1);
        }
    }
    let known: Vec<&str> = SAID.iter().map(|(_, words, _)| *words).collect();
    assert_eq!(said, known);
    let source = "// kubectl a\nlet a = \"see kubectl \\\n    --namespace n\";\nmod tests { \"helm b\" }";
    assert_eq!(said_in(source), ["kubectl --namespace n\";"]);
    let all = INLINE.iter().map(|(_, typed)| typed).chain(SAID.iter().map(|(_, _, typed)| typed));
    for typed in all.chain(EXPLAINED.iter().map(|(_, _, typed)| typed)) {
        if let By(file, test) = typed {
            assert!(read(file).contains(&format!("fn {test}(")), "no test {test} in {file}");
        }
    }
}
