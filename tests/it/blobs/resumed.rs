//! What a read that broke off goes on with: the rest of the same file, else nothing.

use rogo_migrate::ports::FaultKind;

use super::{bytes_of, source};
use crate::support::http_stub::{HttpStub, Response};

/// Length of the file.
const LENGTH: usize = 300_000;
/// Where its first answer breaks off.
const BROKEN_AT: usize = 1_000;

#[tokio::test]
async fn a_read_that_broke_off_never_goes_on_with_the_bytes_of_another_file() {
    let rest = |total: usize| Some(format!("bytes {BROKEN_AT}-{}/{total}", LENGTH - 1));
    for (etag, status, range, kind, asked) in [
        (Some("\"e1\""), 206, rest(LENGTH + 1), FaultKind::Changed, 2),
        (Some("\"e1\""), 206, None, FaultKind::Changed, 2),
        (Some("\"e1\""), 200, None, FaultKind::Changed, 2),
        // Nothing says that it is the same file.
        (None, 206, rest(LENGTH), FaultKind::Unavailable, 1),
    ] {
        let case = format!("{etag:?} {status} {range:?}");
        let stub = HttpStub::start(move |_, number| {
            let response = Response::new(if number == 0 { 200 } else { status });
            let response = match etag {
                Some(etag) => response.header("etag", etag),
                None => response,
            };
            match &range {
                _ if number == 0 => response.body(vec![1; LENGTH]).cut_at(BROKEN_AT),
                Some(range) => response.header("content-range", range).body(vec![2; LENGTH - BROKEN_AT]),
                None => response.body(vec![2; if status == 200 { LENGTH } else { LENGTH - BROKEN_AT }]),
            }
        })
        .await;
        let url = format!("{}/box/f", stub.endpoint).parse().unwrap();
        let reader = source(None).get(&url).await.unwrap();
        let fault = bytes_of(reader).await.expect_err(&case);
        assert_eq!(fault.kind, kind, "{case}: {fault}");
        assert_eq!(stub.requests().len(), asked, "{case}");
    }
}
