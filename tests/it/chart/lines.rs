//! The lines of Helm that the program says to type. The table holds one for each place in the sources that makes such a line; each is
//! rendered here, and typed by `live` beside a release of a cluster.

use std::{path::Path, process::Command};

use chrono::DateTime;
use rogo_migrate::{
    domain::ShardIndex,
    run::RunName,
    settings::HelmRelease,
    watch::rerun::{Rerun, Whereabouts, more_disk, release_with},
};

use super::{
    inline::{joined, sources},
    rendered::{KUBERNETES, chart, helm},
};
use crate::support::process;

/// The file, the words of its source, and the line.
type Made = (&'static str, &'static str, fn(&HelmRelease) -> String);

/// Of the program, in the order of its sources.
const MADE: &[Made] = &[
    (
        "src/commands/await_plan.rs",
        r#"release_with(release, &["generation='<the next number>'", "replaceRunning=true"]);"#,
        |release| release_with(release, &["generation='<the next number>'", "replaceRunning=true"]),
    ),
    ("src/commands/finalize/next.rs", "{failed} --set {}shards.redo=", |release| {
        format!("{} --set {}shards.redo=", failed_rows(release), release.values_prefix)
    }),
    ("src/commands/finalize/next.rs", r#"release_with(release, &["verify.enabled=true"]);"#, |release| {
        release_with(release, &["verify.enabled=true"])
    }),
    (
        "src/commands/finalize/next.rs",
        r#"release_with(release, &["verify.enabled=true", "verify.again='<another number>'"]);"#,
        |release| release_with(release, &["verify.enabled=true", "verify.again='<another number>'"]),
    ),
    ("src/watch/rerun.rs", r#"upgrade(release, shards, ""),"#, |release| {
        rerun(release).command(&RunName::default(), &[ShardIndex(1)])
    }),
    ("src/watch/rerun.rs", r#"upgrade(release, &[ShardIndex(0)], ""),"#, |release| {
        rerun(release).finalize(&RunName::default())
    }),
    ("src/watch/rerun.rs", r#"release_with(release, &["run='<another name>'"]) + &input"#, failed_rows),
    ("src/watch/rerun.rs", "upgrade(release, shards, &redo_values(release)),", |release| {
        rerun(release).redo(&RunName::default(), &[ShardIndex(0), ShardIndex(1)])
    }),
    ("src/watch/rerun.rs", "upgrade(release, shards, &(redo_values(release) + &number))", |release| {
        let result_at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        rerun(release).redo_after(result_at, &RunName::default(), &[ShardIndex(1)])
    }),
    ("src/watch/rerun.rs", "release_with(release, &[]), &release.values_prefix);", |release| {
        release_with(release, &[])
    }),
    (
        "src/watch/rerun.rs",
        r#"release_with(release, &["shards.resources.ephemeralStorage='<more>'", "replaceRunning=true"])"#,
        more_disk,
    ),
    (
        "src/watch/standing/judge/under_way.rs",
        r#"release_with(&release, &["shards.suspend=false"])),"#,
        |release| release_with(release, &["shards.suspend=false"]),
    ),
];

fn rerun(release: &HelmRelease) -> Rerun {
    Rerun::of(Some(release), &Whereabouts::default(), "")
}

fn failed_rows(release: &HelmRelease) -> String {
    rerun(release).failed_rows("az://runs/store/rogo/results/submissions_failed_migration.csv")
}

/// The lines for release `r` in this namespace, with what a person fills in.
pub fn typed(namespace: &str) -> Vec<String> {
    let chart = chart().display().to_string();
    let release =
        HelmRelease { name: "r".into(), namespace: namespace.into(), chart, values_prefix: String::new() };
    let filled = |line: String| {
        let line =
            [("the next number", "2"), ("another number", "2"), ("another name", "second"), ("more", "4Gi")]
                .iter()
                .fold(line, |line, (words, value)| line.replace(&format!("'<{words}>'"), value));
        line.replace("<why>", "a failover")
    };
    let lines: Vec<String> = MADE.iter().map(|(_, _, line)| filled(line(&release))).collect();
    for line in &lines {
        assert!(!line.contains('<'), "a word that is not filled in: {line}");
    }
    lines
}

#[test]
fn every_line_of_helm_that_the_program_makes_is_in_the_table() {
    let mut made = Vec::new();
    for (file, source) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for line in joined(&source).lines().map(|line| format!(" {line}")) {
            let makes = ["release_with(", " upgrade(", "{failed} --set "].map(|words| line.find(words));
            let Some(at) = makes.into_iter().flatten().min() else { continue };
            if !line.contains("fn ") {
                made.push((file.clone(), line[at..].trim_start().to_owned()));
            }
        }
    }
    for (file, text) in &made {
        let is_known = MADE.iter().any(|(of, words, _)| of == file && text.starts_with(words));
        assert!(is_known, "{file} makes a line that no test types: {text}");
    }
    let known: Vec<&str> = MADE.iter().map(|(file, _, _)| *file).collect();
    let files: Vec<&str> = made.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, known);
}

/// As it is typed, but for a release that no cluster has.
#[test]
fn every_line_of_helm_that_the_program_makes_renders() {
    let values = chart().join("ci/minimal-values.yaml").display().to_string();
    let program = helm().get_program().to_str().unwrap().to_owned();
    for line in typed("ns") {
        let template = line.replacen("helm upgrade", &format!("'{program}' template"), 1).replacen(
            "--reset-then-reuse-values",
            &format!("--values '{values}' --kube-version {KUBERNETES}"),
            1,
        );
        let output = process::blocking(Command::new("sh").args(["-c", &template]));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
