mod stand_in;

use futures_util::future::join_all;
use neonchat_common::{
    error::ErrorCode,
    grpc::client::GrpcClient,
    ids::{ChatId, MessageId, RequestId, SendId, Seq, TokenId, UserId},
    message::MessageText,
    settings::GrpcSettings,
};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};

use self::stand_in::{BAD, StandIn};
use super::{call::log_causes, *};
use crate::{
    close::CloseReason,
    hub::outbox::Next,
    protocol::{Given, NewChange},
    test_log::Log,
    unreachable,
};

/// An instance with one shard, whose dependencies are unreachable except for a stand-in for chat-service.
struct Fixture {
    hub: Arc<Hub>,
    user: UserId,
    queue: RequestQueue,
    /// The changes that may be made.
    answers: Arc<Semaphore>,
    tasks: Tasks,
}

impl Fixture {
    /// Returns also what chat-service is asked for: the emoji of changes, and the texts of messages.
    fn start(has_batches: bool) -> (Self, mpsc::Receiver<Vec<String>>) {
        let (calls, received) = mpsc::channel(100);
        let answers = Arc::new(Semaphore::new(0));
        let stand_in = StandIn { has_batches, calls, answers: Arc::clone(&answers) };
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("parse address")).expect("bind port");
        let address = incoming.local_addr().expect("get address").to_string();
        let tasks = Tasks::new();
        let server = Server::builder().add_service(stand_in);
        tasks.spawn_until_stopped(async move { server.serve_with_incoming(incoming).await.expect("serve") });
        let timeout = Duration::from_secs(10);
        let settings = GrpcSettings { internal_token: "token".into(), timeout, attempts: 1, tls: None };
        let chat_service = ChatService::new(GrpcClient::new(&[address], &settings).expect("create client"));
        let hub = Arc::<Hub>::default();
        let (shard, worker) = Shard::new(10, services(&hub, chat_service, &tasks));
        tasks.spawn(worker.run(tasks.stop_token()));
        let queue = RequestQueue::of(Box::new([shard]));
        (Self { hub, user: UserId::new(), queue, answers, tasks }, received)
    }

    /// Queues a change. Returns the socket that gets the answer.
    async fn react(&self, emoji: &str) -> Arc<Socket> {
        let change = NewChange::React { message_id: MessageId::new(), emoji: emoji.to_owned(), on: true };
        self.submit(client_change(self.user, change)).await
    }

    /// Queues a message. Returns the socket that gets the answer.
    async fn send(&self, text: &str) -> Arc<Socket> {
        self.submit(message(self.user, text)).await
    }

    async fn submit(&self, request: NewRequest) -> Arc<Socket> {
        let socket = connect(&self.hub, self.user);
        self.queue.submit(&socket, request).await.expect("queue request");
        socket
    }
}

fn services(hub: &Arc<Hub>, chat_service: ChatService, tasks: &Tasks) -> Services {
    Services { hub: Arc::clone(hub), chat_service, delivery: unreachable::delivery(hub), tasks: tasks.clone() }
}

fn connect(hub: &Hub, user: UserId) -> Arc<Socket> {
    hub.reserve(user);
    hub.register(user, TokenId::new(), None, &[])
}

fn client_change(user: UserId, change: NewChange) -> NewRequest {
    let (request_id, trace) = (SendId::new().into(), trace::Span::default());
    NewRequest::Change(ClientChange { user, chat: ChatId::new(), request_id, change, trace })
}

fn message(sender_id: UserId, text: &str) -> NewRequest {
    NewRequest::Send(NewMessage {
        chat_id: ChatId::new(),
        sender_id,
        text: MessageText::try_from(text.to_owned()).expect("valid text"),
        given: Given::default(),
        request_id: SendId::new().to_string().parse::<RequestId>().expect("parse ID"),
        trace: trace::Span::default(),
    })
}

/// Returns the `seq` in an ack, or the code of an error.
async fn answer(socket: Arc<Socket>) -> Result<Seq, String> {
    let Next::Frame(frame) = socket.outbox.next().await else { panic!("socket closed") };
    let frame: Value = serde_json::from_str(frame.as_str()).expect("parse frame");
    match frame["type"].as_str() {
        Some("ack" | "message_sent") => Ok(frame["seq"].as_i64().expect("number")),
        Some("error") => Err(frame["code"].as_str().expect("text").to_owned()),
        _ => panic!("{frame}"),
    }
}

/// Returns the next call to chat-service.
async fn next(calls: &mut mpsc::Receiver<Vec<String>>) -> Vec<String> {
    calls.recv().await.expect("get call")
}

