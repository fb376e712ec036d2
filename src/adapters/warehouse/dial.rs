//! Opens TCP connections to the warehouse, with a timeout. The driver leaves both to its caller.

use std::{io, net::SocketAddr};

use futures_util::future::select_ok;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    connection_string::{Addresses, ConnectionString},
    faults,
};
use crate::ports::{Fault, FaultKind, Service};

/// Address to log in to: the connection string's server, or the server that a gateway names.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Whether it is the connection string's server: a gateway that sends its clients on has answered.
    pub(super) fn is_own(&self, settings: &ConnectionString) -> bool {
        (self.host.as_str(), self.port) == (settings.host.as_str(), settings.port)
    }

    /// Connects within the connection string's timeout; `place` names the server in messages. Only a fault of the connection
    /// string's own server says that no host answered.
    pub(super) async fn connect(&self, settings: &ConnectionString, place: &str) -> Result<TcpStream, Fault> {
        let longest = settings.connect_timeout;
        let is_own = self.is_own(settings);
        let place = if is_own {
            place.to_owned()
        } else {
            format!("{place} (which sends its clients on to {},{})", self.host, self.port)
        };
        let unreached = |fault: Fault| if is_own { fault.unreached() } else { fault };
        let refused = |error: io::Error| {
            unreached(Fault::caused(
                Service::Warehouse,
                FaultKind::Unavailable,
                format!("{place}: cannot be reached; check host, port, firewall and network"),
                error,
            ))
        };
        let dialled = timeout(longest, async {
            let found = lookup_host((self.host.as_str(), self.port)).await?.collect::<Vec<_>>();
            first_of(settings.addresses, &found).await
        });
        let stream = dialled
            .await
            .map_err(|_| {
                unreached(faults::unavailable(format!(
                    "{place}: no answer within {} s; check host and firewall",
                    longest.as_secs()
                )))
            })?
            .map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        Ok(stream)
    }
}

/// The first address that answers. `MultiSubnetFailover`: an availability group's listener has several addresses, of
/// which one answers; all are tried at once.
async fn first_of(order: Addresses, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    match order {
        Addresses::InTurn => TcpStream::connect(addresses).await,
        Addresses::AtOnce => {
            let dialled = addresses.iter().map(|address| Box::pin(TcpStream::connect(*address)));
            select_ok(dialled).await.map(|(stream, _)| stream)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// What is not answered within this time is not answered: the system sends the first packet again after a second.
    const UNANSWERED: Duration = Duration::from_millis(900);

    #[tokio::test]
    async fn a_silent_address_does_not_keep_another_from_answering() {
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let silent = silent.listen(1).unwrap();
        let silent_address = silent.local_addr().unwrap();
        // Once its queue is full, the system leaves further connections without an answer.
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(UNANSWERED, TcpStream::connect(silent_address)).await {
            waiting.push(stream.unwrap());
        }
        let answering = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addresses = [silent_address, answering.local_addr().unwrap()];
        let at_once = timeout(Duration::from_secs(10), first_of(Addresses::AtOnce, &addresses)).await;
        assert_eq!(at_once.unwrap().unwrap().peer_addr().unwrap(), addresses[1]);
        let in_turn = timeout(Duration::from_millis(300), first_of(Addresses::InTurn, &addresses)).await;
        assert!(in_turn.is_err(), "the second address is tried when the first has refused");
        assert!(first_of(Addresses::AtOnce, &[]).await.is_err());
    }
}
