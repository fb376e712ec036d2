//! Codes that data alone cannot cause: a source that refuses, changes, lies or fails for one file, and a target
//! that refuses one row. The other rows migrate, and nothing of the refused ones stays.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

use super::{Finished, Target, folder_sample, inputs, oracle};
use crate::support::{
    app::TestApp,
    http_stub::{HttpStub, Request, Response},
};

const ROWS: u64 = 40;
const CONSTRAINT: &str = "no_one_of_this_name";

/// What the source does with the files of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// 404 for the marker's file: the learner's, copied before, do not stay.
    Misses,
    Refuses,
    /// Another file stands there once half of it was read.
    Changes,
    /// Its MD5 is that of other bytes.
    Lies,
    /// Always 500.
    Fails,
    /// Closes every connection before a byte of the body.
    Breaks,
}

/// The files of a folder, over HTTP, with an ETag and an MD5 each.
fn answer(folder: &Path, faults: &BTreeMap<String, Source>, request: &Request) -> Response {
    let path = request.target.split('?').next().unwrap();
    let path = percent_decode_str(path).decode_utf8().unwrap().into_owned();
    let name = path.strip_prefix("/files/").unwrap();
    let Ok(bytes) = std::fs::read(folder.join(name)) else { return Response::new(404) };
    let half = bytes.len() / 2;
    let md5 = BASE64_STANDARD.encode(Md5::digest(&bytes));
    let sound =
        |md5: &str| Response::new(200).header("etag", "\"1\"").header("content-md5", md5).body(bytes.clone());
    let attempt = name.split('/').nth(1).unwrap();
    match faults.get(attempt) {
        None => sound(&md5),
        Some(Source::Misses) if name.starts_with("marker/") => Response::new(404),
        Some(Source::Misses) => sound(&md5),
        Some(Source::Refuses) => Response::new(403),
        Some(Source::Changes) if request.header("if-match").is_some() => Response::new(412),
        Some(Source::Changes) => sound(&md5).cut_at(half),
        Some(Source::Lies) => sound(&BASE64_STANDARD.encode(Md5::digest(b"others"))),
        Some(Source::Fails) => Response::new(500),
        Some(Source::Breaks) => sound(&md5).cut_at(0),
    }
}

#[tokio::test]
async fn a_file_or_a_row_that_is_refused_fails_alone_under_its_own_code() {
    let faults = Arc::new(Mutex::new(BTreeMap::new()));
    let folder = Arc::new(Mutex::new(PathBuf::new()));
    let (of_stub, read_from) = (faults.clone(), folder.clone());
    let stub = HttpStub::start(move |request, _| {
        answer(&read_from.lock().unwrap(), &of_stub.lock().unwrap(), request)
    })
    .await;
    let base = format!("{}/files", stub.endpoint);
    let url = base.parse().unwrap();
    let sample = folder_sample(
        |options| {
            options.plain = true;
            options.source_url = Some(url);
        },
        ROWS,
        |_| {},
    )
    .await;
    *folder.lock().unwrap() = sample.path("files");
    let rows = inputs::Inputs::read(&sample.path(""));
    // Among the newest, so that other rows get answers meanwhile.
    let promised = [
        (40, Source::Fails, "unavailable"),
        (39, Source::Breaks, "unavailable"),
        (36, Source::Refuses, "file_forbidden"),
        (33, Source::Changes, "file_changed"),
        (30, Source::Lies, "file_corrupt"),
        (27, Source::Misses, "file_missing"),
    ];
    for (row, source, _) in promised {
        faults.lock().unwrap().insert(rows.row(row)["Attempt ID"].clone(), source);
    }

    let mut app = TestApp::new(&sample).await;
    app.unset("SOURCE_STORAGE_CONNECTION_STRING");
    app.set("ROGO_SOURCE_AUTH", "anonymous");
    app.set("ROGO_SOURCE_ALLOW", &*base);
    let refused = 24;
    let email = &rows.row(refused)["Learner Email"];
    let attempt = &rows.row(refused)["Attempt ID"];
    let add = format!(
        "alter table lti_session_records add constraint {CONSTRAINT} check (launch_id not like 'rogo\\_{attempt}\\_%')"
    );
    app.database.run(&add).await;
    let target = Target::azure(&app).await;
    let run = Finished::run(&app, &[]).await;

    let mut failing: BTreeMap<u64, &str> = promised.iter().map(|(row, _, code)| (*row, *code)).collect();
    failing.insert(refused, "target_rejected");
    let failed: BTreeMap<u64, String> = app
        .outcomes()
        .into_iter()
        .filter(|(_, (kind, _))| kind == "failed")
        .map(|(row, (_, code))| (row, code))
        .collect();
    assert!(failed.iter().map(|(row, code)| (*row, &**code)).eq(failing.clone()), "{failed:?}");
    let expected = run.expected((1..=ROWS).filter(|row| !failing.contains_key(row)), &oracle::utc, &target);
    run.assert_equals(&expected);

    let result = app.result("submissions_failed_migration.csv");
    let mut reader = csv::Reader::from_reader(result.as_bytes());
    for line in reader.deserialize::<inputs::Record>() {
        let line = line.unwrap();
        let (code, message) = line["Error"].split_once(": ").unwrap();
        assert!(!message.contains(email.as_str()), "a value of the row: {message}");
        assert!(!message.contains(&line["Surname"]), "a value of the row: {message}");
        assert!(code != "target_rejected" || message.contains(CONSTRAINT), "{message}");
    }
}
