//! The script over a TCP port, one command a line: for demos and the cluster.
//!
//! ```text
//! refuse-ids 1,2,3 [NUMBER]    every batch that names one of them fails (40197 where no number is given)
//! refuse-ids                   none is refused any more
//! passwords A,B                these are accepted from now on
//! login-error NUMBER [TIMES]
//! route HOST[\INSTANCE] PORT
//! error NUMBER [AFTER_ROWS [TIMES]]
//! statement-error NUMBER [PLACE [TIMES]]   one statement fails, the batch goes on
//! empty yes|no                 the tables are being loaded: no attempt is found
//! names                        the ServerName of each login
//! drop|cut|reset|stall|end AFTER_ROWS [TIMES]
//! slow MILLISECONDS [TIMES]
//! counts                       logins, refused logins, batches
//! ```

use std::{str::FromStr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::script::{BatchFault, LoginFault, Script};

/// Serves commands until the process ends.
pub async fn serve(listener: TcpListener, script: Arc<Script>) {
    while let Ok((socket, _)) = listener.accept().await {
        let script = script.clone();
        tokio::spawn(async move { converse(socket, &script).await });
    }
}

async fn converse(socket: TcpStream, script: &Script) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match apply(script, &line) {
            Ok(answer) => format!("ok {answer}\n"),
            Err(why) => format!("error {why}\n"),
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Does what a line says.
pub fn apply(script: &Script, line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let command = words.next().ok_or("an empty line")?;
    let words: Vec<&str> = words.collect();
    let times = |at: usize| words.get(at).map_or(Ok(1), |word| number::<usize>(word));
    let batches = |fault: BatchFault, times: usize| (0..times).for_each(|_| script.fail_batch(fault.clone()));
    match (command, words.as_slice()) {
        ("refuse-ids", []) => script.refuse_ids([], 0),
        ("refuse-ids", [ids, rest @ ..]) => {
            let ids = ids.split(',').map(number).collect::<Result<Vec<i64>, _>>()?;
            script.refuse_ids(ids, rest.first().map_or(Ok(40197), |word| number(word))?);
        }
        ("passwords", [passwords]) => script.accept_passwords(&passwords.split(',').collect::<Vec<_>>()),
        ("login-error", [error, ..]) => {
            let error = number(error)?;
            (0..times(1)?).for_each(|_| script.fail_login(LoginFault::Error(error)));
        }
        ("error", [error, ..]) => {
            let after_rows = words.get(1).map_or(Ok(0), |word| number(word))?;
            batches(BatchFault::Error { number: number(error)?, after_rows }, times(2)?);
        }
        ("route", [host, port]) => {
            script.fail_login(LoginFault::Route((*host).to_owned(), number(port)?));
        }
        ("statement-error", [error, ..]) => {
            let place = words.get(1).map_or(Ok(0), |word| number(word))?;
            batches(BatchFault::Statement { number: number(error)?, place }, times(2)?);
        }
        ("empty", [word]) => script.empty_tables(*word == "yes"),
        ("names", []) => return Ok(script.server_names().join(" ")),
        ("slow", [milliseconds, ..]) => {
            batches(BatchFault::Slow(Duration::from_millis(number(milliseconds)?)), times(1)?);
        }
        (kind @ ("drop" | "cut" | "reset" | "stall" | "end"), [after, ..]) => {
            let after_rows = number(after)?;
            let fault = match kind {
                "drop" => BatchFault::Drop { after_rows },
                "cut" => BatchFault::Cut { after_rows },
                "reset" => BatchFault::Reset { after_rows },
                "stall" => BatchFault::Stall { after_rows },
                _ => BatchFault::EndWithoutDone { after_rows },
            };
            batches(fault, times(1)?);
        }
        ("counts", []) => {
            return Ok(format!("{} {} {}", script.logins(), script.refused_logins(), script.batches()));
        }
        _ => return Err(format!("{line:?} is no command")),
    }
    Ok(String::new())
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number here"))
}
