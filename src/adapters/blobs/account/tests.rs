//! How long a storage service may be silent before a request is tried again.

use std::net::{SocketAddr, TcpStream};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket},
    time::{Instant, sleep},
};

use super::*;

/// The longest that a service works on one request before it answers; Azure's own limit.
const AT_WORK: Duration = Duration::from_secs(30);
/// What a try may cost: a run gives up after 15 min without an answer, and tries several times before.
const ONE_TRY: Duration = Duration::from_mins(2);

/// Asks there, until an answer comes or the request is given up; whether one came, and after how long.
async fn asked(address: SocketAddr) -> (bool, Duration) {
    let client = connections(Service::TargetBlobs).unwrap();
    let began = Instant::now();
    let answer = client.get(format!("http://{address}/")).send().await;
    (answer.is_ok(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_service_at_work_is_waited_for_and_a_silent_one_is_asked_again() {
    for (answers_after, answers) in [(AT_WORK, true), (Duration::from_hours(1), false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            sleep(answers_after).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        });
        let (came, took) = asked(address).await;
        serving.abort();
        assert_eq!(came, answers, "{took:?}");
        assert!(took >= AT_WORK && took <= ONE_TRY, "{took:?}");
    }
}

/// The system sends the first packet of a connection again after 1 s, 3 s and 7 s.
#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_open_survives_three_lost_packets_and_is_then_left() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // It accepts none: once its queue is full, further ones do not open. Less than the time until a packet is sent again.
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(900)) {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue has no end");
    }
    let (came, took) = asked(address).await;
    assert!(!came && took >= Duration::from_secs(8) && took <= AT_WORK, "{took:?}");
}
