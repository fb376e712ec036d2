//! A small blob service on loopback that does what Azure Storage does and Azurite does not. It keeps blobs in memory and
//! asks for no authorisation; its containers are there as soon as they are named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use rogo_migrate::sample::SampleOptions;

use super::{
    app::{Sample, TestApp},
    http_stub::{HttpStub, Request, Response},
};

/// What sets the service apart from Azurite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Dots at the end of a segment of a name are dropped without a word.
    DropsDots,
    /// A bare 400 for names with private-use, replacement or non-characters.
    RefusesOddNames,
    /// A hierarchical namespace: directories stand in listings, and go only when they are empty.
    HasDirectories,
    /// An immutability policy: no blob is deleted or overwritten.
    IsImmutable,
    /// Put Blob From URL copies what lies in this service.
    Copies,
    /// No blob has a Content-MD5, as after copies and large uploads.
    KeepsNoMd5,
}

/// A blob as it is kept.
#[derive(Debug, Clone, Default)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub content_type: String,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    /// Names with their `x-ms-meta-`.
    pub metadata: Vec<(String, String)>,
}

/// Status and code of a refusal.
type Refusal = (u16, &'static str);

#[derive(Default)]
struct State {
    habits: Vec<Habit>,
    /// By container and name.
    blobs: BTreeMap<(String, String), Blob>,
    directories: BTreeSet<(String, String)>,
    /// Of every request for a blob in a container, and for the container.
    containers: BTreeMap<String, Refusal>,
    /// Of every request for one blob.
    refused: BTreeMap<(String, String), Refusal>,
    /// Of every listing of a container.
    unlisted: BTreeMap<String, Refusal>,
    /// Of every write into a container.
    unwritten: BTreeMap<String, Refusal>,
    /// Names of a page, if a request does not say it.
    page_size: Option<usize>,
}

/// The service; it ends when dropped.
pub struct BlobService {
    stub: HttpStub,
    state: Arc<Mutex<State>>,
}

impl BlobService {
    pub async fn start(habits: &[Habit]) -> Self {
        let state = Arc::new(Mutex::new(State { habits: habits.to_vec(), ..State::default() }));
        let of_stub = state.clone();
        let stub = HttpStub::start(move |request, _| of_stub.lock().unwrap().answer(request)).await;
        Self { stub, state }
    }

    /// `http://127.0.0.1:<port>/acc`.
    pub fn endpoint(&self) -> String {
        format!("{}/acc", self.stub.endpoint)
    }

    /// Of an account whose key is not looked at.
    pub fn connection_string(&self) -> String {
        format!("AccountName=acc;AccountKey=Zm9vYmFy;BlobEndpoint={}", self.endpoint())
    }

    /// A blob's URL; the name is not encoded.
    pub fn url(&self, container: &str, name: &str) -> url::Url {
        format!("{}/{container}/{name}", self.endpoint()).parse().unwrap()
    }

    /// Puts a blob there as a stranger would.
    pub fn insert(&self, container: &str, name: &str, blob: Blob) {
        self.state.lock().unwrap().keep((container.to_owned(), name.to_owned()), blob);
    }

    /// A blob as it stands.
    pub fn blob(&self, container: &str, name: &str) -> Option<Blob> {
        self.state.lock().unwrap().blobs.get(&(container.to_owned(), name.to_owned())).cloned()
    }

    /// Names of the blobs of a container.
    pub fn names(&self, container: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.blobs.keys().filter(|(own, _)| own == container).map(|(_, name)| name.clone()).collect()
    }

    /// From now on every request for this container, or for what is in it, is refused; `None`: no longer.
    pub fn refuse_container(&self, container: &str, refusal: Option<Refusal>) {
        let mut state = self.state.lock().unwrap();
        match refusal {
            Some(refusal) => state.containers.insert(container.to_owned(), refusal),
            None => state.containers.remove(container),
        };
    }

    /// From now on every request for this blob is refused.
    pub fn refuse_blob(&self, container: &str, name: &str, refusal: Refusal) {
        self.state.lock().unwrap().refused.insert((container.to_owned(), name.to_owned()), refusal);
    }

    /// Takes a blob away as a stranger would.
    pub fn remove(&self, container: &str, name: &str) {
        self.state.lock().unwrap().blobs.remove(&(container.to_owned(), name.to_owned()));
    }

    /// From now on every listing of this container is refused.
    pub fn refuse_listing(&self, container: &str, refusal: Refusal) {
        self.state.lock().unwrap().unlisted.insert(container.to_owned(), refusal);
    }

    /// From now on nothing is written into this container.
    pub fn refuse_writing(&self, container: &str, refusal: Refusal) {
        self.state.lock().unwrap().unwritten.insert(container.to_owned(), refusal);
    }

    /// From now on a page of a listing holds so many names.
    pub fn set_page_size(&self, names: usize) {
        self.state.lock().unwrap().page_size = Some(names);
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Request> {
        self.stub.requests()
    }

    /// Method and target (path and query) of every request so far.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.stub.requests().into_iter().map(|request| (request.method, request.target)).collect()
    }
}

/// A sample whose files lie in the container `source` of this service.
pub async fn sample_in(
    service: &BlobService,
    rows: u64,
    seed: u64,
    change: impl FnOnce(&mut SampleOptions),
) -> Sample {
    let sample = Sample::in_folder(rows, seed, |options| {
        options.source_url = Some(format!("{}/source", service.endpoint()).parse().unwrap());
        change(options);
    })
    .await;
    // In a folder some are folders; here they are not there.
    for (path, name) in sample.files().into_iter().filter(|(path, _)| sample.path(path).is_file()) {
        let bytes = fs::read(sample.path(&path)).unwrap();
        let content_type = "application/octet-stream".to_owned();
        service.insert("source", &name, Blob { bytes, content_type, ..Blob::default() });
    }
    sample
}

/// A target in the container `files` of the same service, whose run store is a folder that can be looked into.
pub async fn app_in<'s>(service: &BlobService, sample: &'s Sample) -> TestApp<'s> {
    let mut app = TestApp::without_cluster(sample).await;
    for (name, value) in [
        ("ROGO_SOURCE_ALLOW", format!("{}/source", service.endpoint())),
        ("ROGO_TARGET", "az://files".into()),
        ("ROGO_RUN_STORE", format!("file://{}/runs", app.out.path().display())),
        ("SOURCE_STORAGE_CONNECTION_STRING", service.connection_string()),
        ("AZURE_STORAGE_CONNECTION_STRING", service.connection_string()),
    ] {
        app.set(name, value);
    }
    app
}

