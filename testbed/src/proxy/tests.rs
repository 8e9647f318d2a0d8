//! Each disturbance, on real sockets. Waits are bounded, and long enough for a busy machine.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::*;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// A proxy before a server that sends everything back.
async fn echo() -> Proxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Proxy::start(port).expect("a proxy")
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.expect("a connection")
}

/// Says something and waits until it comes back; returns how long that took.
async fn ask(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut answer = vec![0; text.len()];
    let (mut read, mut write) = stream.split();
    let talk = async { tokio::try_join!(write.write_all(text), read.read_exact(&mut answer)) };
    timeout(ANSWER_TIMEOUT, talk).await.expect("an answer in time").expect("an answer");
    assert_eq!(answer, text);
    begun.elapsed()
}

#[tokio::test]
async fn an_undisturbed_link_carries_everything_both_ways_and_the_end_too() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, &vec![7; 3_000_000]).await;
    stream.shutdown().await.expect("an end");
    assert_eq!(timeout(ANSWER_TIMEOUT, stream.read(&mut [0])).await.expect("in time").expect("no error"), 0);
}

#[tokio::test]
async fn a_delay_is_one_of_time_and_not_of_throughput() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b"before").await;
    let delay = Duration::from_millis(150);
    proxy.disturb(Disturbance::Delay(delay));
    assert!(ask(&mut stream, b"there and back").await >= 2 * delay);
    // Some hundred chunks, each way.
    let taken = ask(&mut stream, &vec![7; 1_600_000]).await;
    assert!(taken < 20 * delay, "{taken:?}");
}

#[tokio::test]
async fn a_cut_link_is_silent_and_stays_open_and_brings_everything_when_it_is_healed() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Cut);
    let mut late = connect(&proxy).await;
    for stream in [&mut stream, &mut late] {
        stream.write_all(b"kept").await.expect("taken");
        timeout(SILENCE, stream.read_u8()).await.expect_err("nothing comes");
    }
    proxy.heal();
    for mut stream in [stream, late] {
        let mut answer = [0; 4];
        timeout(ANSWER_TIMEOUT, stream.read_exact(&mut answer)).await.expect("in time").expect("an answer");
        assert_eq!(&answer, b"kept");
    }
}

#[tokio::test]
async fn a_reset_ends_what_is_open_and_what_is_new_with_an_error() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Reset);
    let ended = timeout(ANSWER_TIMEOUT, stream.read_u8()).await.expect("in time");
    assert_eq!(ended.expect_err("an error").kind(), std::io::ErrorKind::ConnectionReset);
    let mut late = connect(&proxy).await;
    timeout(ANSWER_TIMEOUT, late.read_u8()).await.expect("in time").expect_err("an error");
    proxy.heal();
    ask(&mut connect(&proxy).await, b"after").await;
}

#[tokio::test]
async fn a_throttled_link_takes_its_time() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b"before").await;
    proxy.disturb(Disturbance::Throttle(10_000));
    let taken = ask(&mut stream, &[7; 5000]).await;
    assert!(taken >= Duration::from_millis(300), "{taken:?}");
}

#[tokio::test]
async fn where_nobody_listens_the_connection_ends() {
    let port = crate::port::free().expect("a port");
    let proxy = Proxy::start(port).expect("a proxy");
    let mut stream = connect(&proxy).await;
    timeout(ANSWER_TIMEOUT, stream.read_u8()).await.expect("in time").expect_err("an error");
}
