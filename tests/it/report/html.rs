//! Promises of the report as bytes.

use rogo_migrate::run::{RunResult, Summary};

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

#[test]
fn each_failed_code_has_its_advice_and_the_commands_that_help() {
    let made = Made::new(Went::WithFailures, 3_000, 4);
    let page = made.page();
    for code in made.summary.books.failed.keys() {
        assert!(page.contains(&format!("rogo-migrate explain {code}")), "{code}");
        assert!(page.contains(&format!("--code {code} ")), "{code}");
    }
    assert!(page.contains("source_not_frozen"), "the warning");
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
