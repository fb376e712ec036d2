//! Work beside other work: on a thread of its own, or on several, and the end of a task.

use std::{num::NonZero, panic::resume_unwind, pin::pin, thread};

use futures_util::future::{Either, select};
use tokio::task::{JoinError, spawn_blocking};

/// What `work` returns, which runs on a thread that may block. A panic goes on in the caller.
pub async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
}

/// What the task returns, by its handle. A panic goes on in the caller, and is a bug of the program there too: as a fault of a service it
/// would be tried again, and its words, which an error of tokio quotes, may hold what is known of a learner.
pub async fn joined<T>(task: impl Future<Output = Result<T, JoinError>>) -> T {
    task.await.unwrap_or_else(|ended| resume_unwind(why(ended)))
}

/// What both return, which run side by side. An error of `first` is returned at once, and one of `second` only when `first` is
/// done: of two errors it is always the same one that is told.
pub async fn side_by_side<A, B, E>(
    first: impl Future<Output = Result<A, E>>,
    second: impl Future<Output = Result<B, E>>,
) -> Result<(A, B), E> {
    match select(pin!(first), pin!(second)).await {
        Either::Left((first, second)) => Ok((first?, second.await?)),
        Either::Right((second, first)) => Ok((first.await?, second?)),
    }
}

/// Computes each of the parts on a thread of its own, in their order. The calling thread waits, as if it computed them itself; a
/// panic goes on in it.
pub fn on_threads<P: Send, T: Send>(
    parts: impl IntoIterator<Item = P>,
    compute: impl Fn(P) -> T + Sync,
) -> Vec<T> {
    let compute = &compute;
    thread::scope(|scope| {
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || compute(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Processors that this process may use, by the quotas of its container too: the threads among which a computation is worth being divided.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn why(ended: JoinError) -> Box<dyn std::any::Any + Send> {
    // A task is cancelled by the end of the runtime only, after which no caller goes on.
    ended.try_into_panic().unwrap_or_else(|_cancelled| Box::new("cancelled"))
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        panic::AssertUnwindSafe,
    };

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_thread_is_one_of_its_caller() {
        assert_eq!(on_thread(|| 7).await, 7);
        let ended = AssertUnwindSafe(on_thread(|| panic!("planted"))).catch_unwind().await;
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"planted"));
    }

    #[tokio::test]
    async fn of_two_errors_the_first_ones_is_told_whichever_comes_first() {
        let later = async |result: Result<u8, &'static str>| {
            tokio::task::yield_now().await;
            result
        };
        assert_eq!(side_by_side(later(Ok(1)), ready(Ok(2))).await, Ok((1, 2)));
        assert_eq!(side_by_side(ready(Ok(1)), later(Ok(2))).await, Ok((1, 2)));
        assert_eq!(side_by_side(later(Err("first")), ready(Err::<u8, _>("second"))).await, Err("first"));
        assert_eq!(side_by_side(ready(Err::<u8, _>("first")), later(Err("second"))).await, Err("first"));
        assert_eq!(side_by_side(later(Ok(1)), ready(Err::<u8, _>("second"))).await, Err("second"));
        let never = pending::<Result<u8, &str>>();
        assert_eq!(side_by_side(ready(Err::<u8, _>("first")), never).await, Err("first"), "not waited for");
    }

    #[test]
    fn parts_come_in_their_order_and_a_panic_of_one_goes_on() {
        let own = std::thread::current().id();
        let squares = on_threads(0..9_u32, |n| {
            assert_ne!(std::thread::current().id(), own);
            n * n
        });
        assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64]);
        let ended = std::panic::catch_unwind(|| on_threads(0..3, |n| assert_ne!(n, 1, "planted")));
        assert!(ended.unwrap_err().downcast_ref::<String>().unwrap().contains("planted"));
        assert!(processors() >= 1);
    }
}
