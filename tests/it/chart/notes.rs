//! What Helm says after an installation: the lines to watch, change and repeat it by.

use super::rendered::notes;
use crate::support::documents::{commands, read};

const TAKEN_BACK: &str = "--reset-then-reuse-values --set replaceRunning=false --set";

#[test]
fn each_line_that_reuses_values_takes_back_the_leave_to_delete_what_runs() {
    let lines = |set: &str, of: &str| notes(set).lines().filter(|line| line.contains(of)).count();
    assert_eq!(lines("", "--reset-then-reuse-values --set"), 6);
    assert_eq!(lines("", "replaceRunning"), 0);
    assert_eq!(lines("replaceRunning=true", TAKEN_BACK), 6);
    assert_eq!(lines("replaceRunning=true", "replaceRunning is true"), 1);
}

#[test]
fn lines_name_the_values_by_their_place_and_never_advise_what_undoes_a_run() {
    let text = notes("valuesPrefix=mover.");
    for value in ["shards.parallelism=1", "shards.suspend=true", "shards.only=3,7-9", "generation=2"] {
        assert!(text.contains(&format!(" mover.{value}\n")), "{text}");
    }
    for set in ["", "shards.suspend=true"] {
        let text = notes(set);
        for line in text.lines().filter(|line| line.contains("helm ") || line.contains("kubectl ")) {
            assert!(
                !line.contains("--atomic") && !line.contains("--rollback") && !line.contains("--wait"),
                "{line}"
            );
        }
        assert_eq!(text.contains("The shards are paused"), !set.is_empty());
    }
    let queued = notes("shards.queueName=q shards.suspend=true");
    assert!(queued.contains("The shards are not paused") && !queued.contains("shards.suspend="), "{queued}");
    assert!(
        queued.contains("patch localqueue q --type merge -p '{\"spec\":{\"stopPolicy\":\"HoldAndDrain\"}}'"),
        "{queued}"
    );
    assert!(notes("enabled=false").starts_with("Nothing is installed"));
}

/// kubectl counts all pods that a label selects, those that have ended too, and refuses to follow more than `--max-log-requests`
/// (5): from the sixth pod of a Job on, the line would follow nothing. Evictions make any number of pods. xargs follows all of them
/// at once with `-P 0` only: with a number it would leave the pods beyond it for the time when the first ones have ended.
#[test]
fn a_line_that_follows_pods_names_those_that_run_whatever_their_number() {
    let mut lines = commands("deploy/RUNNING.md", None);
    for set in ["", "shards.only=3", "verify.enabled=true"] {
        lines.extend(notes(set).lines().map(str::to_owned));
    }
    let all = [read("README.md"), read("charts/rogo-migrate/README.md")].concat();
    lines.extend(all.lines().map(str::to_owned));
    let follows = |line: &&String| line.contains(" logs -f ");
    let lines: Vec<_> = lines.iter().filter(follows).collect();
    let by_job = |line: &&&String| line.contains(" logs -f job/");
    assert!(lines.len() >= 8 && lines.iter().filter(by_job).count() == 3, "{lines:#?}");
    // Finalizers are few: one, and one more for each try of it.
    let of_finalizer =
        |line: &String| line.contains("component=finalize") && line.ends_with("--max-log-requests=50");
    for line in lines.iter().filter(|line| !by_job(line) && !of_finalizer(line)) {
        let (select, follow) = line.split_once(" | xargs -P 0 -I{} ").unwrap_or_else(|| panic!("{line}"));
        assert!(select.contains(" --field-selector status.phase=Running -o name"), "{line}");
        assert!(follow.ends_with(" {}") && !follow.contains(" -l "), "{line}");
    }
}
