//! Lists the containers of the rows' files, several at a time, below the rows' common prefixes only.

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    ports::{BlobInfo, Fault, Source},
    predict::files::{Container, NameKey},
    run::lines::{Buckets, SpooledBuckets},
};

/// Containers that are listed at a time.
const AT_A_TIME: usize = 4;

/// Every blob that was listed, on disk.
pub struct Listed {
    /// [`ListedBlob`]s, in as many buckets as the files.
    pub blobs: SpooledBuckets,
    /// How each container was listed.
    pub ways: Vec<Way>,
}

/// How one container was listed.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Pages that were read.
    pub pages: u64,
    /// Blobs that they held.
    pub blobs: u64,
    /// Why it was not listed to its end; `None` if it was.
    pub not_listed: Option<String>,
}

/// One listed blob, as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedBlob {
    /// Number of its container.
    pub container: u32,
    /// Its name in the container.
    pub name: String,
    /// Length as the listing says.
    pub size_bytes: u64,
    /// Whether it is in the archive tier.
    pub archived: bool,
    in_folder: bool,
}

impl ListedBlob {
    /// The key of its name.
    pub fn key(&self) -> NameKey {
        NameKey::of(self.container, &self.name, self.in_folder)
    }
}

/// Lists each container while that takes fewer pages than it has files.
pub async fn list_all(
    source: &dyn Source,
    containers: &[Container],
    buckets: usize,
) -> Result<Listed, Fault> {
    let mut ways: Vec<Way> = containers.iter().map(|_| Way::default()).collect();
    let mut blobs = Buckets::new(buckets)?;
    let numbered: Vec<(u32, &Container)> = (0..).zip(containers).collect();
    let mut pages = stream::iter(numbered)
        .map(|(number, container)| {
            // One page more is asked for than may be taken, to see whether the last one was the end.
            let most = usize::try_from(container.files).unwrap_or(usize::MAX);
            source
                .list(&container.example, &container.prefix)
                .take(most)
                .map(move |page| (number, page))
                .boxed()
        })
        .flatten_unordered(AT_A_TIME);
    while let Some((number, page)) = pages.next().await {
        let place = number as usize;
        let (Some(way), Some(container)) = (ways.get_mut(place), containers.get(place)) else { continue };
        match page {
            Err(fault) => way.not_listed = Some(format!("it could not be listed ({})", fault.what)),
            Ok(page) => {
                way.pages += 1;
                if way.pages >= container.files {
                    let why = "listing it takes as many requests as looking at each file";
                    way.not_listed = Some(why.into());
                    continue;
                }
                way.blobs += page.len() as u64;
                keep(&mut blobs, buckets, number, container, page)?;
            }
        }
    }
    Ok(Listed { blobs: blobs.finish()?, ways })
}

fn keep(
    blobs: &mut Buckets,
    buckets: usize,
    number: u32,
    container: &Container,
    page: Vec<BlobInfo>,
) -> Result<(), Fault> {
    let in_folder = container.example.scheme() == "file";
    for BlobInfo { name, size_bytes, archived, .. } in page {
        let blob = ListedBlob { container: number, name, size_bytes, archived, in_folder };
        blobs.push(blob.key().bucket(buckets), &blob)?;
    }
    Ok(())
}
