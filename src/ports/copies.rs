//! Copies of some submissions in temporary tables of one session, for `verify --self-test`: what is planted there ends
//! with the session, and the real tables are only read.

use async_trait::async_trait;

use super::Fault;

/// A target of one session, whose temporary tables stand before the real ones of the same names.
#[async_trait]
pub trait TargetCopies: Send + Sync {
    /// The role and the database; `Err` of both if the role may not create temporary tables there.
    async fn may_copy(&self) -> Result<Result<(), (String, String)>, Fault>;

    /// Copies the rows of at most `most` of these submissions, half of them with malpractice as far as there are so
    /// many; returns the ids of those that were copied. From then on every reading reads the copies.
    async fn copy(&self, submissions: &[String], most: i64) -> Result<Vec<String>, Fault>;

    /// Ids of one copied submission, `s`, and of another, `o`, that fit the condition; `None` if none do.
    async fn pair(&self, condition: &str) -> Result<Option<(String, String)>, Fault>;

    /// Runs statements that write in the schema `pg_temp` only; returns the number of rows that they changed.
    async fn plant(&self, sql: &str) -> Result<u64, Fault>;

    /// Makes the copies what they were.
    async fn restore(&self) -> Result<(), Fault>;
}
