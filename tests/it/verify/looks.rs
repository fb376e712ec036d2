//! Level blobs looks at few sources one by one: the requests of that level do not grow with the files.

use rogo_migrate::{
    ports::{BlobInfo, FaultKind},
    verify::blobs::{
        sources::{SILENT_FOR, Sourced, look_at_sources},
        wanted::{Seen, WantedFile, Wanting},
    },
};

use tokio::time::Instant;

use crate::support::fakes::{InMemorySource, attempt};

/// Six files of one source, and what is seen of them if so many may be looked at.
async fn seen(source: &InMemorySource, most_looks: u64) -> (Sourced, Vec<Seen>) {
    seen_by(source, most_looks, |_| "").await
}

/// The same with what stands behind the URL of each.
async fn seen_by(
    source: &InMemorySource,
    most_looks: u64,
    behind: impl Fn(u64) -> &'static str,
) -> (Sourced, Vec<Seen>) {
    let mut wanting = Wanting::new(6).unwrap();
    for row in 1..=6 {
        let file = WantedFile {
            row,
            attempt: attempt(i32::try_from(row).unwrap()),
            order: 1,
            blob: format!("LTI_Uploads/aaaaaaaaaaaa/{row}_1_essay.pdf"),
            content_type: String::new(),
            is_markers: false,
            recorded: None,
            url: format!("https://files.example/box/{row}.pdf{}", behind(row)).parse().ok(),
            source: Seen::NotNamed,
        };
        wanting.push(&file).unwrap();
    }
    let wanted = wanting.finish().unwrap();
    let sourced = look_at_sources(source, &wanted, false, most_looks, SILENT_FOR).await.unwrap();
    let mut all = Vec::new();
    for bucket in 0..wanted.by_source.len() {
        sourced
            .by_blob
            .read(bucket, |file: WantedFile| {
                all.push(file.source);
                Ok(())
            })
            .unwrap();
    }
    (sourced, all)
}

#[tokio::test]
async fn the_files_of_a_source_that_may_not_be_listed_are_looked_at_if_they_are_few_and_else_it_is_said() {
    let source = InMemorySource::default();
    let (sourced, all) = seen(&source, 6).await;
    assert!(all.iter().all(|seen| matches!(seen, Seen::There { .. })), "{all:?}");
    assert_eq!((sourced.requests, sourced.not_listed), (6, Vec::new()));

    let (sourced, all) = seen(&source, 5).await;
    assert_eq!(all, vec![Seen::NotListed; 6]);
    assert_eq!(sourced.requests, 0);
    let [why] = sourced.not_listed.as_slice() else { panic!("{:?}", sourced.not_listed) };
    for part in ["could not be listed", "its 6 files are too many", "right to list", "level content"] {
        assert!(why.contains(part), "{part:?} is not said in {why}");
    }
}

#[tokio::test]
async fn a_source_that_may_be_listed_is_listed_however_many_files_it_has() {
    let blob = |row| BlobInfo { name: format!("{row}.pdf"), size_bytes: 7, ..BlobInfo::default() };
    let mut source = InMemorySource::default();
    source.listed = Some((1..=6).map(blob).collect());
    let (sourced, all) = seen(&source, 0).await;
    assert!(all.iter().all(|seen| matches!(seen, Seen::There { bytes: 7, .. })), "{all:?}");
    assert_eq!((sourced.requests, sourced.not_listed), (1, Vec::new()));
}

#[tokio::test]
async fn versions_and_snapshots_are_looked_at_if_they_are_few_and_else_it_is_said() {
    let blob = |row| BlobInfo { name: format!("{row}.pdf"), size_bytes: 7, ..BlobInfo::default() };
    let mut source = InMemorySource::default();
    source.listed = Some((1..=6).map(blob).collect());
    let behind = |row| match row {
        1 | 2 => "?versionid=1",
        3 | 4 => "?snapshot=1",
        _ => "",
    };
    let seen_of = |all: &[Seen], which: fn(&Seen) -> bool| all.iter().filter(|seen| which(seen)).count();
    let (sourced, all) = seen_by(&source, 4, behind).await;
    assert_eq!(seen_of(&all, |seen| matches!(seen, Seen::There { .. })), 6, "{all:?}");
    assert_eq!((sourced.requests, sourced.not_listed), (1 + 4, Vec::new()));

    let (sourced, all) = seen_by(&source, 3, behind).await;
    assert_eq!(seen_of(&all, |seen| matches!(seen, Seen::There { bytes: 7, .. })), 2, "{all:?}");
    assert_eq!(seen_of(&all, |seen| *seen == Seen::NotListed), 4, "not what stands there now: {all:?}");
    assert_eq!(sourced.requests, 1);
    let [why] = sourced.not_listed.as_slice() else { panic!("{:?}", sourced.not_listed) };
    for part in ["of 4 files name a version", "too many", "level content"] {
        assert!(why.contains(part), "{part:?} is not said in {why}");
    }
}

/// Each version would be waited for, for minutes, and then end the verification.
#[tokio::test(start_paused = true)]
async fn versions_in_an_account_that_gives_no_answer_are_not_looked_at_and_the_account_is_waited_for_once() {
    let source = InMemorySource::default();
    source.fail("files.example", FaultKind::Unavailable);
    let began = Instant::now();
    let behind = |row| if row < 4 { "?versionid=1" } else { "" };
    let (sourced, all) = seen_by(&source, 6, behind).await;
    assert_eq!(all, vec![Seen::NotListed; 6]);
    let [why] = sourced.not_listed.as_slice() else { panic!("{:?}", sourced.not_listed) };
    assert!(why.contains("could not be listed"), "{why}");
    assert!(began.elapsed() <= SILENT_FOR, "{:?}", began.elapsed());
}
