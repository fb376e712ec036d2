//! What Helm says after an installation: the lines to watch, change and repeat it by.

use super::rendered::notes;

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
    assert!(notes("enabled=false").starts_with("Nothing is installed"));
}