impl State {
    fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    fn answer(&mut self, request: &Request) -> Response {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let path = percent_decode_str(path).decode_utf8().unwrap().into_owned();
        let mut parts = path.splitn(4, '/').skip(2);
        let container = parts.next().unwrap_or_default().to_owned();
        let mut name = parts.next().unwrap_or_default().to_owned();
        if self.has(Habit::DropsDots) {
            name = name.split('/').map(|segment| segment.trim_end_matches('.')).collect::<Vec<_>>().join("/");
        }
        if self.has(Habit::RefusesOddNames) && name.chars().any(is_odd) {
            return Response::new(400).header("content-type", "text/html").body("<h2>Bad Request</h2>");
        }
        let place = (container, name);
        let refusal = self.containers.get(&place.0).or_else(|| self.refused.get(&place));
        if let Some((status, code)) = refusal {
            return refused(*status, code);
        }
        if let (Some((status, code)), "PUT") = (self.unwritten.get(&place.0), request.method.as_str()) {
            return refused(*status, code);
        }
        let asks = |pair: &str| query.split('&').any(|own| own == pair);
        match request.method.as_str() {
            "GET" if asks("comp=list") => match self.unlisted.get(&place.0) {
                Some((status, code)) => refused(*status, code),
                None => self.list(&place.0, query),
            },
            "HEAD" if asks("restype=container") => Response::new(200)
                .header("x-ms-has-immutability-policy", self.has(Habit::IsImmutable).to_string()),
            "GET" | "HEAD" => self.read(&place),
            // Blocks are not kept: files of these tests are written in one piece.
            "PUT" if asks("comp=block") => Response::new(201),
            "PUT" => self.put(place, request),
            "DELETE" => self.delete(&place),
            other => panic!("{other} is not played"),
        }
    }

