//! The handshake: from the HTTP request to a running connection. A refusal has an HTTP status, or for browsers a close code.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{self, HeaderValue},
    rt,
    web::{Data, Payload, Query},
};
use futures_util::FutureExt as _;
use neonchat_common::{
    bus::Channel,
    correlation,
    error::{ApiError, ErrorCode, NO_SUCH_CHAT},
    http::address::ClientAddress,
    ids::{ChatId, UserId},
    security::{SecurityEvent, excerpt},
    security_event,
    token::{Claims, TokenError, TokenRef, bearer},
};
use serde::Deserialize;
use tokio::{
    sync::{AcquireError, SemaphorePermit},
    time::{Instant, timeout},
};

use super::{
    frame_handler::FrameHandler,
    guard::ConnectionGuard,
    run::{refuse, run},
    socket_io::ActixSocket,
};
use crate::{
    close::{CloseReason, RECONNECT_DELAY_MS},
    connection_slots::{ConnectionSlot, RETRY_AFTER, at_capacity},
    hub::{Hub, Socket, UserChat, WakeQueue},
    limits::UserLimits,
    metrics::REFUSED_HANDSHAKES,
    state::AppState,
};

/// The subprotocol. A browser cannot set headers, so it offers the token together with this subprotocol.
const SUBPROTOCOL: &str = "neonchat.v1";

/// The prefix of a token that is offered as a subprotocol.
const BEARER_PREFIX: &str = "bearer.";

/// The most handshakes that call chat-service at the same time. Without this limit, thousands of concurrent reconnects, for
/// example after an instance was killed, would all exceed their timeout, and most of chat-service's work would be wasted.
pub(crate) const MAX_CONCURRENT_HANDSHAKES: usize = 32;

/// The most connections that are open only to be refused. They need no valid token, so they must not take the slots of others.
pub(crate) const MAX_REFUSED_HANDSHAKES: usize = 256;

/// How long a handshake waits for its permits. After that the client may succeed on another instance.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The query parameters of `/ws`.
#[derive(Deserialize)]
pub(crate) struct Parameters {
    token: Option<String>,
    /// Unparsed, so that an error can name the parameter.
    chat_id: Option<String>,
}

/// Handles `GET /ws`.
pub(crate) async fn connect(
    request: HttpRequest,
    body: Payload,
    parameters: Query<Parameters>,
    state: Data<AppState>,
    wake_queue: Data<WakeQueue>,
) -> Result<HttpResponse, ApiError> {
    let Ok((response, socket_io)) = ActixSocket::accept(&request, body, &[SUBPROTOCOL]).await else {
        return Ok(upgrade_required());
    };
    let address = ClientAddress::of_request(&request)?;
    let connection = match open(&request, address, parameters.into_inner(), &state).await {
        Ok(Opened { claims, limits, slot, socket }) => {
            socket.set_wake_queue(wake_queue.into_inner());
            let (hub, presence) = (Arc::clone(&state.hub), Arc::clone(&state.presence));
            let guard = ConnectionGuard::new(socket, hub, presence, Arc::clone(&state.receipts), slot);
            run_connection(guard, claims, limits, socket_io, state.clone()).left_future()
        }
        Err(refusal) => refuse_readably(&request, address, &state, refusal, socket_io)?.right_future(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it is tracked; the stream of the request body cannot leave this worker"
    )]
    rt::spawn(state.tasks.track(correlation::in_current_scope_untraced(connection)));
    Ok(response)
}

/// What a connection needs.
struct Opened {
    claims: Claims,
    limits: Arc<UserLimits>,
    slot: ConnectionSlot,
    socket: Arc<Socket>,
}

/// Why a handshake is refused. With a `reason`, a browser can be told (see [`refuse_readably`]).
struct Refusal {
    error: ApiError,
    reason: Option<CloseReason>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let reason = match error.code {
            // The signature is valid: chat-service knows that the token is revoked, or that its user does not exist.
            ErrorCode::Unauthorized => Some(CloseReason::Revoked),
            ErrorCode::Forbidden => Some(CloseReason::NoSuchChat),
            ErrorCode::RateLimited => Some(CloseReason::TooManyConnections),
            ErrorCode::Unavailable => Some(CloseReason::Unavailable),
            _ => None,
        };
        Self { error, reason }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let reason = match error {
            TokenError::Missing | TokenError::Invalid => CloseReason::Unauthorized,
            TokenError::Expired => CloseReason::Expired,
        };
        Self { error: error.into(), reason: Some(reason) }
    }
}

