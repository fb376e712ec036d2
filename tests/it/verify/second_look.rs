//! The second look at what differs, where something that it needs went away after the first one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::{
    blobs::{Folder, files},
    by_attempt, check,
    corruptions::in_folders,
    small, verification, verify,
};
use crate::support::{
    app::Sample,
    blob_service::{BlobService, Habit, app_in, sample_in},
    process,
    proxy::Proxy,
};

#[tokio::test]
async fn a_difference_that_cannot_be_looked_at_again_stands_as_it_was_first_seen() {
    let sample = Sample::in_folder(8, 81, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let (folder, files) = (Folder::of(&app), files(&app).await);
    folder.properties(&files[0], |own| own["content_encoding"] = "gzip".into());
    folder.rewrite(&files[1], |bytes| bytes[0] ^= 1);
    folder.rewrite(&files[2], |bytes| bytes.push(b'x'));
    let verify = ["verify", "--level", "content", "--recheck", "5s"];
    let mut verifying = app.command_as(&app.database.verifiers_url(), &verify).spawn().unwrap();
    process::said(&mut verifying, "differences are looked at again").await;
    // The sources are retired meanwhile, and a blob is lost that differed already.
    fs::rename(sample.path("files"), sample.path("gone")).unwrap();
    fs::remove_file(folder.path(&files[2])).unwrap();
    process::ended(&mut verifying).await.expect(1);
    let expected: BTreeMap<String, BTreeSet<String>> = [
        (&files[0], &["blob_content_encoding"][..]),
        (&files[1], &["content_receipt", "content_source"]),
        (&files[2], &["blob_length", "content_receipt", "content_source"]),
    ]
    .map(|(file, checks)| (file.attempt.clone(), checks.iter().map(ToString::to_string).collect()))
    .into();
    assert_eq!(by_attempt(&app), expected);
    let csv = app.result("verification_failures.csv");
    let of = |attempt: &str, check: &str, why: &str| {
        let begins = format!("{attempt},{check},");
        csv.lines().any(|line| line.starts_with(&begins) && line.contains(why))
    };
    let [not_possible, gone] =
        ["because the check was not possible then: the source", "was not there any more"];
    let seen = csv.lines().filter(|line| line.contains("; seen for "));
    let mut again = seen.filter(|line| line.contains("could not be looked at again because")).peekable();
    assert!(again.peek().is_some());
    let now = chrono::Utc::now();
    let days = [now, now - chrono::TimeDelta::minutes(10)].map(|at| at.format("seen at %F %H:").to_string());
    again.for_each(|line| assert!(days.iter().any(|day| line.contains(day)), "{line}"));
    assert!(of(&files[0].attempt, "blob_content_encoding", not_possible), "{csv}");
    assert!(of(&files[1].attempt, "content_source", not_possible), "{csv}");
    assert!(of(&files[2].attempt, "blob_length", gone), "{csv}");
    let result = verification(&app);
    for name in ["blob_content_encoding", "content_source"] {
        let line = check(&result, name);
        assert!(line["not_possible"].as_str().is_some_and(|why| why.contains("source")), "{line}");
    }
    assert_eq!(result["passed"], 0);
}

#[tokio::test]
async fn a_source_that_may_be_read_and_not_listed_is_looked_at_and_one_that_is_away_is_waited_for() {
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, 12, 82, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    service.refuse_listing("source", (403, "AuthorizationPermissionMismatch"));
    for (level, verdict) in [("blobs", "VERIFIED at level blobs"), ("content", "VERIFIED TO THE BYTE")] {
        let ended = verify(&app, &["--level", level]).await.expect(0);
        assert!(ended.stdout.starts_with(verdict), "{}", ended.stdout);
        for name in ["source_files_unchanged", "blob_content_encoding"] {
            assert_eq!(check(&verification(&app), name)["not_possible"], Value::Null, "{name}");
        }
    }
    // What may pass is no reason for a check that is not possible.
    service.refuse_listing("source", (503, "ServerBusy"));
    for level in ["blobs", "content"] {
        let ended = verify(&app, &["--level", level]).await.expect(75);
        assert!(ended.stderr.contains("could not be listed"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_source_account_that_is_gone_leaves_all_that_needs_no_source() {
    let service = BlobService::start(&[Habit::Copies]).await;
    let endpoint: url::Url = service.endpoint().parse().unwrap();
    let account = Proxy::start(endpoint.socket_addrs(|| None).unwrap()[0]).await;
    let through = |text: &str| text.replace(endpoint.authority(), &account.address().to_string());
    let source = through(&format!("{endpoint}/source"));
    let sample = sample_in(&service, 12, 84, |options| {
        small(options);
        options.source_url = Some(source.parse().unwrap());
    })
    .await;
    let mut app = app_in(&service, &sample).await;
    app.set("ROGO_SOURCE_ALLOW", source.clone());
    app.set("SOURCE_STORAGE_CONNECTION_STRING", through(&service.connection_string()));
    app.run(&["run"]).await.expect(0);
    account.refuse(true);
    verify(&app, &["--level", "blobs"]).await.expect(69);
    let result = verification(&app);
    for name in ["source_files_unchanged", "blob_content_encoding"] {
        let line = check(&result, name);
        assert!(
            line["not_possible"].as_str().is_some_and(|why| why.contains("could not be listed")),
            "{line}"
        );
    }
    for name in ["blob_present", "blob_length", "receipt_unchanged"] {
        assert_eq!(check(&result, name)["not_possible"], Value::Null, "{name}");
    }

    // The bytes in the target are read all the same.
    let ended = verify(&app, &["--level", "content"]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level content"), "{}", ended.stdout);
    let result = verification(&app);
    let (line, files) = (check(&result, "content_source"), &result["files"]);
    assert!(line["not_possible"].as_str().is_some_and(|why| why.contains("gave no answer")), "{line}");
    assert_eq!((&line["compared"], &line["rows_not_possible"]), (&json!(0), &files["named"]), "{line}");
    assert_eq!(files["content"]["read"], files["named"]);
    for name in ["content_receipt", "blob_present", "blob_length", "receipt_unchanged"] {
        assert_eq!(check(&result, name)["not_possible"], Value::Null, "{name}");
    }

    account.refuse(false);
    let ended = verify(&app, &["--level", "content"]).await.expect(0);
    assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{}", ended.stdout);
}
