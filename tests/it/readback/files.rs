//! What the rules say of a row's files, read again from rules.md: names, types, sizes, blobs.

use std::path::Path;

use percent_encoding::percent_decode_str;

use super::inputs::Record;

/// One file of a row as it should stand in the target.
#[derive(Debug, Clone)]
pub struct File {
    pub order: usize,
    pub is_learners: bool,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Where files come from.
pub struct Sources<'a> {
    /// The source's URL, without a slash at its end.
    pub base: &'a str,
    /// The sample's folder of the same files.
    pub folder: &'a Path,
}

const MB: usize = 1024 * 1024;

/// The row's files in upload order, and the orders of those whose names come from their URLs.
pub fn files(
    row: &Record,
    attempt: i64,
    assessment_code: &str,
    sources: &Sources,
) -> (Vec<File>, Vec<usize>) {
    let urls: Vec<&str> = row["Learner Azure Blob URLs"].split(',').map(str::trim).collect();
    let names: Vec<&str> = row["Learner File Names"].split(',').map(str::trim).collect();
    let mut files = Vec::new();
    let mut from_url = Vec::new();
    for (place, url) in urls.iter().enumerate().filter(|(_, url)| !url.is_empty()) {
        let order = files.len() + 1;
        let name = if names.len() == urls.len() && !names[place].is_empty() {
            names[place].to_owned()
        } else {
            from_url.push(order);
            name_in(url).unwrap_or(format!("learner_file_{order}"))
        };
        files.push(File { order, is_learners: true, name, bytes: sources.bytes(url) });
    }
    let urls: Vec<&str> = row["Marker Azure Blob URLs"].split(',').map(str::trim).collect();
    let urls: Vec<&str> = urls.into_iter().filter(|url| !url.is_empty()).collect();
    let id = match (row["Assessment ID"].trim(), assessment_code.trim()) {
        ("", code) => code,
        (id, _) => id,
    };
    let stem = match id {
        "" => format!("feedback_{attempt}"),
        id => format!("{id}_{}-{}_feedback", plain(&row["First Name"]), plain(&row["Surname"])),
    };
    for (n, url) in urls.iter().enumerate() {
        let order = files.len() + 1;
        let suffix = if urls.len() > 1 { format!("_{}", n + 1) } else { String::new() };
        let name = format!("{stem}{suffix}.docx");
        files.push(File { order, is_learners: false, name, bytes: sources.bytes(url) });
    }
    (files, from_url)
}

impl Sources<'_> {
    fn bytes(&self, url: &str) -> Vec<u8> {
        let blob = url.strip_prefix(self.base).unwrap().trim_start_matches('/');
        let blob = percent_decode_str(blob).decode_utf8().unwrap();
        std::fs::read(self.folder.join(&*blob)).unwrap_or_else(|error| panic!("{blob}: {error}"))
    }
}

/// The last segment, decoded, without ten or more digits and `_` before it.
fn name_in(url: &str) -> Option<String> {
    let segment = percent_decode_str(url.rsplit('/').next()?).decode_utf8().unwrap().into_owned();
    let digits = segment.chars().take_while(char::is_ascii_digit).count();
    let name = match segment[digits..].strip_prefix('_') {
        Some(rest) if digits >= 10 => rest,
        _ => &segment,
    };
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn plain(name: &str) -> String {
    let is_plain = |c: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-".contains(c);
    name.trim().chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

impl File {
    /// Lower-case text after the last dot.
    pub fn extension(&self) -> String {
        let dot = self.name.rfind('.');
        dot.map_or(String::new(), |dot| self.name[dot + 1..].to_lowercase())
    }

    /// As the application stores it.
    pub fn mime_type(&self) -> &'static str {
        match &*self.extension() {
            "pdf" => "application/pdf",
            "doc" => "application/msword",
            "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "txt" => "text/plain",
            "jpg" | "jpeg" => "image/jpeg",
            "png" => "image/png",
            "gif" => "image/gif",
            _ => "application/octet-stream",
        }
    }

    /// The blob's own, which knows more types.
    pub fn content_type(&self) -> &'static str {
        match &*self.extension() {
            "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            _ => self.mime_type(),
        }
    }

    /// `<folder>/<writer>/<attempt>_<order>_<name>`.
    pub fn blob_name(&self, attempt: i64, writer: &str) -> String {
        let folder = if self.is_learners { "LTI_Uploads" } else { "Marker_files" };
        let spoils = |c: char| "/\\\u{202e}\u{e000}\u{fffd}".contains(c) || c.is_control();
        let safe: String = self.name.chars().map(|c| if spoils(c) { '_' } else { c }).collect();
        let safe = match safe.trim_end_matches(['.', ' ']) {
            "" => "file".to_owned(),
            safe => safe.to_owned(),
        };
        let (stem, extension) = match safe.rfind('.') {
            Some(dot) if safe.len() > 150 => safe.split_at(dot),
            _ => (&*safe, ""),
        };
        let mut stem = stem.to_owned();
        while stem.len() + extension.len() > 150 {
            stem.pop();
        }
        format!("{folder}/{writer}/{attempt}_{}_{stem}{extension}", self.order)
    }
}

/// One decimal, ties up.
pub fn size(bytes: usize) -> String {
    // Twentieths of a MB: a tie is an odd number of them, and goes up with the rest.
    let twentieths = bytes * 20 / MB;
    let tenths = twentieths.div_ceil(2);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[test]
fn the_oracle_knows_the_sizes_of_the_rules() {
    assert_eq!([size(262_144), size(1_310_720)], ["0.3 MB", "1.3 MB"]);
    assert_eq!([size(0), size(52_428), size(52_429)], ["0.0 MB", "0.0 MB", "0.1 MB"]);
}