    fn read(&self, place: &(String, String)) -> Response {
        if self.has(Habit::HasDirectories) && self.directories.contains(place) {
            return Response::new(200).header("etag", "\"d\"").header("x-ms-meta-hdi_isfolder", "true");
        }
        let Some(blob) = self.blobs.get(place) else { return refused(404, "BlobNotFound") };
        let mut response = Response::new(200)
            .header("etag", format!("\"{}\"", etag(blob)))
            .header("content-type", blob.content_type.clone())
            .body(blob.bytes.clone());
        if !self.has(Habit::KeepsNoMd5) {
            response = response.header("content-md5", md5_base64(&blob.bytes));
        }
        for (name, value) in
            [("content-encoding", &blob.content_encoding), ("content-disposition", &blob.content_disposition)]
        {
            if let Some(value) = value {
                response = response.header(name, value.clone());
            }
        }
        blob.metadata.iter().fold(response, |response, (name, value)| response.header(name, value.clone()))
    }

    fn put(&mut self, place: (String, String), request: &Request) -> Response {
        let source = match request.header("x-ms-copy-source") {
            Some(_) if !self.has(Habit::Copies) => return refused(501, "NotImplemented"),
            Some(source) => match self.source(source) {
                Ok(blob) => {
                    let is_same = |condition: &str| condition == format!("\"{}\"", etag(&blob));
                    if !request.header("x-ms-source-if-match").is_none_or(is_same) {
                        return refused(412, "SourceConditionNotMet");
                    }
                    let claimed = request.header("x-ms-source-content-md5");
                    if claimed.is_some_and(|claimed| claimed != md5_base64(&blob.bytes)) {
                        return refused(400, "Md5Mismatch");
                    }
                    Some(blob)
                }
                Err(refusal) => return refusal,
            },
            None => None,
        };
        if let Some(condition) = request.header("if-match")
            && self.blobs.get(&place).is_none_or(|blob| format!("\"{}\"", etag(blob)) != condition)
        {
            return refused(412, "ConditionNotMet");
        }
        if self.blobs.contains_key(&place) {
            if request.header("if-none-match") == Some("*") {
                return refused(409, "BlobAlreadyExists");
            }
            if self.has(Habit::IsImmutable) {
                return refused(409, "BlobImmutableDueToPolicy");
            }
        }
        let header = |name: &str| request.header(name).map(str::to_owned);
        let metadata = request.headers.iter().filter(|(name, _)| name.starts_with("x-ms-meta-"));
        let metadata = metadata.map(|(name, value)| (name.clone(), value.clone())).collect();
        let content_type = header("x-ms-blob-content-type").or_else(|| header("content-type"));
        let own = Blob {
            bytes: request.body.clone(),
            content_type: content_type.unwrap_or_default(),
            content_encoding: header("x-ms-blob-content-encoding"),
            content_disposition: header("x-ms-blob-content-disposition"),
            metadata,
        };
        let blob = match source {
            None => own,
            Some(source) if request.header("x-ms-copy-source-blob-properties") == Some("false") => {
                Blob { bytes: source.bytes, ..own }
            }
            // The service's default: properties of the source that the request does not name come along.
            Some(source) => Blob {
                bytes: source.bytes,
                content_encoding: own.content_encoding.clone().or(source.content_encoding),
                content_disposition: own.content_disposition.clone().or(source.content_disposition),
                ..own
            },
        };
        let md5 = md5_base64(&blob.bytes);
        self.keep(place, blob);
        Response::new(201).header("etag", "\"e\"").header("content-md5", md5)
    }

    fn source(&self, url: &str) -> Result<Blob, Response> {
        let url: url::Url = url.parse().unwrap();
        let path = percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
        let mut parts = path.splitn(4, '/').skip(2).map(str::to_owned);
        let place = (parts.next().unwrap(), parts.next().unwrap());
        match self.containers.get(&place.0).or_else(|| self.refused.get(&place)) {
            Some((status, code)) => Err(refused(*status, "CannotVerifyCopySource")
                .header("x-ms-copy-source-status-code", status.to_string())
                .header("x-ms-copy-source-error-code", *code)),
            None => self.blobs.get(&place).cloned().ok_or_else(|| refused(404, "CannotVerifyCopySource")),
        }
    }

