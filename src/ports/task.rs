//! The end of a task that has a thread or a place among the workers of its own.

use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// What `work` returns, which runs on a thread that may block. A panic goes on in the caller.
pub async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
}

/// What the task returns. A panic goes on in the caller, and is a bug of the program there too: as a fault of a service it
/// would be tried again, and its words, which an error of tokio quotes, may hold what is known of a learner.
pub async fn joined<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|ended| resume_unwind(why(ended)))
}

fn why(ended: JoinError) -> Box<dyn std::any::Any + Send> {
    // A task is cancelled by the end of the runtime only, after which no caller goes on.
    ended.try_into_panic().unwrap_or_else(|_cancelled| Box::new("cancelled"))
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_thread_is_one_of_its_caller() {
        assert_eq!(on_thread(|| 7).await, 7);
        let ended = AssertUnwindSafe(on_thread(|| panic!("planted"))).catch_unwind().await;
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"planted"));
    }
}
