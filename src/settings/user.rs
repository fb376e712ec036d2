//! The user of the machine, for the log of decisions.

use std::fs;

/// The user whose process this is: the name of its password entry, else `uid:N`; empty if the system does not tell even that.
pub(super) fn of_this_process() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let entries = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name(&status, &entries)
}

fn name(status: &str, entries: &str) -> String {
    let Some(id) = real_id(status) else { return String::new() };
    named(entries, id).unwrap_or_else(|| format!("uid:{id}"))
}

/// The first of `Uid: <real> <effective> <saved> <file system>`.
fn real_id(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// The name in `name:password:id:…`.
fn named(entries: &str, id: u32) -> Option<String> {
    entries.lines().find_map(|entry| {
        let mut fields = entry.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_process_without_a_name_in_its_environment_has_that_of_its_password_entry_or_its_number() {
        let entries = "root:x:0:0:root:/root:/bin/sh\n# a comment\n:x:65532::::\nnonroot:x:65532:65532::/:\n";
        let of = |id: &str| name(&format!("Name:\tx\nUid:\t{id}\t0\t0\t0\nGid:\t7\t7\t7\t7\n"), entries);
        assert_eq!([of("0"), of("65532"), of("1000620000")], ["root", "nonroot", "uid:1000620000"]);
        assert_eq!(name("", entries), "");
    }
}
