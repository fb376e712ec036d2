//! What parts of a verification to the byte leave behind, and when they no longer count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::{blobs::files, by_attempt, check, corruptions::in_folders, small, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    blob_service::{BlobService, Habit, app_in, sample_in},
};

/// Reads a part of the files, or all; the first words of the verdict.
async fn look(app: &TestApp<'_>, arguments: &[&str]) -> String {
    let store = format!("file://{}", app.out.path().join("verify").display());
    let content = ["--level", "content", "--verify-store", &store];
    let ended = verify(app, &[&content, arguments].concat()).await.expect(0);
    ended.stdout.split_once(':').unwrap_or_else(|| panic!("{}", ended.stdout)).0.to_owned()
}

const ALL: &str = "VERIFIED TO THE BYTE";
const SOME: &str = "VERIFIED at level content";

#[tokio::test]
async fn a_look_at_some_files_takes_the_place_of_no_manifest() {
    let sample = Sample::in_folder(12, 71, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &[]).await, ALL);
    let manifest = app.result("manifest.csv");
    assert_eq!(look(&app, &["--only-unproven"]).await, SOME);
    assert_eq!(app.result("manifest.csv"), manifest, "after a look at unproven files");
    let config = app.out.path().join("rogo.toml");
    std::fs::write(&config, "only_unproven = true\n").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    assert_eq!(look(&app, &config).await, SOME);
    // The file is one for all commands: at other levels it asks for nothing.
    for other in [&[][..], &["--self-test"], &["--level", "blobs"]] {
        let ended = verify(&app, &[other, &config].concat()).await;
        assert_ne!(ended.code, Some(64), "{other:?}: {}", ended.stderr);
        let told = ended.stderr.matches("only_unproven, which the config file sets, is left out").count();
        assert_eq!(told, 1, "{other:?}: {}", ended.stderr);
    }
    verify(&app, &["--only-unproven"]).await.expect(64);
    let one = app.out.path().join("one.txt");
    std::fs::write(&one, &app.migrated()[0]).unwrap();
    assert_eq!(look(&app, &["--attempts", one.to_str().unwrap()]).await, SOME);
    assert_eq!(app.result("manifest.csv"), manifest, "after a look at one attempt");

    // Nor of a part's, of which the manifest of all parts is made.
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    assert_eq!(look(&app, &["--content", "1/2", "--only-unproven"]).await, SOME);
    assert_eq!(look(&app, &["--content", "2/2"]).await, ALL);
    assert_eq!(app.result("manifest.csv"), manifest, "of both parts");
}

#[tokio::test]
async fn bytes_that_were_not_compared_take_the_place_of_no_manifest() {
    // Of files that the service copied, and of which it keeps no MD5, only the sources prove the bytes.
    let service = BlobService::start(&[Habit::Copies, Habit::KeepsNoMd5]).await;
    let sample = sample_in(&service, 6, 73, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &[]).await, ALL);
    let out = |name: &str| app.out.path().join(name);
    let read = |name: &str| fs::read_to_string(out(name)).ok();
    let of = |name: &str| [read(name), read(&format!("verify/rogo/results/{name}"))];
    let manifest = of("manifest.csv");
    assert!(manifest.iter().all(Option::is_some), "{manifest:?}");
    let file = files(&app).await.swap_remove(0);
    let mut blob = service.blob("files", &file.blob).unwrap();
    blob.bytes[0] ^= 1;
    service.insert("files", &file.blob, blob);

    // A person takes the byte, which proves nothing.
    let accepted = out("accepted.csv");
    fs::write(&accepted, format!("Attempt ID,Reason,Person\n{},rescanned,A. Marker\n", file.attempt))
        .unwrap();
    let accept = ["--accept", accepted.to_str().unwrap()];
    assert_eq!(look(&app, &accept).await, SOME);
    assert_eq!(look(&app, &[&accept[..], &["--content", "1/1"]].concat()).await, SOME);
    assert_eq!(of("manifest.csv"), manifest);
    let unproven = of("manifest-unproven.csv");
    assert!(unproven[0].is_some() && unproven != manifest, "{unproven:?}");

    for name in service.names("source") {
        service.remove("source", &name);
    }
    let store = format!("file://{}", out("verify").display());
    let content = ["--level", "content", "--verify-store", &store];
    for part in [&[][..], &["--content", "1/2"]] {
        verify(&app, &[&content[..], part].concat()).await.expect(69);
        assert_eq!(of("manifest.csv"), manifest, "{part:?}");
    }
    assert_eq!(of("manifest-1-of-2.csv"), [None, None]);
    assert!(of("manifest-unproven-1-of-2.csv").iter().all(Option::is_some));
    let kept = out("kept.csv");
    fs::copy(out("manifest.csv"), &kept).unwrap();
    verify(&app, &["--level", "content", "--manifest", kept.to_str().unwrap()]).await.expect(1);
    let found = BTreeSet::from(["content_manifest".to_owned()]);
    assert_eq!(by_attempt(&app), BTreeMap::from([(file.attempt, found)]));
}

