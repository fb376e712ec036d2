//! The name of the machine, for people who read `writers/` and decisions.

/// The host name; empty if the system tells none.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
