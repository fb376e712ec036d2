//! A kubeconfig whose login program waits for a person: a command by hand only wants to warn of Jobs, and goes on.

use std::fs;

use serde_json::json;

use super::plain_sample;
use crate::support::app::TestApp;

/// As long as the program that began it lives.
const WAITS: &str = "exec 2> /dev/null; while kill -0 $PPID; do sleep 0.2; done";

#[tokio::test]
async fn a_login_program_that_waits_for_a_person_holds_no_command_that_moves_rows() {
    let sample = plain_sample(4).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let login = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", WAITS],
        "interactiveMode": "IfAvailable",
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": login}}],
    });
    let path = app.out.path().join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    app.set("KUBECONFIG", path.display().to_string());
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.migrated().len(), 4);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
}