/// Checks a handshake, and registers its socket.
async fn open(
    request: &HttpRequest,
    address: ClientAddress,
    Parameters { token, chat_id }: Parameters,
    state: &AppState,
) -> Result<Opened, Refusal> {
    check_origin(request, address, state)
        .map_err(|error| Refusal { error, reason: Some(CloseReason::ForeignOrigin) })?;
    let chat_id = chat_id.as_deref().map(parse_chat_id).transpose()?;
    let claims = authenticate(request, token.as_deref(), state).inspect_err(|error| {
        if *error == TokenError::Invalid {
            security_event!(SecurityEvent::TokenRejected, client.address = %address);
        }
    })?;
    let limits = state.limits.of(claims.user_id, Instant::now());
    limits.acquire_handshake(Instant::now())?;
    let slot = state.slots.acquire(address)?;
    let socket = {
        let _permits = acquire_permits(&limits, state).await?;
        check_deployment(state).await?;
        register(&claims, chat_id, state).await.inspect_err(|error| {
            if error.code == ErrorCode::Unauthorized {
                security_event!(SecurityEvent::TokenRevoked, user.id = %claims.user_id, client.address = %address);
            }
        })?
    };
    Ok(Opened { claims, limits, slot, socket })
}

/// Refuses a handshake. A browser does not show the HTTP status to a page. So a client that offers the subprotocol gets a connection that is
/// closed at once with a code and a reason. It occupies a slot and a permit meanwhile; without them, or for a reason that has no code, the
/// refusal is an HTTP status as for other clients.
fn refuse_readably(
    request: &HttpRequest,
    address: ClientAddress,
    state: &AppState,
    Refusal { error, reason }: Refusal,
    socket_io: ActixSocket,
) -> Result<impl Future<Output = ()> + use<>, ApiError> {
    let reason = reason.filter(|_| offered_protocols(request).any(|protocol| protocol == SUBPROTOCOL));
    let permit = reason.and_then(|_| Arc::clone(&state.refused_handshakes).try_acquire_owned().ok());
    let slot = permit.as_ref().and_then(|_| state.slots.acquire(address).ok());
    let (Some(reason), Some(permit), Some(slot)) = (reason, permit, slot) else { return Err(error) };
    metrics::counter!(REFUSED_HANDSHAKES, "code" => reason.code().0.to_string()).increment(1);
    error.log();
    Ok(async move {
        refuse(socket_io, reason).await;
        drop((slot, permit));
    })
}

/// Waits for the permits to call chat-service. A handshake waits for the other handshakes of its user first, and then for those
/// of other users.
async fn acquire_permits<'a>(
    limits: &'a UserLimits,
    state: &'a AppState,
) -> Result<[SemaphorePermit<'a>; 2], ApiError> {
    // The semaphores are never closed.
    let permits =
        async { Ok::<_, AcquireError>([limits.handshake_permits.acquire().await?, state.handshakes.acquire().await?]) };
    let permits = timeout(PERMIT_TIMEOUT, permits).await.ok().and_then(Result::ok);
    permits.ok_or_else(|| at_capacity("This instance has too many handshakes in progress. Reconnect in a moment."))
}

/// Runs the connection to its end.
async fn run_connection(
    guard: ConnectionGuard,
    claims: Claims,
    limits: Arc<UserLimits>,
    socket_io: ActixSocket,
    state: Data<AppState>,
) {
    let socket = &guard.socket;
    if state.readiness.is_draining() {
        // The drain began during this handshake.
        socket.outbox.close(CloseReason::Restart { after_ms: RECONNECT_DELAY_MS });
    }
    let reason = {
        let handler = FrameHandler::new(Arc::clone(socket), &claims, limits, &state);
        run(&socket.outbox, &handler, socket_io, state.settings).await
    };
    guard.end(reason);
}

