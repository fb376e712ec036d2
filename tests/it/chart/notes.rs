//! What Helm says after an installation: the lines to watch, change and repeat it by.

use super::rendered::notes;

const TAKEN_BACK: &str = "--reset-then-reuse-values --set replaceRunning=false --set";

#[test]
fn each_line_that_reuses_values_takes_back_the_leave_to_delete_what_runs() {
    let lines = |set: &str, of: &str| notes(set).lines().filter(|line| line.contains(of)).count();
    assert_eq!(lines("", "--reset-then-reuse-values --set"), 4);
    assert_eq!(lines("", "replaceRunning"), 0);
    assert_eq!(lines("replaceRunning=true", TAKEN_BACK), 4);
    assert_eq!(lines("replaceRunning=true", "replaceRunning is true"), 1);
}
