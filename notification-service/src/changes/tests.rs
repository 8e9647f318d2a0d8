use std::{convert::Infallible, pin::pin};

use futures_util::{FutureExt as _, future::join_all, poll};
use neonchat_common::{
    error::ErrorCode,
    grpc::client::GrpcClient,
    ids::{MessageId, SendId, TokenId, UserId},
    settings::GrpcSettings,
};
use neonchat_proto::chat::v1::{
    Change, ChangeMessageRequest, ChangeMessageResponse, ChangeMessageResult, ChangeMessagesRequest,
    ChangeMessagesResponse, Refusal, change_message_request::Change as WireChange,
    change_message_result::Result as Outcome, chat_service_server::SERVICE_NAME,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request as Call, Response, Status,
    body::Body,
    codegen::{BoxFuture, Context, Poll, Service, http},
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::*;
use crate::{
    shards::{ANSWER_TIMEOUT, Shard},
    unreachable,
};

/// A chat-service that only makes changes.
#[derive(Clone)]
struct StandIn {
    /// Whether it is a version that makes several changes with one call.
    has_batches: bool,
    /// Gets the emoji of the changes of each call.
    calls: mpsc::Sender<Vec<String>>,
    /// Each call takes one of these before it answers.
    answers: Arc<Semaphore>,
}

/// The emoji of changes that are refused.
const BAD: &str = "bad";

impl StandIn {
    async fn take(&self, changes: &[ChangeMessageRequest]) {
        self.calls.send(changes.iter().map(emoji).collect()).await.expect("record call");
        self.answers.acquire().await.expect("wait for permit").forget();
    }

    async fn one(self, change: ChangeMessageRequest) -> Result<Response<ChangeMessageResponse>, Status> {
        self.take(std::slice::from_ref(&change)).await;
        if emoji(&change) == BAD {
            return Err(ApiError::new(ErrorCode::NotFound, "no such message").into());
        }
        Ok(Response::new(made(&change)))
    }

    async fn many(self, changes: Vec<ChangeMessageRequest>) -> Result<Response<ChangeMessagesResponse>, Status> {
        self.take(&changes).await;
        let refusal = || Refusal { code: "not_found".into(), detail: "no such message".into(), ..Refusal::default() };
        let result = |change: &ChangeMessageRequest| match &*emoji(change) {
            BAD => Outcome::Refused(refusal()),
            _ => Outcome::Made(made(change)),
        };
        let results = changes.iter().map(|change| ChangeMessageResult { result: Some(result(change)) }).collect();
        Ok(Response::new(ChangeMessagesResponse { results }))
    }
}

fn emoji(change: &ChangeMessageRequest) -> String {
    let Some(WireChange::React(react)) = &change.change else { panic!("unexpected change: {change:?}") };
    react.emoji.clone()
}

/// Returns the outcome of a change; its `seq` is the length of the emoji.
fn made(change: &ChangeMessageRequest) -> ChangeMessageResponse {
    let event = Change {
        actor_id: change.actor_id.clone(),
        request_id: change.request_id.clone(),
        frame: b"{}".into(),
        ..Change::default()
    };
    let seq = emoji(change).len().try_into().expect("short emoji");
    ChangeMessageResponse { seq, event: Some(event), ..ChangeMessageResponse::default() }
}

impl NamedService for StandIn {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<http::Request<Body>> for StandIn {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match (&*method, this.has_batches) {
                ("ChangeMessage", _) => {
                    let answer = |call: Call<ChangeMessageRequest>| this.clone().one(call.into_inner());
                    Grpc::new(ProstCodec::default()).unary(service_fn(answer), request).await
                }
                ("ChangeMessages", true) => {
                    let answer = |call: Call<ChangeMessagesRequest>| this.clone().many(call.into_inner().changes);
                    Grpc::new(ProstCodec::default()).unary(service_fn(answer), request).await
                }
                _ => Status::unimplemented(method).into_http(),
            })
        })
    }
}

/// An instance with one shard, whose dependencies are unreachable except for a stand-in for chat-service.
struct Fixture {
    socket: Arc<Socket>,
    changes: Changes,
    answers: Arc<Semaphore>,
    tasks: Tasks,
}

