//! Ports that a test holds: the system gives them to no other process, and nothing listens there until a server of the test does.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// A port of loopback. As long as this lives, the system gives it to no other server and to no outgoing connection. It is bound only:
/// connections are refused, unless a server that reuses addresses, as all that the tests start do, was told to listen there.
pub struct Port(TcpSocket);

impl Port {
    pub fn hold() -> Self {
        Self(bound("127.0.0.1:0".parse().unwrap()))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn number(&self) -> u16 {
        self.address().port()
    }

    /// A server of this process.
    pub fn listen(&self) -> TcpListener {
        bound(self.address()).listen(1024).unwrap()
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket
}

#[tokio::test]
async fn a_held_port_refuses_until_a_server_of_the_test_listens_and_no_other_socket_gets_it() {
    use tokio::net::TcpStream;

    let port = Port::hold();
    let refused = async || TcpStream::connect(port.address()).await.unwrap_err().kind();
    for _ in 0..2 {
        assert_eq!(refused().await, std::io::ErrorKind::ConnectionRefused);
        // A server that does not reuse addresses finds it taken.
        let other = TcpSocket::new_v4().unwrap();
        assert_eq!(other.bind(port.address()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        let listener = port.listen();
        let (client, server) = tokio::join!(TcpStream::connect(port.address()), listener.accept());
        assert_eq!(client.unwrap().peer_addr().unwrap().port(), port.number());
        drop(server);
    }
}