/// Refuses browsers on pages of other sites. A browser lets any page open a WebSocket and sends the page's origin, so the
/// server has to keep a foreign page from acting as its visitor (RFC 6455, section 10.2). Other clients send no origin.
fn check_origin(request: &HttpRequest, address: ClientAddress, state: &AppState) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if origin.to_str().is_ok_and(|origin| state.client_origins.allows(origin, host)) {
        Ok(())
    } else {
        let origin = excerpt(&String::from_utf8_lossy(origin.as_bytes()));
        security_event!(SecurityEvent::OriginRejected, client.address = %address, http.origin = %origin);
        Err(ApiError::new(ErrorCode::Forbidden, "Web pages of this origin are not allowed to connect."))
    }
}

fn parse_chat_id(text: &str) -> Result<ChatId, ApiError> {
    text.parse().map_err(|_| ApiError::invalid("chat_id", "format", "should be a UUID"))
}

/// Verifies the token from the query, the `Authorization` header, or the subprotocols. Ignores headers of other schemes:
/// browsers add them for a proxy that asks for `Basic`.
fn authenticate(request: &HttpRequest, query: Option<&str>, state: &AppState) -> Result<Claims, TokenError> {
    let values = |name| request.headers().get_all(name).filter_map(|value: &HeaderValue| value.to_str().ok());
    let header = || values(header::AUTHORIZATION).find_map(|authorization| bearer(authorization).ok());
    let offered = || offered_protocols(request).find_map(|protocol| protocol.strip_prefix(BEARER_PREFIX));
    state.tokens.verify(query.or_else(header).or_else(offered).ok_or(TokenError::Missing)?)
}

fn offered_protocols(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let values = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    values.filter_map(|value| value.to_str().ok()).flat_map(|protocols| protocols.split(',')).map(str::trim)
}

/// Refuses sockets while an older deployment uses the same Redis. Asks for this deployment first if it is not known.
async fn check_deployment(state: &AppState) -> Result<(), ApiError> {
    let deployments = &state.deployments;
    deployments.ensure_known(&state.chat_service).await?;
    if deployments.must_yield() {
        Err(ApiError::unavailable_without_cause("WebSocket of this deployment"))
    } else {
        Ok(())
    }
}

/// Registers the socket with the hub and joins its chats. From then on the socket misses no event.
async fn register(claims: &Claims, scope: Option<ChatId>, state: &AppState) -> Result<Arc<Socket>, ApiError> {
    let user = claims.user_id;
    let guard = UserGuard::new(Arc::clone(&state.hub), user, state.settings.max_connections_per_user)?;
    // The subscription precedes the listing: a new chat is either in the list or announced on this channel.
    state.subscriptions.wait_for(Channel::User(user)).await;
    let chats = state.chat_service.chats_of(user, Some(claims.into())).await?;
    if let Some(scope) = scope
        && !chats.iter().any(|chat| chat.id == scope)
    {
        return Err(ApiError::new(ErrorCode::Forbidden, NO_SUCH_CHAT));
    }
    Ok(guard.register(claims.into(), scope, &chats))
}

fn upgrade_required() -> HttpResponse {
    let error = ApiError::new(
        ErrorCode::UpgradeRequired,
        "This path accepts only WebSocket handshakes (RFC 6455, version 13).",
    );
    let mut response = error.error_response();
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// A reserved user in the hub. Dropping it undoes the reservation unless a socket was registered: the client may disconnect at
/// any moment.
struct UserGuard {
    hub: Arc<Hub>,
    user: UserId,
    registered: bool,
}

impl UserGuard {
    /// Fails with `rate_limited` if the user has `max` sockets on this instance already; 0 means no limit.
    fn new(hub: Arc<Hub>, user: UserId, max: usize) -> Result<Self, ApiError> {
        let sockets = hub.reserve(user);
        let guard = Self { hub, user, registered: false };
        if max > 0 && sockets > max {
            let error = ApiError::new(ErrorCode::RateLimited, format!("A user has at most {max} sockets."));
            return Err(ApiError { retry_after: Some(RETRY_AFTER), ..error });
        }
        Ok(guard)
    }

    fn register(mut self, token: TokenRef, scope: Option<ChatId>, chats: &[UserChat]) -> Arc<Socket> {
        self.registered = true;
        self.hub.register(self.user, token, scope, chats)
    }
}

impl Drop for UserGuard {
    fn drop(&mut self) {
        if !self.registered {
            self.hub.unreserve(self.user);
        }
    }
}
