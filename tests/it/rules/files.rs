//! The decision table, rows 17 and 18: the files.

use rogo_migrate::domain::FailCode::*;

use super::{Fails, Migrates, Row};
use crate::support::rows::{Case, SOURCE};

/// The learner's only file has this URL.
fn url(case: &mut Case, url: &str) {
    case.learner("a.docx", url);
}

pub const ROWS: &[Row] = &[
    // 17
    (
        "no files",
        |c| {
            c.learner("", "");
            c.cells().marker_blob_urls.clear();
        },
        Fails(NoFiles, "Learner Azure Blob URLs"),
    ),
    (
        "lists of blanks",
        |c| {
            c.learner("a,b", " , \u{a0},");
            c.cells().marker_blob_urls = ",".into();
        },
        Fails(NoFiles, ""),
    ),
    (
        "no files where marker-only rows are let through",
        |c| {
            c.config.migrate_marker_only = true;
            c.learner("", "");
            c.cells().marker_blob_urls.clear();
        },
        Fails(NoFiles, ""),
    ),
    ("marker files only", |c| c.learner("", ""), Fails(NoLearnerFiles, "marker files only")),
    (
        "marker files only where they are let through",
        |c| {
            c.config.migrate_marker_only = true;
            c.learner("", "");
        },
        Migrates,
    ),
    ("learner files only", |c| c.cells().marker_blob_urls.clear(), Migrates),
    ("names without files", |c| c.learner("a.docx", ""), Fails(NoLearnerFiles, "")),
    ("files without names", |c| c.cells().learner_file_names.clear(), Migrates),
    ("a trailing comma", |c| c.cells().learner_blob_urls.push(','), Migrates),
    // 18
    (
        "another host",
        |c| url(c, "https://evil.org/rogo/a"),
        Fails(FileUrlForeign, "Learner Azure Blob URLs, item 1: is not below"),
    ),
    ("another container", |c| url(c, "https://acc.blob.core.windows.net/rogo2/a"), Fails(FileUrlForeign, "")),
    ("another scheme", |c| url(c, "http://acc.blob.core.windows.net/rogo/a"), Fails(FileUrlForeign, "")),
    (
        "another port",
        |c| url(c, "https://acc.blob.core.windows.net:444/rogo/a"),
        Fails(FileUrlForeign, ":444"),
    ),
    (
        "the host as user name",
        |c| url(c, "https://acc.blob.core.windows.net@evil.org/rogo/a"),
        Fails(FileUrlForeign, "user name"),
    ),
    (
        "a password",
        |c| url(c, "https://:p@acc.blob.core.windows.net/rogo/a"),
        Fails(FileUrlForeign, "password"),
    ),
    ("..", |c| url(c, &format!("{SOURCE}/../other/a")), Fails(FileUrlForeign, "\"..\"")),
    (".. that comes back", |c| url(c, &format!("{SOURCE}/x/../a")), Fails(FileUrlForeign, "\"..\"")),
    ("%2e%2e", |c| url(c, &format!("{SOURCE}/%2e%2E/other/a")), Fails(FileUrlForeign, "\"..\"")),
    ("a relative URL", |c| url(c, "/rogo/a"), Fails(FileUrlForeign, "is not a URL")),
    ("a file name", |c| url(c, "a.docx"), Fails(FileUrlForeign, "is not a URL")),
    (
        "a comma that no file's end follows",
        |c| url(c, &format!("{SOURCE}/Smith, J essay")),
        Fails(
            FileUrlForeign,
            "item 2: is not a URL: relative URL without a base (a comma inside a URL must be %2C)",
        ),
    ),
    (
        "a comma in a URL",
        |c| url(c, &format!("{SOURCE}/a,b.docx")),
        Fails(FileUrlForeign, "item 2: is not a URL"),
    ),
    ("a line break in a URL", |c| url(c, &format!("{SOURCE}/a\nb")), Fails(FileUrlForeign, "control")),
    (
        "a token in a foreign URL",
        |c| url(c, "https://evil.org/Jane?sig=secret"),
        Fails(FileUrlForeign, "!secret"),
    ),
    (
        "a name in a foreign URL",
        |c| url(c, "https://evil.org/Jane?sig=secret"),
        Fails(FileUrlForeign, "!Jane"),
    ),
    (
        "the second of two URLs",
        |c| c.learner("", &format!("{SOURCE}/a, ,x")),
        Fails(FileUrlForeign, "item 3"),
    ),
    (
        "a foreign marker file",
        |c| c.cells().marker_blob_urls = "x".into(),
        Fails(FileUrlForeign, "Marker Azure Blob URLs, item 1"),
    ),
    (
        "both lists",
        |c| {
            url(c, "x");
            c.cells().marker_blob_urls = "y".into();
        },
        Fails(FileUrlForeign, "Marker"),
    ),
    ("no source allowed", |c| c.config.allowed_sources.clear(), Fails(FileUrlForeign, "")),
    ("a query", |c| url(c, &format!("{SOURCE}/a.docx?sv=1&sig=x%2F..")), Migrates),
    ("spaces and percent signs", |c| url(c, &format!("{SOURCE}/100%25 of it.docx")), Migrates),
    (
        "capitals in the host and its port",
        |c| url(c, "HTTPS://ACC.blob.core.windows.net:443/rogo/a"),
        Migrates,
    ),
    ("dots in a name", |c| url(c, &format!("{SOURCE}/a..b...docx")), Migrates),
    (
        "a folder",
        |c| {
            c.config.allowed_sources.push("file:///demo/files".parse().unwrap());
            url(c, "file:///demo/files/a.docx");
        },
        Migrates,
    ),
    (
        "a folder left by %2f",
        |c| {
            c.config.allowed_sources.push("file:///demo/files".parse().unwrap());
            url(c, "file:///demo/files/x%2f..%2f..%2fa.docx");
        },
        Fails(FileUrlForeign, "\"..\""),
    ),
];
