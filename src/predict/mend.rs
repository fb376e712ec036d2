//! What to mend before the run, the worst first.

use crate::{
    domain::FailCode,
    run::{Check, CheckResult, Counted, PredictedSource, Prediction, ToMend},
};

/// Checks that fail, then what a short export would lose, then rows that are going to fail, then what only warns.
pub fn to_mend(prediction: &Prediction) -> Vec<ToMend> {
    let mut found: Vec<ToMend> = of_checks(&prediction.checks, CheckResult::Fail).collect();
    found.extend(not_in_input(prediction));
    let mut failed: Vec<(&FailCode, &Counted)> = prediction.outcomes.failed.iter().collect();
    failed.sort_by_key(|(_, counted)| std::cmp::Reverse(counted.rows));
    found.extend(failed.into_iter().map(|(code, counted)| ToMend {
        what: code.code().into(),
        says: match counted.rows {
            1 => "1 row is going to fail".to_owned(),
            rows => format!("{rows} rows are going to fail"),
        },
        remedy: code.advice().into(),
        rows: counted.rows,
        examples: counted.examples.clone(),
    }));
    found.extend(of_checks(&prediction.checks, CheckResult::Warn));
    found
}

fn of_checks(checks: &[Check], result: CheckResult) -> impl Iterator<Item = ToMend> {
    checks.iter().filter(move |check| check.result == result).map(|check| ToMend {
        what: check.check.clone(),
        says: check.says.clone(),
        remedy: check.remedy.clone(),
        rows: 0,
        examples: Vec::new(),
    })
}

fn not_in_input(prediction: &Prediction) -> Option<ToMend> {
    let missing = &prediction.not_in_input;
    let absent = missing.mapping_attempts;
    (absent > 0).then(|| ToMend {
        what: "not_in_input".into(),
        says: format!(
            "{absent} of {} attempts of the mapping in the chosen unit versions are named by no row of \
             submission_files.csv{}",
            missing.mapping_attempts_chosen,
            missing
                .mapping_attempts_with_report
                .map(|reported| format!(" ({reported} of them have a report in the warehouse)"))
                .unwrap_or_default()
        ),
        remedy: "export submission_files.csv again if it is short; not_in_input.csv names them".into(),
        rows: absent,
        examples: missing.examples.clone(),
    })
}

/// A check for each container of source files.
pub fn of_sources(sources: &[PredictedSource]) -> Vec<Check> {
    sources.iter().map(of_source).collect()
}

fn of_source(source: &PredictedSource) -> Check {
    let PredictedSource { container, files, way, .. } = source;
    let says = format!("{container}: {files} files, {way}");
    if source.not_named.is_some() {
        return super::checks::pass("source_container", &says);
    }
    Check {
        check: "source_container".into(),
        result: CheckResult::Warn,
        says,
        remedy: match files {
            0 => "grant the source's identity the right to list the container, or look in it by hand for blobs that no row names",
            _ => "grant the source's identity the right to list the container, so that every file is looked at",
        }
        .into(),
    }
}
