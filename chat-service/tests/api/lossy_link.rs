//! A TCP link to Postgres that breaks between a commit and its answer.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The end of each answer of Postgres outside a transaction (`ReadyForQuery`): everything before it is committed.
const READY: &[u8] = b"Z\0\0\0\x05I";

const BUFFER: usize = 64 * 1024;

/// A TCP relay in front of Postgres. It ends with the test.
pub(crate) struct LossyLink {
    port: u16,
    lost: Arc<Mutex<Option<&'static str>>>,
}

impl LossyLink {
    /// Starts a relay to a port of 127.0.0.1.
    pub(crate) async fn to(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind port");
        let port = listener.local_addr().expect("get address").port();
        let lost = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await.expect("connect to Postgres");
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(pass_on(near_read, far_write, Arc::default()));
                tokio::spawn(pass_on(far_read, near_write, Arc::clone(&shared)));
            }
        });
        Self { port, lost }
    }

    /// The port that it listens on.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Breaks the next connection that commits a command with this tag (`INSERT 0 1`), instead of passing on the answer.
    pub(crate) fn lose_answer(&self, tag: &'static str) {
        *self.lost.lock().expect("lock") = Some(tag);
    }

    /// Returns whether the answer was lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.lock().expect("lock").is_none()
    }
}

/// Relays bytes until an answer has to be lost.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: Arc<Mutex<Option<&'static str>>>) {
    let work = async {
        // The buffer is larger than any single write of Postgres, so that no tag is split.
        let mut answer = Vec::with_capacity(BUFFER);
        loop {
            if from.read_buf(&mut answer).await? == 0 {
                return Ok(());
            }
            let tag = *lost.lock().expect("lock");
            if tag.is_some_and(|tag| contains(&answer, tag.as_bytes())) {
                if !answer.ends_with(READY) {
                    continue;
                }
                *lost.lock().expect("lock") = None;
                return Ok(());
            }
            to.write_all(&answer).await?;
            answer.clear();
        }
    };
    // Dropping both halves also ends the other direction.
    let _: io::Result<()> = work.await;
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