/// A check that has nothing to compare with is not passed over: it is counted, and without anything better it was not possible.
#[tokio::test]
async fn files_of_which_no_md5_is_known_are_counted_and_only_their_bytes_verify_them() {
    let service = BlobService::start(&[Habit::Copies, Habit::KeepsNoMd5]).await;
    let sample = sample_in(&service, 6, 75, small).await;
    let app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    let without = "neither the outcome nor the source has an MD5 of the file";
    let nothing = |name: &str| {
        let result = verification(&app);
        let line = check(&result, name).clone();
        assert_eq!(line["nothing_to_compare_with"], result["files"]["named"], "{line}");
        let told = format!("{name} had nothing to compare with in ");
        let remarks = result["remarks"].as_array().unwrap();
        assert!(remarks.iter().any(|remark| remark.as_str().unwrap().starts_with(&told)), "{remarks:?}");
        (line["compared"].as_u64().unwrap(), line["not_possible"].as_str().map(str::to_owned))
    };
    let ended = verify(&app, &["--level", "blobs"]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART at level blobs: 6 rows"), "{}", ended.stdout);
    let line = ended.stdout.lines().find(|line| line.starts_with("blob_md5 ")).unwrap();
    assert!(line.contains(without) && line.contains("; nothing to compare with in "), "{line}");
    assert_eq!(nothing("blob_md5"), (0, Some(without.to_owned())));
    // Their lengths were compared.
    let (compared, not_possible) = nothing("source_files_unchanged");
    assert!(compared > 0 && not_possible.is_none(), "{not_possible:?}");

    assert_eq!(look(&app, &[]).await, ALL);
    for name in ["blob_md5", "content_receipt"] {
        assert_eq!(nothing(name), (0, None), "{name}");
    }
}

#[tokio::test]
async fn a_part_does_not_count_once_rows_were_moved_again() {
    let sample = Sample::in_folder(12, 72, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize"]).await.expect(69);
    app.run(&["resume", "--redo", "lost", "--reason", "a failover"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "2/2"]).await, SOME, "part 1 was of other blobs");
    assert_eq!(look(&app, &["--content", "1/2"]).await, ALL);
}

#[tokio::test]
async fn a_part_counts_beside_a_result_that_was_made_again_without_a_change() {
    let sample = Sample::in_folder(12, 72, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "2/2"]).await, ALL);
}

/// Of the document of a part.
type Change = fn(&mut Value);

#[tokio::test]
async fn a_part_does_not_count_beside_those_of_another_program_or_of_other_settings_and_it_is_said() {
    let sample = Sample::in_folder(12, 74, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(look(&app, &["--content", "1/2"]).await, SOME);
    let place = app.out.path().join("verify/rogo/verify/content/2/1.json");
    let written = fs::read_to_string(&place).unwrap();
    let store = format!("file://{}", app.out.path().join("verify").display());
    let second = ["--level", "content", "--verify-store", &store, "--content", "2/2"];
    let changes: [(&str, Change); 3] = [
        ("another program", |part| part["subject"]["program"] = "of an earlier build".into()),
        ("another program", |part| {
            // As earlier programs wrote it.
            let subject = part["subject"].take();
            part.as_object_mut().unwrap().remove("subject");
            for name in ["plan", "result"] {
                part[name] = subject[name].clone();
            }
        }),
        ("other settings or inputs", |part| part["subject"]["settings"] = json!(["target alters x"])),
    ];
    for (why, change) in changes {
        let mut part: Value = serde_json::from_str(&written).unwrap();
        change(&mut part);
        fs::write(&place, part.to_string()).unwrap();
        let ended = verify(&app, &second).await.expect(0);
        assert!(ended.stdout.starts_with(SOME), "{}", ended.stdout);
        let result = verification(&app);
        assert_eq!(result["files"]["content"]["parts_verified"], json!([2]));
        let remarks = result["remarks"].as_array().unwrap().iter().filter_map(Value::as_str);
        let mut of_parts = remarks.filter(|remark| remark.starts_with("part 1 of 2, verified at 20"));
        let told = of_parts.next().unwrap_or_else(|| panic!("{result}"));
        let ends = format!("because it is of {why}: verify --content 1/2 again");
        assert!(told.ends_with(&ends) && ended.stderr.contains(&ends), "{told}\n{}", ended.stderr);
    }
    fs::write(&place, &written).unwrap();
    assert_eq!(look(&app, &["--content", "2/2"]).await, ALL, "as it was written, it counts");
}
