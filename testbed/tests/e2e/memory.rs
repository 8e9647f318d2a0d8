//! The memory use of requests.

use std::{fs, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use reqwest::Client;

use crate::helpers::Running;

/// The limit for the growth by all compressed bodies together.
const MOST_KIB: u64 = 16 * 1024;

/// Returns JSON of some 60 MiB, compressed to 64 KiB.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"{\"username\":\"alice\",\"password\":\"").expect("compress body");
    let block = vec![b'x'; 64 * 1024];
    for _ in 0..960 {
        encoder.write_all(&block).expect("compress body");
    }
    encoder.write_all(b"\"}").expect("compress body");
    encoder.finish().expect("compress body")
}

/// Returns the peak memory of a process, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("read status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("find peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("parse number")
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_not_expanded() {
    let running = Running::start(&[]).await;
    let bomb = bomb();
    assert!(bomb.len() <= 64 * 1024, "{}", bomb.len());
    let client = Client::new();
    let notification = running.system.websocket().replace("ws://", "http://");
    let chat = (running.system.rest(), running.system.chat_id().expect("get process ID"));
    let notification = (notification, running.system.notification_ids().expect("get process IDs")[0]);
    for ((base, process), path) in
        [(&chat, "/api/v1/auth/login"), (&chat, "/api/v1/auth/register"), (&notification, "/live")]
    {
        let send = || async {
            let request = client.post(format!("{base}{path}")).header("content-type", "application/json");
            request.header("content-encoding", "gzip").body(bomb.clone()).send().await.expect("receive answer").status()
        };
        // The first requests allocate memory regardless of the body.
        join_all((0..32).map(|_| send())).await;
        let before = peak_kib(*process);
        let statuses = join_all((0..96).map(|_| send())).await;
        assert!(statuses.iter().all(|status| *status == 415), "{path}: {statuses:?}");
        // The kernel counts the pages of each thread apart, so the peak is not exact and may even fall.
        let grown = peak_kib(*process).saturating_sub(before);
        assert!(grown < MOST_KIB, "{path}: {grown} KiB");
    }
}
