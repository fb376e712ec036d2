//! What the copy stage promises of source files that are written to while they are read.

use std::{io::Write, sync::Arc};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use rogo_migrate::ports::{BlobInfo, BlobReader, CopyGrant, Fault, FaultKind, Service, Source};
use url::Url;

use super::{copy::copy, folder, noise, source};

/// Source files on this machine, each of which grows when it has been opened.
struct Growing {
    files: Arc<dyn Source>,
    by: usize,
}

#[async_trait]
impl Source for Growing {
    async fn get(&self, url: &Url) -> Result<BlobReader, Fault> {
        let reader = self.files.get(url).await?;
        let mut file = std::fs::File::options().append(true).open(url.to_file_path().unwrap()).unwrap();
        file.write_all(&vec![b'+'; self.by]).unwrap();
        Ok(reader)
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        self.files.head(url).await
    }

    async fn grant(&self, url: &Url) -> Result<Option<CopyGrant>, Fault> {
        self.files.grant(url).await
    }

    fn list<'a>(&'a self, example: &'a Url, name: &'a str) -> BoxStream<'a, Result<Vec<BlobInfo>, Fault>> {
        self.files.list(example, name)
    }
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_is_never_stored_cut_off() {
    let sources = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let target = folder(place.path());
    for length in [0, 1, 100, 300_000, 3_000_000, 8 * 1024 * 1024, 9 * 1024 * 1024] {
        for by in [1, 2, 300_000] {
            let path = sources.path().join(format!("{length}-{by}"));
            std::fs::write(&path, noise(length)).unwrap();
            let growing = Arc::new(Growing { files: source(None), by });
            let copied = copy(&target, growing, &Url::from_file_path(&path).unwrap()).await;
            let fault = copied.expect_err(&format!("{length} bytes and {by} more"));
            assert_eq!((fault.service, &fault.kind), (Service::SourceBlobs, &FaultKind::Corrupt), "{fault}");
            assert!(target.head("LTI_Uploads/t1/7_1_f.pdf").await.unwrap().is_none(), "{length} {by}");
        }
    }
}
