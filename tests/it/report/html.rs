//! Promises of the report as bytes.

use std::iter::repeat_n;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::TimeDelta;
use flate2::read::GzDecoder;
use rogo_migrate::{
    report::grid::count,
    run::{Difference, RunResult, Summary},
};
use serde_json::Value;

use super::pages::{Made, PLANTED, Went};

/// `report.html` may be so long, however long the run was.
const MOST_BYTES: usize = 400_000;
/// What a page holds is bounded, but for the shards: `benches/run.sh --report` demands the same of 3,000,000 rows.
#[test]
fn the_report_of_a_thousand_shards_is_at_most_400_kb_and_what_it_holds_is_bounded() {
    let made = Made::new(Went::WithFailures, 200_000, 1_000);
    let page = made.page();
    let slices = made.course.slices.len();
    assert!(page.len() <= MOST_BYTES, "{} bytes", page.len());
    assert!((100..=600).contains(&slices), "{slices}");
    assert_eq!((made.course.slowest.len(), made.course.shards.len()), (100, 1_000));
    assert!(made.course.examples.values().all(|rows| rows.len() <= 20));
}

#[test]
fn the_same_documents_make_the_same_bytes_also_once_they_were_stored() {
    let made = Made::new(Went::WithFailures, 3_000, 4);
    let again = Made {
        course: serde_json::from_slice(&serde_json::to_vec(&made.course).unwrap()).unwrap(),
        summary: serde_json::from_slice::<Summary>(&serde_json::to_vec(&made.summary).unwrap()).unwrap(),
        ..Made::new(Went::WithFailures, 3_000, 4)
    };
    assert_eq!(made.page(), again.page());
}

#[test]
fn nothing_personal_is_on_the_page_or_in_what_it_is_made_of() {
    for went in [Went::Well, Went::WithFailures, Went::Incomplete] {
        let made = Made::new(went, 3_000, 4);
        let texts = [made.page(), serde_json::to_string(&made.course).unwrap()];
        for (text, word) in texts.iter().flat_map(|text| PLANTED.map(|word| (text, word))) {
            let found = text.lines().find(|line| line.contains(word));
            assert!(found.is_none(), "{word}: {:.300}", found.unwrap_or_default());
        }
    }
}

#[test]
fn the_top_says_the_verdict_why_and_books_that_add_up() {
    let made = Made::new(Went::Incomplete, 12_000, 24);
    let summary = &made.summary;
    assert_eq!(summary.result, RunResult::Incomplete);
    let page = made.page();
    let top = page.split_once("</header>").unwrap().0;
    assert!(top.contains("INCOMPLETE"), "{top}");
    let [missing, lost] = [summary.missing.rows, summary.lost.rows];
    assert!(missing > 0 && lost > 0);
    assert!(top.contains(&format!("{missing} rows have no outcome, in shard(s) 3,10,17")), "{top}");
    assert_eq!(summary.books.rows() + missing + lost, summary.rows);
    assert!(top.contains("12,000 rows = "), "{top}");
    assert!(top.contains(&format!(" + {missing} missing + {lost} lost")), "{top}");
    assert!(top.contains(&summary.receipts.as_ref().unwrap().root.to_string()), "{top}");
    assert!(top.contains("Not verified"), "{top}");

    let good = Made::new(Went::Well, 1_000, 2).page();
    let top = good.split_once("</header>").unwrap().0;
    assert!(top.contains("COMPLETE") && !top.contains("INCOMPLETE"), "{top}");
    assert!(
        top.contains("VERIFIED at level rows: 1000 rows")
            || top.contains("VERIFIED at level rows: 1,000 rows"),
        "{top}"
    );
}

/// How old a verification is: when it was made, and whether the results that it compared are still those of the page.
#[test]
fn the_top_says_when_it_was_verified_and_whether_a_row_was_moved_since() {
    let mut made = Made::new(Went::Well, 1_000, 2);
    let at = TimeDelta::days(40) + TimeDelta::minutes(7);
    let verification = made.verification.as_mut().unwrap();
    verification.at = verification.began_at + at;
    let says = format!("nothing differs ({} UTC).", verification.at.format("%Y-%m-%d %H:%M:%S"));
    let began_at = verification.began_at;
    let top = |made: &Made| made.page().split_once("</header>").unwrap().0.to_owned();
    made.summary.newest_outcome_at = Some(began_at - TimeDelta::seconds(1));
    let fresh = top(&made);
    assert!(fresh.contains(&says) && fresh.contains("class=\"good\""), "{fresh}");
    assert!(!fresh.contains("before the results last changed"), "{fresh}");
    // A row that was moved while verify compared, though the counts are the same.
    made.summary.newest_outcome_at = Some(began_at);
    let outdated = top(&made);
    let before = "Verified before the results last changed, or only in part: VERIFIED at level rows";
    assert!(outdated.contains(before) && outdated.contains(&says), "{outdated}");
    assert!(!outdated.contains("class=\"good\""), "{outdated}");
}

#[test]
fn each_failed_code_has_its_advice_and_the_commands_that_help() {
    let made = Made::new(Went::WithFailures, 3_000, 4);
    let page = made.page();
    for code in made.summary.books.failed.keys() {
        assert!(page.contains(&format!("rogo-migrate explain {code}")), "{code}");
        assert!(page.contains(&format!("<span>--code {code}</span>")), "{code}");
    }
    assert!(page.contains("source_not_frozen"), "the warning");
}

