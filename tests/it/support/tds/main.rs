//! The scripted SQL Server on its own, for demos and the cluster.
//!
//! Serves the exported tables of a folder until it is stopped. Prints one line when it is ready:
//! `ready ADDRESS CONTROL-ADDRESS|- CONNECTION-STRING` (without the password).

use std::{error::Error, io::Write, net::SocketAddr, path::PathBuf};

use clap::Parser;
use tds::{Encryption, Options, TdsServer, data::Data};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[path = "../tds.rs"]
mod tds;

/// A SQL Server of two tables, with faults on demand.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    /// Folder with Rogo_AssessmentReport.csv and Rogo_AssessmentReportScores.csv.
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, default_value = "reader")]
    user: String,
    #[arg(long, env = "TDS_PASSWORD", hide_env_values = true)]
    password: String,
    /// Refuse connections that do not encrypt everything.
    #[arg(long)]
    tls: bool,
    /// Write the certificate (PEM) here.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Answer as Azure Synapse does.
    #[arg(long)]
    synapse: bool,
    /// No index leads on AttemptId.
    #[arg(long)]
    no_index: bool,
    /// Rows come in the opposite order.
    #[arg(long)]
    reversed: bool,
    /// Take commands here: see control.rs.
    #[arg(long)]
    control: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let options = Options {
        listen: arguments.listen,
        user: arguments.user.clone(),
        password: arguments.password,
        encryption: if arguments.tls { Encryption::Required } else { Encryption::Offered },
        engine_edition: if arguments.synapse { 6 } else { 5 },
        has_index: !arguments.no_index,
        reversed: arguments.reversed,
        ..Options::default()
    };
    let server = TdsServer::start(Data::load(&arguments.data)?, options).await?;
    if let Some(path) = arguments.certificate {
        std::fs::write(path, &server.certificate_pem)?;
    }
    let mut control = "-".to_owned();
    if let Some(address) = arguments.control {
        let listener = TcpListener::bind(address).await?;
        control = listener.local_addr()?.to_string();
        tokio::spawn(tds::control::serve(listener, server.script.clone()));
    }
    let address = server.address;
    writeln!(
        std::io::stdout(),
        "ready {address} {control} Server=tcp:{},{};Database=dw;User ID={};Encrypt={}",
        address.ip(),
        address.port(),
        arguments.user,
        if arguments.tls { "True" } else { "False" }
    )?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
