//! A target whose role or database has other defaults than PostgreSQL itself: a statement and its answer mean the same.

use std::fmt::Write as _;

use crate::support::app::{Sample, TestApp, assert_same};

/// Each as unlike what PostgreSQL comes with as it can be, of all that an ordinary user may set and that changes how a
/// statement, its values or its answer is read, or whether its session goes on.
const ODD: [(&str, &str); 25] = [
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("escape_string_warning", "on"),
    ("quote_all_identifiers", "on"),
    ("transform_null_equals", "on"),
    ("array_nulls", "off"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("DateStyle", "'SQL, DMY'"),
    ("IntervalStyle", "sql_standard"),
    ("TimeZone", "'Asia/Kathmandu'"),
    ("xmloption", "document"),
    ("xmlbinary", "hex"),
    ("exit_on_error", "on"),
    ("client_min_messages", "debug5"),
    ("check_function_bodies", "off"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("synchronous_commit", "off"),
    ("statement_timeout", "50"),
    ("lock_timeout", "1"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

#[tokio::test]
async fn a_target_with_odd_defaults_gets_the_rows_of_one_that_has_none() {
    let sample = Sample::new(120, 1_615).await;
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);

    let app = TestApp::new(&sample).await;
    let (name, mut set) = (app.database.name().to_owned(), String::new());
    for (setting, value) in ODD {
        let _ = writeln!(set, "alter database {name} set {setting} = {value};");
    }
    app.database.run(&set).await;
    app.run(&["run"]).await.expect(0);
    app.run_as(&app.database.verifiers_url(), &["verify"]).await.expect(0);
    app.database.run(&format!("alter database {name} reset all")).await;
    assert_same(&app.everything().await, &undisturbed.everything().await);

    app.database.run(&set).await;
    app.run_as(&app.database.removers_url(), &["rollback", "--yes", "--reason", "a test"]).await.expect(0);
    app.database.run(&format!("alter database {name} reset all")).await;
    let remover = undisturbed.database.removers_url();
    undisturbed.run_as(&remover, &["rollback", "--yes", "--reason", "a test"]).await.expect(0);
    // Those that stood before the run stay.
    let left = "select count(*) from lti_launch_sessions where launch_id like 'rogo_%'";
    assert_eq!(app.database.number(left).await, undisturbed.database.number(left).await);
}