/// The page of a finalizer that was killed in its sweep stays as it was.
#[test]
fn a_page_that_was_made_during_the_sweep_says_so_and_how_to_see_whether_it_goes_on() {
    let mut made = Made::new(Went::Well, 1_000, 2);
    let words = "The finalizer was removing blobs that killed processes left when this page was made.";
    assert!(!made.page().contains(words));
    made.summary.sweeping = true;
    let page = made.page();
    let (_, step) = page.split_once(words).expect("a step says so");
    let step = step.split("<p>").next().unwrap();
    assert!(step.contains("rogo-migrate status"), "{step}");
}

#[test]
fn nothing_is_asked_from_elsewhere() {
    let page = Made::new(Went::WithFailures, 3_000, 4).page();
    for part in ["src=\"", "@import", "url(", "fetch(", "XMLHttpRequest", "<iframe", "<object"] {
        assert!(!page.contains(part), "{part}");
    }
    assert_eq!(page.matches("href=\"").count(), page.matches("href=\"#").count() + 1, "the empty icon");
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn percentiles_of_each_stage_are_those_of_its_rows() {
    let made = Made::new(Went::WithFailures, 3_000, 4);
    let page = made.page();
    for stage in made.course.stages.iter().filter(|stage| !stage.counts.is_empty()) {
        let mut sorted: Vec<u64> = stage
            .counts
            .iter()
            .flat_map(|(ms, rows)| repeat_n(*ms, usize::try_from(*rows).unwrap()))
            .collect();
        sorted.sort_unstable();
        assert!(stage.longest_ms < 2_048, "so long are durations exact to the millisecond");
        let at =
            |permille: usize| sorted[(sorted.len() * permille).div_ceil(1_000) - 1].min(stage.longest_ms);
        let mut cells = vec![sorted.len() as u64];
        cells.extend([500, 900, 950, 990, 999, 1_000].map(at));
        let cells: Vec<String> = cells.into_iter().map(count).collect();
        let cells = format!("<td class=\"n\">{}", cells.join("<td class=\"n\">"));
        assert!(page.contains(&cells), "{}: {cells}", stage.stage);
    }
    assert!(page.contains("99.9 %"));
}

#[test]
fn a_late_run_is_no_number_that_differs_and_its_duration_is_told_in_words() {
    let says = |counts: usize, is_late: bool| {
        let mut made = Made::new(Went::WithFailures, 3_000, 4);
        let compared = made.summary.prediction.as_mut().unwrap();
        compared.differences.truncate(counts);
        compared.same = counts == 0;
        if is_late {
            let why = "off by more than 20 %".to_owned();
            compared.differences.push(Difference {
                what: "duration_ms".into(),
                predicted: 7,
                outcome: 9,
                why,
            });
        }
        let page = made.page();
        assert!(!page.contains("duration_ms"), "it is told in words");
        let (_, from) = page.split_once(">Prediction against outcome</h2>").unwrap();
        let (said, rest) = from.split_once("</p>").unwrap();
        let rows = rest.split("</section>").next().unwrap().matches("<tr><th scope=\"row\">").count();
        assert_eq!(rows, counts, "{rest:.400}");
        assert_eq!(said.contains("off by more than 20 %"), is_late, "{said}");
        said.trim_start_matches("\n<p>").split(". ").next().unwrap().to_owned()
    };
    for is_late in [false, true] {
        assert_eq!(says(0, is_late), "Outcomes, files and bytes are those predicted");
        assert_eq!(says(1, is_late), "One number differs from the prediction");
        assert_eq!(says(2, is_late), "2 numbers differ from the prediction");
    }
}

#[test]
fn every_part_of_the_report_is_on_the_page_and_a_table_stands_behind_each_picture() {
    let made = Made::new(Went::WithFailures, 3_000, 4);
    let page = made.page();
    for part in [
        ">What to do next</h2>",
        ">Rows and bytes over time</h2>",
        "class=\"slowed\"",
        ">Why processes waited (",
        ">Time per stage</h2>",
        ">Shards and workers</h2>",
        ">The 100 slowest rows</summary>",
        ">Notes on migrated rows</h2>",
        ">Prediction against outcome</h2>",
        "2 numbers differ from the prediction. It took ",
        ">Settings that change outcomes, pinned by the plan</caption>",
        "<th scope=\"row\">consumer-key<td>set (hidden)",
        "<th scope=\"row\">DATABASE_URL<td>set\n",
        ">Versions</caption>",
        ">Digests of inputs and results</caption>",
        "submissions_failed_migration.csv<td>SHA-256 abab",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(Made::new(Went::Incomplete, 12_000, 24).page().contains("class=\"wai\""), "waits are shown too");
    for (place, figure) in page.split("<figure").enumerate().skip(1) {
        // Rows and bytes share one table.
        let below = if figure.starts_with(" id=\"f-rows\"") {
            page.split("<figure").nth(place + 1).unwrap()
        } else {
            figure
        };
        let (_, below) = below.split_once("</figure>").unwrap();
        assert!(below.contains("<table"), "no table behind the picture: {figure:.300}");
    }
    let data = page.split_once("id=\"data\">").unwrap().1.split_once('<').unwrap().0;
    let packed = BASE64_STANDARD.decode(data.trim()).unwrap();
    let data: Value = serde_json::from_reader(GzDecoder::new(&packed[..])).unwrap();
    assert!(data.to_string().len() > packed.len(), "{data}");
}