#[tokio::test]
async fn changes_that_wait_share_the_next_call() {
    let (f, mut calls) = Fixture::start(true);
    let first = f.react("1").await;
    assert_eq!(next(&mut calls).await, ["1"]);
    let others = join_all(["22", BAD, "4444"].map(|emoji| f.react(emoji))).await;
    f.answers.add_permits(1);
    assert_eq!(answer(first).await, Ok(1));
    assert_eq!(next(&mut calls).await, ["22", BAD, "4444"], "in their order");
    f.answers.add_permits(1);
    assert_eq!(join_all(others.into_iter().map(answer)).await, [Ok(2), Err("not_found".to_owned()), Ok(4)]);
    assert!(f.tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn makes_single_calls_to_a_chat_service_without_batches() {
    let (f, mut calls) = Fixture::start(false);
    f.answers.add_permits(4);
    assert_eq!(answer(f.react("1").await).await, Ok(1));
    let others = join_all(["22", BAD, "4444"].map(|emoji| f.react(emoji))).await;
    assert_eq!(join_all(others.into_iter().map(answer)).await, [Ok(2), Err("not_found".to_owned()), Ok(4)]);
    let mut made = Vec::new();
    while made.len() < 4 {
        made.push(next(&mut calls).await.concat());
    }
    made.sort_unstable();
    assert_eq!(made, ["1", "22", "4444", BAD]);
}

#[tokio::test]
async fn messages_do_not_wait_for_slow_changes() {
    let (f, mut calls) = Fixture::start(true);
    let slow = f.react("1").await;
    assert_eq!(next(&mut calls).await, ["1"]);
    assert_eq!(answer(f.send("hello").await).await, Ok(1));
    assert_eq!(next(&mut calls).await, ["hello"]);
    // The next changes wait for the earlier ones. Messages do not, whether queued with them or alone.
    let (next_change, with_it) = (f.react("22").await, f.send("again").await);
    assert_eq!(answer(with_it).await, Ok(1));
    assert_eq!(next(&mut calls).await, ["again"]);
    f.answers.add_permits(1);
    assert_eq!(answer(slow).await, Ok(1));
    assert_eq!(next(&mut calls).await, ["22"]);
    f.answers.add_permits(1);
    assert_eq!(answer(next_change).await, Ok(2));
    assert!(f.tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn socket_reads_on_while_its_changes_are_made() {
    let (f, mut calls) = Fixture::start(true);
    let socket = f.react("1").await;
    assert_eq!(next(&mut calls).await, ["1"]);
    assert!(socket.outbox.has_request_capacity());
    socket.outbox.close(CloseReason::Slow);
    f.answers.add_permits(1);
    assert_eq!(answer(Arc::clone(&socket)).await, Ok(1), "it closes after the answer");
    assert_eq!(socket.outbox.next().await, Next::Close(CloseReason::Slow));
    assert!(f.tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test(start_paused = true)]
async fn refuses_what_waits_too_long_and_logs_it_once() {
    let (log, _guard) = Log::start();
    let (hub, user) = (Arc::<Hub>::default(), UserId::new());
    let socket = connect(&hub, user);
    let (shard, worker) = Shard::new(4, services(&hub, unreachable::chat_service(), &Tasks::new()));
    let queue = RequestQueue::of(Box::new([shard]));
    let delete = || client_change(user, NewChange::Delete { message_ids: vec![MessageId::new()] });
    for request in [message(user, "x"), delete(), message(user, "x"), delete()] {
        queue.submit(&socket, request).await.expect("queue request");
    }
    for request in [message(user, "x"), delete(), message(user, "x")] {
        let began = Instant::now();
        let error = queue.submit(&socket, request).await.expect_err("exceed capacity");
        assert_eq!((error.code, began.elapsed()), (ErrorCode::Unavailable, ANSWER_TIMEOUT));
    }
    drop(queue);
    // The queued requests have waited too long by now.
    worker.run(CancellationToken::new()).await;
    let counts = |cause| log.lines(cause).iter().map(|line| line.contains("count=2")).collect::<Vec<_>>();
    let full = log.lines("the queue of the shard is full");
    assert!(full.len() == 1 && full[0].contains("count=3"), "{full:?}");
    assert_eq!(counts("the request waited too long in its shard"), [true, true], "a line for each kind");
    for _ in 0..4 {
        assert_eq!(answer(Arc::clone(&socket)).await, Err("unavailable".to_owned()));
    }
}

#[test]
fn logs_equal_causes_of_a_batch_once() {
    let (log, _guard) = Log::start();
    let mut errors: Vec<_> = (0..500).map(|_| ApiError::unavailable("database", "down")).collect();
    errors.push(ApiError::internal("a bug"));
    errors.push(ApiError::new(ErrorCode::NotFound, "no such chat"));
    log_causes(&errors);
    assert_eq!(log.lines("").len(), 2);
    assert!(log.lines("dependency unavailable")[0].contains("count=500"));
    assert!(log.lines("internal error")[0].contains("count=1"));
}