    fn keep(&mut self, place: (String, String), blob: Blob) {
        let (container, name) = &place;
        for (end, _) in name.match_indices('/') {
            self.directories.insert((container.clone(), name[..end].to_owned()));
        }
        self.blobs.insert(place, blob);
    }

    fn delete(&mut self, place: &(String, String)) -> Response {
        if self.blobs.contains_key(place) {
            if self.has(Habit::IsImmutable) {
                return refused(409, "BlobImmutableDueToPolicy");
            }
            self.blobs.remove(place);
            return Response::new(202);
        }
        if self.has(Habit::HasDirectories) && self.directories.contains(place) {
            return refused(409, "DirectoryIsNotEmpty");
        }
        refused(404, "BlobNotFound")
    }

    fn list(&self, container: &str, query: &str) -> Response {
        let asked: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let prefix = asked.get("prefix").cloned().unwrap_or_default();
        let page_size = self.page_size.unwrap_or(usize::MAX);
        let most = asked.get("maxresults").map_or(page_size, |most| most.parse().unwrap());
        // The number of names before the page.
        let first: usize = asked.get("marker").map_or(0, |marker| marker.parse().unwrap());
        let blobs = self.blobs.iter().map(|((own, name), blob)| (own, name, Some(blob)));
        let directories = self.directories.iter().filter(|_| self.has(Habit::HasDirectories));
        let directories = directories.map(|(own, name)| (own, name, None));
        let mut items: Vec<_> = blobs
            .chain(directories)
            .filter(|(own, name, _)| *own == container && name.starts_with(&prefix))
            .collect();
        items.sort_by_key(|(_, name, _)| *name);
        let next = first.saturating_add(most);
        let marker = if next < items.len() { next.to_string() } else { String::new() };
        let items: Vec<String> = items
            .into_iter()
            .skip(first)
            .take(most)
            .map(|(_, name, blob)| {
                let properties = match blob {
                    None => "<Content-Length>0</Content-Length><ResourceType>directory</ResourceType>".to_owned(),
                    Some(blob) => format!(
                        "<Etag>{}</Etag><Content-Length>{}</Content-Length><Content-MD5>{}</Content-MD5>\
                         <Content-Type>{}</Content-Type><Content-Encoding>{}</Content-Encoding>",
                        etag(blob),
                        blob.bytes.len(),
                        if self.has(Habit::KeepsNoMd5) { String::new() } else { md5_base64(&blob.bytes) },
                        blob.content_type,
                        blob.content_encoding.as_deref().unwrap_or_default()
                    ),
                };
                let metadata = blob.into_iter().flat_map(|blob| &blob.metadata).map(|(name, value)| {
                    let name = name.trim_start_matches("x-ms-meta-");
                    format!("<{name}>{value}</{name}>")
                });
                let metadata = metadata.collect::<String>();
                let name = name.replace('&', "&amp;").replace('<', "&lt;");
                format!(
                    "<Blob><Name>{name}</Name><Properties>{properties}<BlobType>BlockBlob</BlobType></Properties>\
                     <Metadata>{metadata}</Metadata></Blob>"
                )
            })
            .collect();
        let items = items.concat();
        let body = format!(
            "<EnumerationResults><Blobs>{items}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        );
        Response::new(200).header("content-type", "application/xml").body(body)
    }
}

/// What the service's front end takes in no URL.
fn is_odd(character: char) -> bool {
    matches!(character, '\u{fffd}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}')
}

fn refused(status: u16, code: &str) -> Response {
    Response::new(status).header("x-ms-error-code", code)
}

/// Of a blob as it is: another one after each change. Without the quotation marks of a header, as listings show it.
fn etag(blob: &Blob) -> String {
    use md5::Digest;
    let properties =
        [&blob.content_encoding, &blob.content_disposition].map(|text| text.clone().unwrap_or_default());
    let whole = [blob.bytes.as_slice(), properties.concat().as_bytes()].concat();
    let digest: [u8; 16] = md5::Md5::digest(whole).into();
    format!("0x{:X}", u128::from_be_bytes(digest) >> 64)
}

fn md5_base64(bytes: &[u8]) -> String {
    use md5::Digest;
    BASE64_STANDARD.encode(md5::Md5::digest(bytes))
}
