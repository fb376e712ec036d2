//! Open files: each copy in flight has a connection or a file open on one side or both, and the usual limit of 1,024 is for
//! processes that wait with `select`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of this process on open files as far as the system allows.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::debug!("the limit on open files stays as it is");
    }
}

/// Files that this process may have open at once.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