impl Fixture {
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
        let (hub, user) = (Arc::<Hub>::default(), UserId::new());
        hub.reserve(user);
        let socket = hub.register(user, TokenId::new(), None, &[]);
        let (shard, queued) = Shard::new(10);
        tasks.spawn(queued.run(worker(&hub, chat_service, &tasks), tasks.stop_token()));
        let changes = Changes(Shards::of(Box::new([shard])));
        (Self { socket, changes, answers, tasks }, received)
    }

    /// Makes a change. Returns the `seq` in the ack.
    async fn react(&self, emoji: &str) -> Result<Option<Seq>, ErrorCode> {
        let change = NewChange::React { message_id: MessageId::new(), emoji: emoji.to_owned(), on: true };
        let ack = self.changes.make(&self.socket, ChatId::new(), SendId::new().into(), change).await;
        match ack.map_err(|error| error.code)? {
            ServerFrame::Ack { acked: Acked::Change { seq, .. }, .. } => Ok(seq),
            other => panic!("{other:?}"),
        }
    }
}

fn worker(hub: &Arc<Hub>, chat_service: ChatService, tasks: &Tasks) -> ChangeWorker {
    ChangeWorker { hub: Arc::clone(hub), chat_service, delivery: unreachable::delivery(hub), tasks: tasks.clone() }
}

#[tokio::test]
async fn changes_that_wait_share_the_next_call() {
    let (f, mut calls) = Fixture::start(true);
    let mut first = pin!(f.react("1"));
    assert!(poll!(&mut first).is_pending());
    assert_eq!(calls.recv().await, Some(vec!["1".to_owned()]));
    let mut others = pin!(join_all(["22", BAD, "4444"].map(|emoji| f.react(emoji))));
    assert!(poll!(&mut others).is_pending());
    f.answers.add_permits(1);
    assert_eq!(first.await, Ok(Some(1)));
    assert_eq!(calls.recv().await, Some(["22", BAD, "4444"].map(str::to_owned).to_vec()), "in their order");
    f.answers.add_permits(1);
    assert_eq!(others.await, [Ok(Some(2)), Err(ErrorCode::NotFound), Ok(Some(4))]);
    assert!(f.tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn makes_single_calls_to_a_chat_service_without_batches() {
    let (f, mut calls) = Fixture::start(false);
    f.answers.add_permits(4);
    assert_eq!(f.react("1").await, Ok(Some(1)));
    let others = ["22", BAD, "4444"].map(|emoji| f.react(emoji));
    assert_eq!(join_all(others).await, [Ok(Some(2)), Err(ErrorCode::NotFound), Ok(Some(4))]);
    let mut made = Vec::new();
    while made.len() < 4 {
        made.push(calls.recv().await.expect("get call").concat());
    }
    made.sort_unstable();
    assert_eq!(made, ["1", "22", "4444", BAD]);
}

#[tokio::test(start_paused = true)]
async fn refuses_in_time_while_too_many_changes_wait() {
    let (hub, user, chat) = (Arc::<Hub>::default(), UserId::new(), ChatId::new());
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &[]);
    let (shard, queued) = Shard::new(1);
    let changes = Changes(Shards::of(Box::new([shard])));
    let make = || {
        let change = NewChange::Delete { message_ids: vec![MessageId::new()] };
        changes.make(&socket, chat, SendId::new().into(), change)
    };
    let mut first = pin!(make());
    assert!(poll!(&mut first).is_pending());
    let began = Instant::now();
    let error = make().await.expect_err("exceed capacity");
    assert_eq!((error.code, began.elapsed()), (ErrorCode::Unavailable, ANSWER_TIMEOUT));
    // The first one has waited too long by now.
    let tasks = Tasks::new();
    tasks.spawn(queued.run(worker(&hub, unreachable::chat_service(), &tasks), CancellationToken::new()));
    assert_eq!(first.await.expect_err("waited too long").code, ErrorCode::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn continues_if_connection_ends() {
    let (hub, user, chat, tasks) = (Arc::<Hub>::default(), UserId::new(), ChatId::new(), Tasks::new());
    hub.reserve(user);
    let socket = hub.register(user, TokenId::new(), None, &[]);
    let changes = Changes::start(&hub, &unreachable::chat_service(), &unreachable::delivery(&hub), &tasks);
    let id = SendId::new();
    let change = NewChange::Delete { message_ids: vec![MessageId::new()] };
    // The connection's future is dropped while chat-service has not answered.
    assert!(changes.make(&socket, chat, id.into(), change).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(hub.requesting_sockets(user, Request::Change(id), chat, 1), [socket.id]);
    assert!(tasks.finish(Duration::from_secs(10)).await, "the change ends");
    assert!(hub.requesting_sockets(user, Request::Change(id), chat, 1).is_empty());
}
