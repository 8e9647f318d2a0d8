//! The wake queue on a worker, with writers that only record.

use std::{cell::RefCell, rc::Rc};

use futures_util::future::join_all;
use neonchat_common::ids::{ChatId, TokenId, UserId};
use tokio::task::{JoinHandle, LocalSet};

use super::*;
use crate::{hub::SocketId, protocol::Frame};

type Journal = Rc<RefCell<Vec<SocketId>>>;

fn socket() -> Arc<Socket> {
    Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None))
}

fn push(socket: &Arc<Socket>, is_for_many: bool) {
    socket.push_durable(ChatId::new(), 1, &Frame::opaque("x"), is_for_many);
}

/// Runs a writer that records one frame, and then calls `written`.
#[expect(clippy::disallowed_methods, reason = "the test waits for the task")]
fn write_one(journal: &Journal, socket: &Arc<Socket>, written: impl FnOnce() + 'static) -> JoinHandle<()> {
    let (journal, socket) = (Rc::clone(journal), Arc::clone(socket));
    tokio::task::spawn_local(async move {
        socket.outbox.next().await;
        journal.borrow_mut().push(socket.id);
        written();
    })
}

#[tokio::test]
async fn serves_other_sockets_between_slices() {
    let (wake_queue, journal, other) = (Arc::<WakeQueue>::default(), Journal::default(), socket());
    let crowd: Vec<_> = (0..2 * SLICE).map(|_| socket()).collect();
    let worker = LocalSet::new();
    let written = async {
        let mut writers = vec![write_one(&journal, &other, || ())];
        for (i, socket) in crowd.iter().enumerate() {
            socket.set_wake_queue(Arc::clone(&wake_queue));
            let other = (i == 0).then(|| Arc::clone(&other));
            writers.push(write_one(&journal, socket, move || {
                if let Some(other) = other {
                    push(&other, false);
                }
            }));
        }
        // Every writer waits.
        yield_now().await;
        for socket in &crowd {
            push(socket, true);
        }
        join_all(writers).await
    };
    worker
        .run_until(async {
            tokio::select! {
                () = wake_queue.run() => {}
                _ = written => {}
            }
        })
        .await;
    let journal = journal.borrow();
    let slice: Vec<_> = crowd[..SLICE].iter().map(|socket| socket.id).collect();
    assert_eq!(journal.len(), crowd.len() + 1);
    assert_eq!(journal[..SLICE], slice);
    assert_eq!(journal[SLICE], other.id);
}

#[test]
fn has_each_socket_once() {
    let (wake_queue, socket) = (Arc::<WakeQueue>::default(), socket());
    socket.set_wake_queue(Arc::clone(&wake_queue));
    push(&socket, true);
    push(&socket, true);
    assert_eq!(wake_queue.lock().len(), 1);
    assert!(wake_queue.wake_slice() && !wake_queue.wake_slice());
    push(&socket, true);
    assert_eq!(wake_queue.lock().len(), 1);
}

#[test]
fn small_fan_out_does_not_wait() {
    let (wake_queue, socket) = (Arc::<WakeQueue>::default(), socket());
    socket.set_wake_queue(Arc::clone(&wake_queue));
    push(&socket, false);
    assert!(!wake_queue.wake_slice());
}
